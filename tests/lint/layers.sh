#!/bin/bash
# The layer check: layers.sh ROOT reads ROOT/src/LAYERS and every #include of ROOT/src and ROOT/include, prints
# "file:line: what is wrong", exits 1 if anything is.
set -euo pipefail
cd "${1:-.}"

mapfile -t files < <(find src include -name '*.[ch]' -o -name '*.def' | sort)
[ ${#files[@]} -gt 0 ] || { echo "layers: no sources"; exit 1; }

awk '
    function wrong(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; failed = 1 }

    # The layer of a path: its folder below src, a file of src itself, or a public header by its name.
    function layer_of(path,    parts, n) {
        n = split(path, parts, "/")
        if (parts[1] == "include") {
            sub(/\.h$/, "", parts[n])
            return parts[n] in alias ? alias[parts[n]] : parts[n]
        }
        return parts[2]
    }

    # a shell pattern with * only, as a regular expression
    function matches(path, pattern) {
        gsub(/[.]/, "[.]", pattern)
        gsub(/[*]/, ".*", pattern)
        return path ~ ("^src/" pattern "$")
    }

    function may_use(header,    users, n, i) {
        n = split(only[header], users, " ")
        for (i = 1; i <= n; i++)
            if (users[i] == mine || matches(FILENAME, users[i]))
                return 1
        return 0
    }

    FILENAME == "src/LAYERS" {
        sub(/#.*/, "")
        if ($1 == "layer")
            for (i = 3; i <= NF; i++)
                level[$i] = $2 + 0
        else if ($1 == "header")
            alias[$2] = $3
        else if ($1 == "only") {
            header = $2
            $1 = $2 = ""
            only[header] = $0
        } else if (NF)
            wrong("must be layer, header or only")
        next
    }

    FNR == 1 {
        mine = layer_of(FILENAME)
        if (!(mine in level))
            wrong("\"" mine "\" is not in src/LAYERS")
    }

    /^[ \t]*#[ \t]*include/ {
        target = $0
        sub(/^[ \t]*#[ \t]*include[ \t]*/, "", target)
        quoted = target ~ /^"/
        if (!quoted && target !~ /^</) {
            wrong("an include must name its file")
            next
        }
        sub(/^["<]/, "", target)
        sub(/[">].*/, "", target)
        if (!quoted) {
            if (target ~ /^kriged\//)
                wrong("write \"" target "\", not <" target ">")
            if (target in only && !may_use(target))
                wrong("<" target "> is only for" only[target])
            next
        }
        if (target !~ /\// || target ~ /\.\./) {
            wrong("\"" target "\" must be named with its folder")
            next
        }
        if (target in only) {
            wrong("write <" target ">")
            next
        }
        theirs = target ~ /^kriged\// ? layer_of("include/" target) : layer_of("src/" target)
        if (!(theirs in level))
            wrong("\"" target "\" belongs to no layer of src/LAYERS")
        else if (mine in level && theirs != mine && level[theirs] >= level[mine])
            wrong(mine " (" level[mine] ") must not include " target " of " theirs " (" level[theirs] ")")
        if (FILENAME ~ /^include\// && target !~ /^kriged\//)
            wrong("a public header must not include \"" target "\", a private one")
    }

    END { exit failed }
' src/LAYERS "${files[@]}"
