#!/bin/bash
# The lint checks must fail on what they are for: makes a small clean tree, then breaks one rule at a time.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0 tried=0

clean_tree() {
    rm -rf "${tree:?}/repo"
    mkdir -p "$tree"/repo/include/kriged "$tree"/repo/tests/base "$tree"/repo/src/{base,data,kernel,wire,api,store}
    cd "$tree/repo"
    cp "$here/../../src/LAYERS" src/LAYERS
    printf '#include <stddef.h>\n' | tee include/kriged/base.h >src/base/base.c
    printf '#include "kriged/base.h"\n' | tee include/kriged/fields.h include/kriged/kernel.h >include/kriged/data.h
    printf '#include "kriged/fields.h"\n#include <cblas.h>\n' >src/data/csv.c
    printf '#include "kernel/tile.h"\n#include "kriged/kernel.h"\n' >src/kernel/rbf.c
    printf '#include "kriged/fields.h"\n' >src/kernel/tile.h
    printf '#include "kriged/data.h"\n#include <jansson.h>\n' >src/wire/json.c
    printf '#include <sqlite3.h>\n' >src/store/db.c
    printf '#include "api/http.h"\n#include <microhttpd.h>\n' >src/api/http.c
    printf '#include "kriged/base.h"\n' >src/api/http.h
    printf '#include <sodium.h>\n' >src/api/keys.c
    printf '#include "api/http.h"\n' >src/kriged.c
    printf '#include "kriged/base.h"\n' >tests/base/test_base.c
}

# passes CHECK: the clean tree passes. fails CHECK NAME TEXT: it does not, once TEXT is written.
passes() {
    clean_tree
    "$here/$1.sh" . >"$tree/out" 2>&1 || { echo "selftest: $1 fails on a clean tree:"; cat "$tree/out"; failed=1; }
}
caught() { # caught CHECK WHAT: the tree as it is now must be refused, with words
    tried=$((tried + 1))
    if "$here/$1.sh" . >"$tree/out" 2>&1 || ! [ -s "$tree/out" ]; then
        echo "selftest: $1 does not see: $2"
        failed=1
    fi
}
include() { # include WHAT FILE LINE: adds an #include that the layer check must refuse
    clean_tree
    printf '%s\n' "#include $3" >>"$2"
    caught layers "$1"
}

passes layers
include "an arrow that runs up" src/base/base.c '"kriged/data.h"'
include "a public header that includes a higher one" include/kriged/base.h '"kriged/kernel.h"'
include "a sibling" src/kernel/rbf.c '"kriged/data.h"'
include "a sibling's private header" src/data/csv.c '"kernel/tile.h"'
include "a private header from below" src/wire/json.c '"api/http.h"'
include "a public header that includes a private one" include/kriged/kernel.h '"base/inside.h"'
include "a private header of no layer" src/api/http.c '"nowhere/x.h"'
include "an include without its folder" src/kernel/rbf.c '"tile.h"'
include "a path that climbs" src/kernel/rbf.c '"../api/http.h"'
include "our header in angle brackets" src/base/base.c '<kriged/data.h>'
include "an include by a macro" src/base/base.c 'SOMETHING'
include "jansson in a numerical layer" src/kernel/rbf.c '<jansson.h>'
include "jansson in the store" src/store/db.c '<jansson.h>'
include "libmicrohttpd outside http*" src/api/keys.c '<microhttpd.h>'
include "sqlite outside the store" src/api/http.c '<sqlite3.h>'
include "libsodium outside api" src/wire/json.c '<sodium.h>'
include "BLAS in the daemon" src/api/http.c '<cblas.h>'
include "an include with blanks" src/base/base.c ' "kriged/data.h"'
clean_tree
mkdir src/attic
printf '#include <stddef.h>\n' >src/attic/old.c
caught layers "a folder that is no layer"
clean_tree
printf 'layr 3 solve\n' >>src/LAYERS
caught layers "a line of LAYERS that says nothing"

function_of() { # function_of LINES COMMENT: a function whose body has so many lines
    printf 'int f(void)\n{\n    /* %s */\n' "$2"
    for ((i = 0; i < $1 - 4; i++)); do printf '    g();\n'; done
    printf '    return 0;\n}\n'
}
passes budgets
clean_tree
function_of 76 short >>src/base/base.c
caught budgets "a long function"
clean_tree
function_of 75 "long: " >>src/base/base.c
function_of 200 "long: the main loop" >>src/base/base.c
"$here/budgets.sh" . || { echo "selftest: budgets refuses what is allowed"; failed=1; }
clean_tree
for ((i = 0; i < 451; i++)); do echo "int a;"; done >src/base/long.c
caught budgets "a long file"

text() { # text WHAT FILE FORMAT
    clean_tree
    # shellcheck disable=SC2059
    printf "$3" >>"$2"
    caught text "$1"
}
passes text
text "a mark in a comment" src/base/base.c '/* TO''DO: later */\n'
text "a mark in a document" README.md 'FIX''ME\n'
text "a mark that shouts" LICENSE 'XX''X\n'
text "a blank at the end" src/base/base.c 'int a; \n'
text "a carriage return" src/base/base.c 'int a;\r\n'
text "a tab" src/base/base.c '\tint a;\n'
text "no newline at the end" src/base/base.c 'int a;'

[ "$failed" -eq 0 ] || exit 1
echo "lint selftest: $tried violations caught"
