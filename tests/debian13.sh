#!/bin/sh
# The tests that log in somewhere, against the OpenSSH of Debian 13:
#   tests/debian13.sh          makes a Debian 13 root in target/debian13 (once) and runs them
#   tests/debian13.sh root     makes the root alone and prints where it is
# Run as root. The tests run in a mount namespace in which /usr is that root's, so every program that
# they start is Debian 13's; nothing outside target/ is changed. TWOCAN_MIRROR names another mirror,
# TWOCAN_FEATURES what cargo is told (--no-default-features).
set -eu
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
root=$target/debian13
mirror=${TWOCAN_MIRROR:-http://deb.debian.org/debian}
# The server, and what the program `twocan` itself is linked with.
packages=openssh-server,libasound2t64,libudev1,libinput10

if [ "${1:-}" = inside ]; then
    shift
    # shellcheck disable=SC2016 # the words are the inner shell's
    exec unshare -m sh -c 'mount --bind "$0/usr" /usr && exec "$@"' "$root" "$@"
fi

[ "$(id -u)" = 0 ] || {
    echo "debian13: run this as root: it makes a Debian root and logs in to it" >&2
    exit 1
}
command -v debootstrap >/dev/null || {
    echo "debian13: debootstrap is missing: run kiosk/setup.sh" >&2
    exit 1
}

if [ "$(cat "$root/made" 2>/dev/null)" != "$packages" ]; then
    mkdir -p "$target"
    rm -rf "$root.new" "$root"
    log=$target/debian13.log
    debootstrap --variant=minbase --include="$packages" trixie "$root.new" "$mirror" >"$log" 2>&1 || {
        echo "debian13: no Debian 13 root could be made from $mirror: $(tail -n 1 "$log")" >&2
        exit 1
    }
    rm -rf "$root.new/var/cache/apt" "$root.new/var/lib/apt/lists"
    echo "$packages" >"$root.new/made"
    mv "$root.new" "$root"
fi

if [ "${1:-}" = root ]; then
    echo "$root"
    exit 0
fi

echo "debian13: $(chroot "$root" /usr/sbin/sshd -V 2>&1 | head -n 1)"
# shellcheck disable=SC2086 # words
TWOCAN_SSHD_ROOT=$root exec cargo \
    --config "target.'cfg(all())'.runner = ['$PWD/tests/debian13.sh', 'inside']" \
    test --locked --no-fail-fast ${TWOCAN_FEATURES---no-default-features} \
    --test relay_admin --test relay_matrix --test relay_calls --test tunnel_relay
