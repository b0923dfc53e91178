#!/bin/bash
# What a constraint is for: tunes the hourly power of a plant for mse, which says nothing about variances, without and with the
# constraint that errors are as large as predicted (clients/curl/calibrated.json), and scores test rows that took no part.
#   demo-constraints.sh [KRIGED [SPLITS [NAME]]]    the binary, default build/kriged; how many random splits, default 1; the data
#                                                   set clients/data/NAME.csv, default power
# Exits 1 when something fails or, on power, the constrained model is not what it should be.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
kriged=$(realpath "${1:-$root/build/kriged}")
splits=${2:-1}
name=${3:-power}
csv=$root/clients/data/$name.csv
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The request of a split, changed by a filter of jq: tunes, and prints the result.
tuned() {
    jq --argjson split "$1" ".test.seed = \$split | .objective.validation.seed = \$split | $2" \
        "$root/clients/curl/calibrated.json" >"$folder/request.json"
    "$kriged" tune "$folder/request.json" --data "$csv" >"$folder/events.json" || { tail -n 1 "$folder/events.json" >&2; exit 1; }
    jq -c 'select(.event == "done") | .data.result' "$folder/events.json"
}

scores='.metrics.test | [.rmse, .nlpd, 100 * .coverage_95]'
echo "Test rows of $name, tuned for mse without and with the constraint \"calibration\":"
echo
printf '        | %-28s | %-28s |\n' "without" "with"
printf '  split |   RMSE     NLPD    95 %% range |   RMSE     NLPD    95 %% range | violation before and after\n'
for ((split = 0; split < splits; split++)); do
    tuned "$split" 'del(.constraints)' >"$folder/without.json"
    tuned "$split" . >"$folder/with.json"
    first=$(jq -s 'map(select(.event == "step"))[0].data.constraint_violation' "$folder/events.json")
    jq -rs --argjson split "$split" --argjson first "$first" \
        "[\$split, (.[0] | ${scores}[]), (.[1] | ${scores}[]), \$first, .[1].constraint_violation] | @tsv" \
        "$folder/without.json" "$folder/with.json" | tee -a "$folder/table" |
        awk -F'\t' '{ printf "  %5d | %6.3f %8.3f %8.1f %% in | %6.3f %8.3f %8.1f %% in | %.3g, %.1e\n", $1, $2, $3, $4, $5, $6, $7, $8, $9 }'
done

echo
awk -F'\t' -v name="$name" '
    { worse = $5 / $2 > worse ? $5 / $2 : worse; without += $4; with_ += $7
      wrong += name == "power" && ($5 > 1.05 * $2 || $7 < 92 || $7 > 98 || $4 > 80 || $9 > 1e-4) }
    END { printf "  95 %% ranges hold on average %.1f %% of the test rows without, %.1f %% with the constraint; ", without / NR, with_ / NR
          printf "the RMSE changes by %+.1f %% at most\n", 100 * (worse - 1)
          exit wrong > 0 }' "$folder/table" ||
    { echo "the constrained model is not what it should be" >&2; exit 1; }
