#!/bin/sh
# Run by a pipeline: copies what it has built to the host, and replaces the release there.
#
#     SHOP=/srv/shop ./deploy.sh VERSION HOST
#
# Exits as `plimsoll deploy` does: 0 promoted, 1 rolled back or failed, 3 refused. A pipeline step that runs it is
# green only if the new release runs.
set -eu
version=$1 host=$2 shop=${SHOP:-/srv/shop}

case $version in
    '' | -* | *[!A-Za-z0-9._-]*) echo "not a version: $version" >&2; exit 2 ;;
esac

# A release is complete or not there: it is copied beside its place, and moved into it. One that is there stays as it is.
release=$shop/releases/$version
tar -C app -cf - . | ssh "$host" "
    set -eu
    if [ ! -e '$release' ]; then
        rm -rf '$release.part'
        mkdir -p '$release.part'
        tar -C '$release.part' -xf -
        mv '$release.part' '$release'
    else
        cat >/dev/null
    fi"

exec ssh "$host" plimsoll deploy web "$version" -c "$shop/plimsoll.toml"
