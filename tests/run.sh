#!/bin/sh
# Everything that is checked, from a fresh clone: packages, style, lints, licences, tests.
# The last lines are the test runner's own, and one of the kernel lab's.
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
# The relay once more, with the OpenSSH of Debian 13.
step env TWOCAN_FEATURES= ./tests/debian13.sh

# Hostile bytes for every parser, 20 s each, two at a time; building it takes a few minutes more.
step ./fuzz/run.sh --seconds "${FUZZ_SECONDS:-20}"

# The kiosk on a kernel's own screen, a few scenarios of it. Its log is long; how it ended is one line.
mkdir -p target
log=target/lab.log
echo "== tests/lab/run.sh --quick >$log"
code=0
./tests/lab/run.sh --quick >"$log" 2>&1 || code=$?
case $code in
0) tail -n 1 "$log" ;;
77) echo "the kernel lab can't run here: $(tail -n 1 "$log")" >&2 ;;
*) cat "$log" >&2 && exit "$code" ;;
esac
