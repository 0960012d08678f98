#!/bin/sh
# Replaces the containers of the shop by a new image, one after the other:
#
#     ./replace.sh VERSION
#
# Each is drained, replaced, enabled, and has to be healthy before the next one's turn. If it is not, it is drained again
# and the script ends with 1: the others serve on, with the old image.
set -eu
version=$1
compose=${COMPOSE:-docker compose}

plimsoll() { $compose exec -T plimsoll plimsoll "$@"; }

healthy() { # waits for it, half a minute unless PATIENCE says otherwise
    for _ in $(seq "${PATIENCE:-30}"); do
        plimsoll status | grep -F "$1" | grep -q ' healthy ' && return 0
        sleep 1
    done
    return 1
}

for number in 1 2; do
    target=172.30.0.1$number:8080
    plimsoll drain shop "$target" --wait 30s
    SHOP=$version $compose up -d --no-deps "shop-$number"
    # Checks go on while it is drained: after three that fail, one a second, it is unhealthy, and enabled it gets nothing.
    sleep 5
    plimsoll enable shop "$target"
    if ! healthy "$target"; then
        plimsoll drain shop "$target"
        echo "shop-$number of version $version is not healthy and gets no requests" >&2
        exit 1
    fi
done
