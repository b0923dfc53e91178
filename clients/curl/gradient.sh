#!/bin/sh
# One evaluation: the held-out loss and its gradient by every hyperparameter. REQUEST.json may be - for stdin.
# usage: gradient.sh REQUEST.json
set -eu
. "$(dirname "$0")/call.sh"
[ $# -eq 1 ] || usage

call /v1/gradients --data-binary "@$1" --header "Content-Type: application/json"
echo
