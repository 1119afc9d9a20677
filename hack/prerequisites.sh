#!/bin/bash
# Installs what the tests use from the distribution, if it is missing.
set -euo pipefail

missing=()
[ -x /usr/lib/postgresql/15/bin/postgres ] || missing+=(postgresql-15)
[ -x /usr/sbin/mariadbd ] && [ -x /usr/bin/my_print_defaults ] || missing+=(mariadb-server-core mariadb-client-core)
[ -x /usr/sbin/exim4 ] || missing+=(exim4-daemon-light)
command -v redis-server >/dev/null || missing+=(redis-server)
# The race detector needs a C compiler.
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
# With its compiler: tests start programs from their source.
command -v javac >/dev/null || missing+=(openjdk-17-jdk-headless)
command -v mvn >/dev/null || missing+=(maven)
command -v npm >/dev/null || missing+=(npm)
command -v unzip >/dev/null || missing+=(unzip)
[ ${#missing[@]} -eq 0 ] && exit 0

echo "Installing ${missing[*]}" >&2
apt-get update -qq
# The distribution would start servers of its own on their default ports.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
if [ ! -e /usr/sbin/policy-rc.d ]; then
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod +x /usr/sbin/policy-rc.d
fi
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
