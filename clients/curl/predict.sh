#!/bin/sh
# Predicts with a model; POINTS.json is {"x": [[..], ..], "quantiles": [0.05, 0.95]}, or - for stdin. Ten joint samples of all points:
#   echo '{"x": [[540, 0, 0, 162, 2.5, 1040, 676, 28], [540, 0, 0, 162, 2.5, 1040, 676, 90]], "samples": {"count": 10, "seed": 0}}' |
#       predict.sh MODEL -
# usage: predict.sh MODEL POINTS.json
set -eu
. "$(dirname "$0")/call.sh"
[ $# -eq 2 ] || usage

call "/v1/models/$1/predict" --data-binary "@$2" --header "Content-Type: application/json"
echo
