#!/usr/bin/env bash
# Makes sure that this machine can build iotpipe, says what it installs, then runs its arguments with cargo on the path:
#   scripts/toolchain.sh [--lint | --static] [command…]
set -euo pipefail

oldest=1.94 # rust-version in Cargo.toml
export PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"

say() { printf 'toolchain: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null 2>&1; }

# Debian and Ubuntu. Anyone else is told what is needed.
apt_install() {
    has apt-get || die "$* needed, and there is no apt-get here: install it by hand and call make again"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        has sudo || die "no sudo here; as root: apt-get install $*"
        root=(sudo)
    fi
    say "installing $* with apt-get"
    "${root[@]}" apt-get update -qq >&2
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# A compiler without the C library's headers is found here, not in the middle of the build.
c_compiles() {
    has cc || return 1
    local program code=0
    program=$(mktemp)
    printf '#include <stdio.h>\nint main(void) { return 0; }\n' | cc -x c -o "$program" - 2>/dev/null || code=1
    rm -f "$program"
    return "$code"
}

rust_is_new_enough() {
    local version
    has cargo && version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) && [ -n "$version" ] &&
        [ "$(printf '%s\n%s\n' "$oldest" "$version" | sort -V | head -n 1)" = "$oldest" ]
}

install_rust() {
    local parts=(--profile minimal --component rustfmt --component clippy)
    if has rustup; then
        say "Rust $oldest or newer needed: updating rustup's stable toolchain (your default stays as it is)"
        rustup toolchain install stable "${parts[@]}" --no-self-update >&2
    else
        say "Rust $oldest or newer needed: installing it with rustup (https://rustup.rs) in ${CARGO_HOME:-$HOME/.cargo}"
        local installer
        installer=$(mktemp)
        curl --proto '=https' --tlsv1.2 -sSf https://static.rust-lang.org/rustup/rustup-init.sh -o "$installer"
        RUSTUP_INIT_SKIP_PATH_CHECK=yes sh "$installer" -y --no-modify-path --default-toolchain stable "${parts[@]}" >&2
        rm -f "$installer"
        say "to call cargo yourself: . \"${CARGO_HOME:-$HOME/.cargo}/env\""
    fi
}

lint= static=
case "${1:-}" in
    --lint) lint=1 && shift ;;
    --static) static=$(uname -m)-unknown-linux-musl && shift ;;
esac

if ! c_compiles; then
    say "a C compiler is missing"
    apt_install gcc libc6-dev
    c_compiles || die "cc still compiles nothing"
fi
if ! has curl; then
    say "curl is missing"
    apt_install curl ca-certificates
fi

# Where rustup's default is older than what an earlier call installed, stable is asked for by name.
if ! rust_is_new_enough && has rustup; then
    export RUSTUP_TOOLCHAIN=stable
fi
if ! rust_is_new_enough; then
    install_rust
    hash -r
    rust_is_new_enough || die "Rust $oldest or newer is still not the one in use: $(rustc --version 2>&1 | head -n 1)"
fi
if [ -n "$lint" ] && ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
    has rustup || die "rustfmt and clippy needed: install them where your cargo came from"
    say "adding rustfmt and clippy"
    rustup component add rustfmt clippy >&2
fi
if [ -n "$static" ]; then
    if ! has musl-gcc; then
        say "a C compiler for musl is missing"
        apt_install musl-tools
    fi
    has rustup || die "rustup needed, for the target $static: https://rustup.rs"
    rustup target list --installed | grep -qx "$static" || rustup target add "$static" >&2
fi

if [ "$#" -gt 0 ]; then
    exec "$@"
fi
