#!/bin/sh
# Stores a CSV file as the data set NAME; the target is the last column unless it is named.
# usage: upload.sh NAME FILE.csv [TARGET]
set -eu
. "$(dirname "$0")/call.sh"
[ $# -ge 2 ] || usage

call "/v1/datasets/$1" --upload-file "$2" --header "Content-Type: text/csv" ${3:+--url-query "target=$3"}
echo
