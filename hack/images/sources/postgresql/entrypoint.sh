#!/bin/bash
# Prepares the database directory when it is new, then becomes the server.
#
# Nothing here may leave a half-made database behind: the directory is made beside its final place and renamed, so
# PGDATA either does not exist or is complete, whenever the container is killed.
set -euo pipefail
umask 0077

hba_file=${POSTGRES_HBA_FILE:-/etc/postgresql/pg_hba.conf}

fail() {
  echo "postgresql: $*" >&2
  exit 64
}

read_password() {
  [[ -n ${POSTGRES_PASSWORD_FILE:-} ]] || fail "set POSTGRES_PASSWORD_FILE to a file that holds the superuser's password"
  [[ -r $POSTGRES_PASSWORD_FILE ]] || fail "cannot read $POSTGRES_PASSWORD_FILE: mount the Secret so that user $(id -u) may read it"
  password=$(<"$POSTGRES_PASSWORD_FILE")
  [[ -n $password ]] || fail "$POSTGRES_PASSWORD_FILE is empty"
  [[ $password != *$'\n'* ]] || fail "$POSTGRES_PASSWORD_FILE has more than one line"
}

initialise() {
  local incomplete=$PGDATA.incomplete
  rm -rf -- "$incomplete"
  initdb --pgdata="$incomplete" --username=postgres --pwfile=<(printf '%s\n' "$password") \
    --auth-local=peer --auth-host=scram-sha-256 --data-checksums --encoding=UTF8 --locale=C.UTF-8 --no-instructions >&2
  sync
  mv --no-target-directory -- "$incomplete" "$PGDATA"
  sync
}

# The password in the file always holds, also when the volume is older than the Secret.
# The statement goes through standard input, so that it is in no process list.
set_password() {
  local quoted=${password//\'/\'\'}
  printf "ALTER ROLE postgres WITH PASSWORD '%s'\n" "$quoted" |
    postgres --single -D "$PGDATA" -c log_min_messages=fatal -c log_min_error_statement=panic \
      -c standard_conforming_strings=on -c password_encryption=scram-sha-256 postgres >/dev/null
}

mkdir -p -- "$(dirname -- "$PGDATA")"
read_password
if [[ -s $PGDATA/PG_VERSION ]]; then
  set_password
elif [[ -d $PGDATA && -n $(ls -A -- "$PGDATA") ]]; then
  fail "$PGDATA is neither empty nor a database: move its content away, or set PGDATA to a subdirectory of the volume"
else
  initialise
fi
unset password

exec postgres -D "$PGDATA" \
  -c listen_addresses='*' -c unix_socket_directories=/tmp -c hba_file="$hba_file" \
  -c password_encryption=scram-sha-256 -c jit=off -c logging_collector=off "$@"
