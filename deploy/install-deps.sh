#!/bin/bash
# Sees that what kriged builds with is there, and installs what is missing (Debian; as root).
#   install-deps.sh         libraries, pkg-config, curl and jq
#   install-deps.sh lint    what `make lint` runs too
#   install-deps.sh counts  what `make counts` runs too
# Quick and silent when nothing is missing. Without root it prints the line to run and exits 1.
set -euo pipefail

missing=()
module() { pkg-config --exists "$1" 2>/dev/null || missing+=("$2"); }
command_of() { command -v "$1" >/dev/null || missing+=("$2"); }

command_of cc gcc
command_of make make
command_of pkg-config pkg-config
module libmicrohttpd libmicrohttpd-dev
module jansson libjansson-dev
module sqlite3 libsqlite3-dev
module openblas libopenblas-dev
module libsodium libsodium-dev
module check check
module libcurl libcurl4-openssl-dev
command_of curl curl
command_of jq jq
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)

case "${1:-}" in
lint)
    command_of clang-format-14 clang-format-14
    command_of shellcheck shellcheck
    ;;
counts) command_of valgrind valgrind ;;
"") ;;
*)
    echo "usage: $0 [lint | counts]" >&2
    exit 2
    ;;
esac

[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "kriged needs these (by their Debian names): ${missing[*]}" >&2
    exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "kriged needs some packages; please run:" >&2
    echo "    sudo apt-get install -y ${missing[*]}" >&2
    exit 1
fi

echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install() { apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >"$log" 2>&1; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Old package lists may do; where they do not, fetch new ones and try again.
if ! install && ! { apt-get update -qq >"$log" 2>&1 && install; }; then
    cat "$log" >&2
    exit 1
fi
