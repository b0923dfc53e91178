#!/bin/sh
# Prints the events of a job as they happen, one line of JSON each, until the job is done; after the event AFTER if given.
# usage: follow.sh JOB [AFTER]
set -eu
. "$(dirname "$0")/call.sh"
[ $# -ge 1 ] || usage

call "/v1/jobs/$1/events?after=${2:-0}" --no-buffer --header "Accept: application/x-ndjson"
