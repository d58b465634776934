#!/bin/sh
# Runs the kernel lab: the kiosk on real drivers in QEMU guests, seen and touched from outside.
#
#   run.sh              every scenario
#   run.sh --quick      those that CI runs
#   run.sh NAME...      these (scene.sh NAME is the same)
#
# Pictures of each step and logs are left in target/lab/NAME. Exit code 77: it can't run here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
results=$root/target/lab

case "${1:-}" in
--quick) "$here/setup.sh" --base ;;
*) "$here/setup.sh" ;;
esac
cd "$root"
cargo build --locked --quiet --bin twocan
mkdir -p "$results"
# Guests read the program over a slow line: without what only a debugger wants of it.
strip --strip-debug -o "$results/twocan" "${CARGO_TARGET_DIR:-target}/debug/twocan"
# The tests of the display's thread need a card of the kernel's.
[ "${1:-}" = --quick ] || strip --strip-debug -o "$results/twocan-tests" "$(
    cargo test --locked --quiet --lib --no-run --message-format=json |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
)"
exec python3 -B "$here/lab.py" --kit "${TWOCAN_LAB:-$results/kit}" --program "$results/twocan" \
    --results "$results" "$@"
