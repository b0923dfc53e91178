#!/bin/sh
# Queues a tuning job and prints its id. REQUEST.json may be - for stdin.
# usage: tune.sh REQUEST.json
set -eu
. "$(dirname "$0")/call.sh"
[ $# -eq 1 ] || usage

job=$(call /v1/jobs --data-binary "@$1" --header "Content-Type: application/json") || { printf '%s\n' "$job" >&2; exit 1; }
printf '%s\n' "$job" | jq -r .id
