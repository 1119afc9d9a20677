#!/bin/bash
# Prints the directory with the programs of a Kafka server; gets them the first time.
set -euo pipefail

version=4.4.0
cache=${DPI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dpi-operator}
home=$cache/kafka-$version
if [ ! -d "$home" ]; then
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/kafka-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	echo "Getting Kafka $version for the tests (120 MB the first time)" >&2
	cat >"$work/pom.xml" <<-EOF
		<project xmlns="http://maven.apache.org/POM/4.0.0">
		  <modelVersion>4.0.0</modelVersion>
		  <groupId>io.dpi-operator</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
		  <dependencies>
		    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
		  </dependencies>
		</project>
	EOF
	mvn --quiet --batch-mode -Dstyle.color=never --file "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$work/libs" >&2
	mv "$work/libs" "$home"
	chmod 755 "$home"
fi
echo "$home"
