#!/usr/bin/env bash
# No Rust file over 400 lines: split it before.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

longest=400
files=$(find . \( -name target -o -name .git \) -prune -o -type f -name '*.rs' -print)
[ -n "$files" ] || { echo "check-length: no .rs file found" >&2; exit 1; }

bad=0
while IFS= read -r file; do
    lines=$(wc -l <"$file")
    if [ "$lines" -gt "$longest" ]; then
        echo "check-length: $file has $lines lines, the most is $longest" >&2
        bad=1
    fi
done <<<"$files"
exit "$bad"
