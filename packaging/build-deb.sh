#!/bin/sh
# Builds the Debian package of this tree into target/debian/ and says how large it is.
#
#   packaging/build-deb.sh amd64
#
# PROFILE=release in the environment builds without link-time optimisation, minutes faster: for
# trying the package, not for giving it away.
set -eu
cd "$(dirname "$0")/.."

case "${1:-}" in
amd64) triple=x86_64-unknown-linux-gnu ;;
*)
    echo "usage: packaging/build-deb.sh amd64" >&2
    exit 2
    ;;
esac
[ "$(dpkg --print-architecture)" = "$1" ] || {
    echo "build-deb: this machine is no $1; packages are built where they run" >&2
    exit 1
}
profile=${PROFILE:-dist}
build=${CARGO_TARGET_DIR:-target}
stage=target/package

PATH="$PWD/target/tools/bin:$PATH"
cargo-deb --version 2>/dev/null | grep -q '3\.8\.' || {
    echo "build-deb: installing cargo-deb into target/tools"
    CARGO_TARGET_DIR=target/tools/build cargo install --locked --root target/tools cargo-deb@3.8.0
    rm -rf target/tools/build
}

cargo build --locked --profile "$profile" --bin twocan
rm -rf "$stage"
mkdir -p "$stage"
"$build/$profile/twocan" generate man "$stage/man"
"$build/$profile/twocan" generate completions "$stage/completions"
python3 packaging/notices.py "$triple" >"$stage/third-party.txt"
gzip -9n "$stage/third-party.txt" "$stage"/man/*.1

# Times inside the package are the last commit's, so that the same tree gives the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
rm -rf target/debian
cargo deb --locked --no-build --profile "$profile" --output target/debian/

for deb in target/debian/*.deb; do
    echo "build-deb: $deb, $(($(stat -c %s "$deb") / 1000)) kB," \
        "$(dpkg-deb -f "$deb" Installed-Size) KiB installed"
    echo "build-deb: depends on $(dpkg-deb -f "$deb" Depends)"
done
