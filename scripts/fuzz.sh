#!/usr/bin/env bash
# Fuzzes each target for FUZZ_SECONDS (600 unless told); FUZZ_TARGETS names some of them. Needs a nightly compiler and
# cargo-fuzz, and installs what is missing of both. What it finds new goes to core/fuzz/corpus/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../core"

has() { command -v "$1" >/dev/null 2>&1; }

has rustup || { echo "fuzz: rustup is needed, for a nightly compiler" >&2; exit 1; }
rustup run nightly rustc --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal
has cargo-fuzz || cargo install cargo-fuzz --locked

failed=0
mkdir -p fuzz/target
for target in ${FUZZ_TARGETS:-parser json_lines line_protocol timestamp number contract pass}; do
    echo "== $target"
    log=fuzz/target/$target.log
    cargo +nightly fuzz run "$target" -- -max_total_time="${FUZZ_SECONDS:-600}" -max_len=8192 -print_final_stats=1 \
        -timeout=20 >"$log" 2>&1 || failed=1
    grep -aE '^(Done|stat::|thread|assertion|  left|  right|SUMMARY|artifact)|panicked' "$log" | cut -c 1-300 || tail -n 20 "$log"
done
exit "$failed"
