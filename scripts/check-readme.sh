#!/usr/bin/env bash
# The documents name only commands and make targets that exist, and the README leaves no command out.
#   scripts/check-readme.sh [document…]      IOTPIPE=path/to/iotpipe to check against a ready binary
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

documents=("$@")
[ "$#" -gt 0 ] || documents=(README.md ARCHITECTURE.md CONTRIBUTING.md k8s/README.md)

# What is code in a Markdown file, one command per line: inline spans, and fenced blocks that are shell
# (of a `console` block only the lines typed after `$ `).
code_of() {
    awk '
        /^ *```/ { if (fenced) fenced = 0; else { fenced = 1; language = $0; sub(/^ *```/, "", language) }; next }
        fenced && language == "console" { if (sub(/^ *\$ /, "")) print; next }
        fenced && language ~ /^(sh|bash|)$/ { print; next }
        fenced { next }
        { n = split($0, span, "`"); for (i = 2; i <= n; i += 2) print span[i] }
    ' "$1" | sed -E 's/ *(&&|\|\||;|\|) */\n/g' | sed -E 's/(^| )#.*//; s/^ *([A-Z_]+=("[^"]*"|[^ ]*) +)*//'
}

# The first word after `iotpipe` and its global options, where there is one.
commands_named() {
    awk '$1 ~ /^([a-z.\/]*\/)?iotpipe$/ {
        for (i = 2; i <= NF; i++) {
            if ($i ~ /^--(config|database-url|output|log-format)$/) { i++; continue }
            if ($i ~ /^-/) continue
            if ($i ~ /^[a-z][a-z-]*$/) print $i
            break
        }
    }'
}

targets_named() {
    awk '$1 == "make" { for (i = 2; i <= NF; i++) { if ($i !~ /^[a-z][a-z-]*$/) break; print $i } }'
}

help=$(if [ -n "${IOTPIPE:-}" ]; then "$IOTPIPE" --help; else cargo run --quiet --locked -- --help; fi)
commands=$(awk '/^Commands:/ { on = 1; next } /^[^ ]/ { on = 0 } on && /^  [a-z]/ && $1 != "help" { print $1 }' <<<"$help")
targets=$(sed -nE 's/^([a-z-]+):([^=].*)?$/\1/p' Makefile)

bad=0
complain() { echo "check-readme: $*" >&2; bad=1; }
among() { grep -qxF -- "$1" <<<"$2"; }

[ -n "$commands" ] || complain "iotpipe --help lists no commands"
[ -n "$targets" ] || complain "the Makefile has no targets"

for document in "${documents[@]}"; do
    code=$(code_of "$document")
    named=$(commands_named <<<"$code" | sort -u)
    for command in $named; do
        among "$command" "$commands" || complain "$document names \`iotpipe $command\`, which iotpipe --help does not list"
    done
    for target in $(targets_named <<<"$code" | sort -u); do
        among "$target" "$targets" || complain "$document names \`make $target\`, which the Makefile does not have"
    done
    if [ "$document" = README.md ]; then
        for command in $commands; do
            among "$command" "$named" || complain "README.md does not mention \`iotpipe $command\`"
        done
    fi
done
exit "$bad"
