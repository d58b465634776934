#!/bin/sh
# Installs a package into a fresh Debian 12, tries it there, purges it, and looks whether anything is
# left. Run as root. The fresh system is made once, by debootstrap, and kept in target/.
#
#   packaging/test-deb.sh target/debian/twocan_0.1.0-1_amd64.deb
set -eu

fail() {
    echo "test-deb: $*" >&2
    exit 1
}

[ $# = 1 ] && [ -f "$1" ] || {
    echo "usage: packaging/test-deb.sh PACKAGE.deb" >&2
    exit 2
}
[ "$(id -u)" = 0 ] || fail "run this as root: it makes a root file system"
command -v debootstrap >/dev/null || fail "debootstrap is missing: apt-get install debootstrap"
deb=$(realpath "$1")
cd "$(dirname "$0")/.."
mirror=${MIRROR:-http://deb.debian.org/debian}
fresh=target/debian-12-$(dpkg-deb -f "$deb" Architecture).tar
mkdir -p target
work=$(mktemp -d "$PWD/target/test-deb.XXXXXX")
root=$work/root
trap 'umount -q "$root/proc" || true; rm -rf "$work"' EXIT

if [ ! -f "$fresh" ]; then
    echo "test-deb: making a fresh Debian 12 from $mirror"
    debootstrap --variant=minbase --arch="$(dpkg-deb -f "$deb" Architecture)" bookworm "$root" \
        "$mirror" >"$work/log" || fail "debootstrap failed: $(tail -3 "$work/log")"
    rm -f "$root"/var/cache/apt/archives/*.deb
    tar -C "$root" -cf "$fresh.new" .
    mv "$fresh.new" "$fresh"
else
    mkdir "$root"
    tar -C "$root" -xf "$fresh"
fi

inside() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
        DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}
quietly() {
    inside "$@" >"$work/log" 2>&1 || fail "$* failed: $(tail -5 "$work/log")"
}
# What a package could leave behind: every name with its owner and mode, and what is in /etc.
files() {
    (
        cd "$root"
        find . -xdev \( -path ./proc -o -path ./run -o -path ./tmp -o -path ./var/cache -o -path ./var/lib/apt \
            -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./etc/ld.so.cache \) -prune \
            -o -printf '%p %y %m %U:%G\n'
        # Copies that the tools keep of the files beside them.
        find etc -xdev -type f ! -name '*-' ! -name ld.so.cache -exec sha256sum {} +
    ) | grep -v ' etc/mtab' | sort
}

mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# This machine's way to the mirror is the fresh system's too.
grep -rhis '^ *acquire::.*proxy' /etc/apt/apt.conf /etc/apt/apt.conf.d >"$root/etc/apt/apt.conf.d/01way" || true

echo "test-deb: installing what it depends on"
quietly apt-get update
quietly apt-get satisfy -y --no-install-recommends "$(dpkg-deb -f "$deb" Depends)"
files >"$work/before"

echo "test-deb: installing $(basename "$deb")"
cp "$deb" "$root/tmp/twocan.deb"
quietly apt-get install -y --no-install-recommends /tmp/twocan.deb

inside twocan --version
missing=$(inside ldd /usr/bin/twocan | grep 'not found' || true)
[ -z "$missing" ] || fail "libraries are missing: $missing"
[ "$(inside systemctl is-enabled twocan-kiosk.service || true)" = disabled ] ||
    fail "the unit should be installed and not enabled"
inside systemd-analyze verify --man=no /usr/lib/systemd/system/twocan-kiosk.service ||
    fail "systemd does not like the unit"
for group in video render input audio; do
    inside id -nG twocan | tr ' ' '\n' | grep -qx "$group" || fail "twocan is not in the group $group"
done
for page in twocan twocan-kiosk twocan-doctor; do
    gzip -t "$root/usr/share/man/man1/$page.1.gz" || fail "there is no manual page $page(1)"
done
for file in usr/share/applications/twocan.desktop usr/share/icons/hicolor/scalable/apps/twocan.svg \
    usr/lib/udev/rules.d/70-twocan.rules usr/share/bash-completion/completions/twocan \
    usr/share/doc/twocan/copyright usr/share/doc/twocan/third-party.txt.gz; do
    [ -s "$root/$file" ] || fail "/$file is missing"
done
inside dpkg-query -W -f '${Conffiles}' twocan | grep -q /etc/twocan/twocan.toml ||
    fail "twocan.toml is no conffile"

echo "test-deb: the kiosk's user makes a key and asks the doctor"
quietly systemd-tmpfiles --create twocan.conf
as_twocan() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/var/lib/twocan chroot --userspec=twocan:twocan "$root" "$@"
}
as_twocan twocan identity >"$work/identity" || fail "no identity"
[ -n "$(ls -A "$root/var/lib/twocan")" ] || fail "the key should be in /var/lib/twocan"
code=0
as_twocan twocan doctor --json >"$work/doctor.json" || code=$?
# 1: there is no microphone in here, which the doctor should say.
[ "$code" -le 1 ] || fail "twocan doctor ended with $code"
python3 - "$work/doctor.json" <<'PYTHON' || fail "the doctor's report is not what it should be"
import json, sys
checks = {check["name"]: check for check in json.load(open(sys.argv[1]))["checks"]}
for name, check in checks.items():
    print(f"  {check['result']:4} {name}: {check['sentence']}")
assert checks["key"]["result"] == checks["state"]["result"] == "ok", checks
assert checks["microphone"]["result"] == "fail", checks
PYTHON

echo "test-deb: removing, then purging"
quietly apt-get remove -y twocan
[ -n "$(ls -A "$root/var/lib/twocan")" ] || fail "removing should keep the key"
[ -f "$root/etc/twocan/twocan.toml" ] || fail "removing should keep the configuration"
quietly apt-get purge -y twocan
files >"$work/after"
diff "$work/before" "$work/after" || fail "purging left something behind"
echo "test-deb: installs, runs and purges cleanly"
