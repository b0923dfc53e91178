# shellcheck shell=sh
# Read by the other scripts: `call PATH [curl's options]` asks the server at KRIGED_URL, with the key KRIGED_KEY if there is one.
# On an error status it prints the reply, a problem document that says what is wrong, and fails.
KRIGED_URL=${KRIGED_URL:-http://127.0.0.1:8080}

call() {
    path=$1
    shift
    curl --silent --show-error --fail-with-body ${KRIGED_KEY:+--header "Authorization: Bearer $KRIGED_KEY"} \
        "$@" "$KRIGED_URL$path"
}

usage() {
    sed -n 's/^# \(usage: .*\)/\1/p' "$0" >&2
    exit 2
}
