#!/bin/bash
# Prints the directory of a Keycloak distribution that is prepared for PostgreSQL; gets and prepares it the first time.
set -euo pipefail

version=26.7.3
cache=${DPI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dpi-operator}
home=$cache/keycloak-$version
if [ ! -e "$home/prepared" ]; then
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/keycloak-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	echo "Getting Keycloak $version for the tests (177 MB the first time)" >&2
	mvn --quiet --batch-mode -Dstyle.color=never org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
		-Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip" -DoutputDirectory="$work" >&2
	unzip -q "$work/keycloak-quarkus-dist-$version.zip" -d "$work"
	"$work/keycloak-$version/bin/kc.sh" build --db=postgres --health-enabled=true --cache=local >&2
	touch "$work/keycloak-$version/prepared"
	rm -rf "$home"
	mv "$work/keycloak-$version" "$home"
fi
echo "$home"
