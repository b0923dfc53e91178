#!/bin/sh
# Predicts with a model; POINTS.json is {"x": [[..], ..], "quantiles": [0.05, 0.95]}, or - for stdin.
# usage: predict.sh MODEL POINTS.json
set -eu
. "$(dirname "$0")/call.sh"
[ $# -eq 2 ] || usage

call "/v1/models/$1/predict" --data-binary "@$2" --header "Content-Type: application/json"
echo
