#!/bin/bash
# Prints the directory with the program of an S3 server; gets it the first time.
set -euo pipefail

version=1.8.0
cache=${DPI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dpi-operator}
home=$cache/versitygw-$version
if [ ! -x "$home/versitygw" ]; then
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/versitygw-XXXXXX")
	trap 'rm -rf "$work"' EXIT
	echo "Building the S3 server versitygw $version for the tests" >&2
	GOBIN=$work/bin go install "github.com/versity/versitygw/cmd/versitygw@v$version" >&2
	rm -rf "$home"
	mv "$work/bin" "$home"
fi
echo "$home"
