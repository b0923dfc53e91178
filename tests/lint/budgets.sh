#!/bin/bash
# Budgets: a file has at most 450 lines, a function at most 75, from the brace in column 0 to the one that closes it. A function
# that must be longer says why in a comment "long: <reason>" inside it. budgets.sh ROOT; exits 1 if one is broken.
set -euo pipefail
cd "${1:-.}"

mapfile -t files < <(find src include tests -name '*.[ch]' | sort)
awk -v most_file=450 -v most_function=75 '
    function end_file() {
        if (lines > most_file) {
            printf "%s: %d lines, %d at most\n", name, lines, most_file
            failed = 1
        }
    }
    FNR == 1 { end_file(); name = FILENAME; inside = 0 }
    { lines = FNR }
    /^\{/ { inside = 1; start = FNR; excused = 0 }
    inside && /long: [^ ]+ [^ ]+/ { excused = 1 }
    /^}/ && inside {
        if (FNR - start + 1 > most_function && !excused) {
            printf "%s:%d: a function of %d lines, %d at most\n", FILENAME, start, FNR - start + 1, most_function
            failed = 1
        }
        inside = 0
    }
    END { end_file(); exit failed }
' "${files[@]}" /dev/null
