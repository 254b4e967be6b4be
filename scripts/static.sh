#!/usr/bin/env bash
# Builds the binary that needs no library of the system it runs on: the one in the container image and in the package.
#   scripts/static.sh --dependencies    what others wrote, before our own sources are there: a container's layer of its own
#   scripts/static.sh FILE              the program, copied to FILE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=$(uname -m)-unknown-linux-musl
build=(scripts/toolchain.sh --static cargo build --release --locked --target "$target")
export "CC_${target//-/_}=musl-gcc"
# Names of functions stay, for a report of a crash; lines would be four fifths of the file.
export CARGO_PROFILE_RELEASE_DEBUG=none CARGO_PROFILE_RELEASE_STRIP=debuginfo

# Sources that say nothing, where Cargo.toml names one. Never beside real ones.
stand_in_sources() {
    [ ! -e src ] || { echo "static: --dependencies is for a folder without sources" >&2; exit 2; }
    mkdir -p src core/src core/benches migration/src
    echo 'fn main() {}' | tee src/main.rs >core/benches/core.rs
    touch src/lib.rs core/src/lib.rs migration/src/lib.rs
}

if [ "${1:?--dependencies or a file}" = --dependencies ]; then
    stand_in_sources
    exec "${build[@]}"
fi
"${build[@]}" --bin iotpipe
install -D -m 755 "${CARGO_TARGET_DIR:-target}/$target/release/iotpipe" "$1"
