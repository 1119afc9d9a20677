#!/bin/bash
# Prints the directory of an OpenHIM core and of the store that stands in for MongoDB in tests; gets both the first time.
set -euo pipefail

version=4.0.5
cache=${DPI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dpi-operator}
home=$cache/openhim-$version
here=$(cd "$(dirname "$0")" && pwd)
if [ ! -e "$home/prepared" ]; then
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/openhim-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	echo "Getting OpenHIM core $version for the tests (90 MB the first time)" >&2
	cp "$here/package.json" "$here/package-lock.json" "$here/pom.xml" "$here/Store.java" "$work/"
	# No script of a package runs: none of what the tests use needs one.
	npm --prefix "$work" ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
	mvn --quiet --batch-mode -Dstyle.color=never -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
		-DoutputDirectory="$work/store" >&2
	touch "$work/prepared"
	rm -rf "$home"
	mv "$work" "$home"
fi
echo "$home"
