#!/bin/bash
# The demo: starts a daemon, and by curl alone (clients/curl) uploads 1030 samples of concrete, tunes a Gaussian process by the
# gradients of its held-out loss, and predicts the strength of mixes that it has not seen.
#   demo.sh [KRIGED]    the binary; default build/kriged
# Exits 1 when something fails or the model is worse than it should be.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
kriged=$(realpath "${1:-$root/build/kriged}")
csv=$root/clients/data/concrete.csv
folder=$(mktemp -d)
daemon=

finish() {
    local status=$?
    trap - EXIT
    [ -z "$daemon" ] || { kill -KILL "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; }
    if [ "$status" -ne 0 ] && [ -s "$folder/daemon.log" ]; then
        echo "the daemon's log ends:" >&2
        tail -n 20 "$folder/daemon.log" >&2
    fi
    rm -rf "$folder"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM
cd "$root/clients/curl"

start_daemon() {
    "$kriged" serve --listen 127.0.0.1:0 --data-dir "$folder/data" >"$folder/daemon.out" 2>"$folder/daemon.log" &
    daemon=$!
    for ((i = 0; i < 200; i++)); do
        KRIGED_URL=$(sed -n 's/^kriged listening on //p' "$folder/daemon.out")
        [ -z "$KRIGED_URL" ] || break
        kill -0 "$daemon" 2>/dev/null || { echo "the daemon did not start" >&2; exit 1; }
        sleep 0.1
    done
    [ -n "$KRIGED_URL" ] || { echo "the daemon does not listen" >&2; exit 1; }
    export KRIGED_URL
    echo "kriged listens on $KRIGED_URL"
}

stop_daemon() {
    local status=0
    kill -TERM "$daemon"
    wait "$daemon" || status=$?
    daemon=
    echo "kriged stopped with exit status $status"
    [ "$status" -eq 0 ]
}

# Test rows: every tenth mix, with all the rows that have the same inputs, so that no test input is in the training data.
test_rows() {
    awk -F, 'NR > 1 {
        inputs = $0
        sub(/,[^,]*$/, "", inputs)
        if (!(inputs in mix))
            mix[inputs] = mixes++
        if (mix[inputs] % 10 == 5)
            print NR - 2
    }' "$csv" | jq -cs .
}

# The events of a job, a line each.
readable='
    def digits(n): if . == null then "-" else (. * pow(10; n) | round) / pow(10; n) end | tostring;
    def pad(n): . + " " * ([n - length, 0] | max);
    if .event == "step" then .data
        | "  evaluation \(.evaluation | tostring | pad(4)) loss \(.loss | digits(5) | pad(10))"
        + "best \(.best_loss | digits(5) | pad(10))gradient \(.gradient_norm | digits(5) | pad(10))\(.seconds | digits(1)) s"
    elif .event == "state" then "  state: \(.data.state)"
    elif .event == "warning" then "  warning: \(.data.detail)"
    else "  \(.event): \(.data.state // "")" end'

start_daemon

echo
echo "Upload: clients/curl/upload.sh concrete clients/data/concrete.csv"
./upload.sh concrete "$csv" strength >"$folder/dataset.json" || { cat "$folder/dataset.json" >&2; exit 1; }
jq -r '"  \(.rows) rows, \(.features) features: \(.feature_names | join(", "))"' "$folder/dataset.json"

jq --argjson rows "$(test_rows)" '.test = {rows: $rows}' concrete.json >"$folder/tune.json"
jq 'del(.optimizer)' "$folder/tune.json" >"$folder/gradient.json"

echo
echo "One gradient: clients/curl/gradient.sh REQUEST.json"
./gradient.sh "$folder/gradient.json" >"$folder/reply.json" || { cat "$folder/reply.json" >&2; exit 1; }
jq -r '"  loss \(.loss) (negative log predictive density of the validation rows)",
    (.parameters[:4][] | "  d loss / d \(.name) = \(.gradient)")' "$folder/reply.json"

echo
echo "Tune: clients/curl/tune.sh clients/curl/concrete.json; clients/curl/follow.sh JOB"
job=$(./tune.sh "$folder/tune.json")
echo "  job $job"
./follow.sh "$job" | jq --unbuffered -r "$readable"
./job.sh "$job" 30 >"$folder/job.json"
jq -e '.state == "succeeded"' "$folder/job.json" >/dev/null || { jq . "$folder/job.json" >&2; exit 1; }
jq -r '.result | "  \(.stop): \(.evaluations) evaluations in \(.seconds * 10 | round / 10) s"' "$folder/job.json"

echo
echo "Test rows, which took no part ($(jq '.test.rows | length' "$folder/tune.json") of them):"
jq -r '.result.metrics | [.initial.test, .test][] | [.rmse, .nlpd, 100 * .coverage_95] | @tsv' "$folder/job.json" |
    awk -F'\t' 'BEGIN { printf "  %-8s %10s %8s %26s\n", "", "RMSE, MPa", "NLPD", "inside the 95 % interval" }
        { printf "  %-8s %10.2f %8.3f %24.1f %%\n", NR == 1 ? "before" : "after", $1, $2, $3 }'

echo
echo "Predictions: clients/curl/predict.sh $job POINTS.json"
# six of the test rows: the columns but the last are the point, the last is the truth
jq -r '.test.rows | . as $rows | length as $n | range(6) | $rows[. * $n / 6 | floor]' "$folder/tune.json" |
    awk -F, 'NR == FNR { wanted[$1 + 2]; next } FNR in wanted' - "$csv" >"$folder/points.csv"
jq -Rn '{x: [inputs | split(",") | map(tonumber) | .[:-1]], quantiles: [0.05, 0.95]}' "$folder/points.csv" >"$folder/points.json"
./predict.sh "$job" "$folder/points.json" >"$folder/predicted.json" || { cat "$folder/predicted.json" >&2; exit 1; }
jq -r '[.mean, .quantiles] | transpose[] | flatten | @tsv' "$folder/predicted.json" | paste - "$folder/points.csv" |
    awk -F'[\t,]' 'BEGIN { printf "  %10s %12s %22s\n", "true, MPa", "predicted", "90 % interval" }
        { printf "  %10.2f %12.2f %12.2f to %6.2f\n", $NF, $1, $2, $3 }'

echo
stop_daemon
jq -e '.result.metrics.test | .rmse < 6 and .coverage_95 >= 0.87 and .coverage_95 <= 0.99' "$folder/job.json" >/dev/null ||
    { echo "the tuned model is worse than it should be" >&2; exit 1; }
