#!/usr/bin/env bash
# The demo, from a fresh clone: installs what is missing, builds, and lets two kiosks call each
# other. Two windows where there is a display; elsewhere they open on a screen that nobody sees.
# Pictures of both screens and the logs are left in target/demo/.
#   kiosk/demo.sh [OPTIONS]        such as --headless, --seconds 20, --json FILE, --camera FILE,
#                                  --microphone FILE; `twocan demo --help` has them all
# Paths are relative to the repository's folder. The exit code is the demo's.
set -euo pipefail

cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
say() { echo "demo: $*"; }

# Where rustup puts cargo; a new login finds it there, this one may not yet.
PATH=$PATH:$HOME/.cargo/bin
./kiosk/setup.sh

say "building (the first time takes some minutes)"
cargo build --locked --release --bin twocan
target=$(cargo metadata --locked --no-deps --format-version 1 |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
program=$target/release/twocan

headless=no
for argument in "$@"; do
    [ "$argument" != --headless ] || headless=yes
done

has_display() {
    [ -z "${WAYLAND_DISPLAY:-}" ] || return 0
    # It may be set and dead, as after a login by ssh that has ended.
    [ -n "${DISPLAY:-}" ] && timeout 5 xdotool getdisplaygeometry >/dev/null 2>&1
}

if [ "$headless" = yes ]; then
    say "two kiosks without windows"
elif has_display; then
    say "two kiosks in two windows"
else
    # Both windows fit in side by side. The server picks a free number and writes it down.
    numbers=$(mktemp)
    Xvfb -displayfd 3 -screen 0 1700x600x24 -nolisten tcp 3>"$numbers" >/dev/null 2>&1 &
    screen=$!
    trap 'kill "$screen" 2>/dev/null || :; wait "$screen" 2>/dev/null || :; rm -f "$numbers"' EXIT
    until [ -s "$numbers" ]; do
        kill -0 "$screen" 2>/dev/null || { say "Xvfb did not start" >&2; exit 1; }
        sleep 0.1
    done
    DISPLAY=:$(cat "$numbers")
    export DISPLAY
    say "no display here: two windows on $DISPLAY, which nobody sees (Xvfb)"
fi

# Not exec: the screen ends with this script.
"$program" demo "$@"
