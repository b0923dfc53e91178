#!/bin/bash
# Text rules for every file of the repository: no marks of unfinished work; in sources also no tab (but in makefiles), no blank at
# the end of a line, no carriage return, a newline at the end. text.sh ROOT; exits 1 if one is broken.
set -euo pipefail
cd "${1:-.}"

failed=0
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    mapfile -t listed < <(git ls-files --cached --others --exclude-standard)
else
    mapfile -t listed < <(find . -type f | sed 's|^\./||' | sort)
fi
files=() sources=() untabbed=()
for file in "${listed[@]}"; do
    [ -f "$file" ] || continue
    files+=("$file")
    case $file in
    *.c | *.h | *.def | *.sh | *.py | *.js | *.css | *.html | *.yml | *.yaml | .ci/run | */LAYERS)
        sources+=("$file")
        untabbed+=("$file")
        ;;
    Makefile | *.md) sources+=("$file") ;;
    esac
done
[ ${#files[@]} -gt 0 ] || { echo "text: no files"; exit 1; }

# report WHAT PATTERN FILE...: prints the lines that match
report() {
    local what=$1 pattern=$2
    shift 2
    [ $# -gt 0 ] || return 0
    if grep -HnIP -- "$pattern" "$@" | cut -c 1-160 | sed "s|$| <- $what|" | grep .; then
        failed=1
    fi
}
marks='TO''DO|FIX''ME|XX''X'
report "unfinished work" "\\b($marks)\\b" "${files[@]}"
report "blank at the end of the line" '[ \t]+$' "${sources[@]}"
report "carriage return" '\r' "${sources[@]}"
report "tab" '\t' "${untabbed[@]}"
for file in "${sources[@]}"; do
    if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then
        echo "$file: no newline at the end"
        failed=1
    fi
done
exit "$failed"
