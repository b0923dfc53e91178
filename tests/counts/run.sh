#!/bin/bash
# Counts the instructions of each hot path with callgrind and compares: run.sh HOT_PATHS.
# expected.txt has a line "name millions" for each; a count may be TOLERANCE (10) per cent above it, and where it is as much below, the
# file should be brought up to date: that fails too. UPDATE=1 writes the file. callgrind knows AVX2 and not AVX-512: what is counted is the
# code of x86-64-v3, whatever the machine; one without AVX2 has other counts, and nothing is compared there.
set -euo pipefail

program=$1
expected=$(dirname "$0")/expected.txt
tolerance=${TOLERANCE:-10}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

grep -qw avx2 /proc/cpuinfo || { echo "counts: no AVX2 here, nothing to compare"; exit 0; }

count() {
    OPENBLAS_CORETYPE=Haswell OMP_NUM_THREADS=1 valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=counted \
        "$program" "$1" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
    awk '/Collected/ { printf "%.2f", $NF / 1e6 }' "$log"
}

failed=0
lines=""
for name in $("$program"); do
    now=$(count "$name")
    lines+="$name $now"$'\n'
    before=$(awk -v name="$name" '$1 == name { print $2 }' "$expected" 2>/dev/null || true)
    verdict=$(awk -v a="$now" -v b="${before:-0}" -v t="$tolerance" \
        'BEGIN { print (b == 0 ? "new" : a > b * (1 + t / 100) ? "MORE" : a < b * (1 - t / 100) ? "LESS" : "ok") }')
    printf '%-4s  %-24s %10s million, expected %s\n' "$verdict" "$name" "$now" "${before:-nothing}"
    [ "$verdict" = ok ] || failed=1
done
if [ "${UPDATE:-}" = 1 ]; then
    printf '%s' "$lines" >"$expected"
    exit 0
fi
[ "$failed" -eq 0 ] || { echo "instruction counts changed: find out why; make counts UPDATE=1 accepts them" >&2; exit 1; }
