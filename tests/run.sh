#!/bin/bash
# Runs test programs: run.sh PROGRAM...
# One line a program with its time, the output of those that fail, a last line "N passed, N failed". Exit 0 when none failed.
#   JOBS (2) programs at a time    TEST_TIMEOUT (300) seconds a program    CK_DEFAULT_TIMEOUT (60) seconds a test
set -euo pipefail

export TEST_TIMEOUT=${TEST_TIMEOUT:-300} CK_DEFAULT_TIMEOUT=${CK_DEFAULT_TIMEOUT:-60}
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
TEST_RESULTS=$(mktemp -d)
export TEST_RESULTS
trap 'rm -rf "$TEST_RESULTS"' EXIT

run_one() {
    local program=$1 name=${1#"$PWD"/} status=0 start=$EPOCHREALTIME log seconds verdict=ok
    log=$TEST_RESULTS/${name//\//_}.log
    timeout --kill-after=10 "$TEST_TIMEOUT" "$program" >"$log" 2>&1 </dev/null || status=$?
    seconds=$(((${EPOCHREALTIME//[.,]/} - ${start//[.,]/}) / 1000))
    if [ "$status" -ne 0 ]; then
        verdict=FAIL
        [ "$status" -ne 124 ] || echo "ran longer than $TEST_TIMEOUT s" >>"$log"
        : >"$log.failed"
    fi
    # One write, so that programs that end together do not mix their lines.
    local line
    printf -v line '%-4s %4d.%03d s  %s' "$verdict" $((seconds / 1000)) $((seconds % 1000)) "$name"
    [ "$verdict" = ok ] || line+=$'\n'"exit status $status"$'\n'$(tail -c 20000 "$log")
    printf '%s\n' "$line"
}
export -f run_one

[ $# -gt 0 ] || { echo "no test programs"; exit 1; }
# shellcheck disable=SC2016
printf '%s\0' "$@" | xargs -0 -n 1 -P "${JOBS:-2}" bash -c 'run_one "$1"' run_one || true
failed=$(find "$TEST_RESULTS" -name '*.failed' | wc -l)
ran=$(find "$TEST_RESULTS" -name '*.log' | wc -l)
failed=$((failed + $# - ran))
echo "$(($# - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
