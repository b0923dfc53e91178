#!/bin/sh
# Prints a job; waits until it is finished, WAIT seconds at most (default 0).
# usage: job.sh JOB [WAIT]
set -eu
. "$(dirname "$0")/call.sh"
[ $# -ge 1 ] || usage

call "/v1/jobs/$1" --header "Prefer: wait=${2:-0}"
echo
