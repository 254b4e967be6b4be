#!/bin/sh
# As the entry point of the official image: POSTGRES_PASSWORD, POSTGRES_HOST_AUTH_METHOD, POSTGRES_DB.
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
export PGDATA=/var/lib/postgresql/data
method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
if [ ! -e "$PGDATA/PG_VERSION" ]; then
    echo "${POSTGRES_PASSWORD:-postgres}" >/tmp/password
    initdb --username=postgres --encoding=UTF8 --locale=C --auth-local=trust --auth-host="$method" --pwfile=/tmp/password >/dev/null
    rm /tmp/password
    echo "host all all all $method" >>"$PGDATA/pg_hba.conf"
    if [ -n "${POSTGRES_DB:-}" ] && [ "$POSTGRES_DB" != postgres ]; then
        echo "CREATE DATABASE \"$POSTGRES_DB\"" | postgres --single -j postgres >/dev/null
    fi
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/tmp
