#!/bin/sh
# Everything that is checked, from a fresh clone: packages, style, lints, licences, tests.
# The last lines are the test runner's own.
set -eu
cd "$(dirname "$0")/.."

step() {
    echo "== $*"
    "$@"
}

step ./kiosk/setup.sh
step cargo fmt --check
step cargo clippy --locked --all-targets -- -D warnings
# The engine builds without Slint.
step cargo check --locked --no-default-features
# Building cargo-deny takes many minutes on a small machine, so only CI does it.
PATH="$PWD/target/tools/bin:$PATH"
if [ "${CI:-}" = true ] && ! command -v cargo-deny >/dev/null; then
    step cargo install --locked --root target/tools cargo-deny@0.18.9
fi
if command -v cargo-deny >/dev/null; then
    step cargo deny --locked check licenses bans sources
else
    echo "== cargo deny: not installed (CI=true installs it), LICENCES ARE NOT CHECKED" >&2
fi
step cargo test --locked --doc
if command -v cargo-nextest >/dev/null; then
    step cargo nextest run --locked --no-fail-fast
else
    step cargo test --locked --no-fail-fast --lib --bins --tests
fi
