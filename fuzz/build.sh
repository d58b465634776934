#!/bin/sh
# Builds the fuzz targets on a stable toolchain; prints the program's path last.
# Twocan and the crates that read for it count branches: fuzz/rustc.sh. Its own folder in target/,
# because everything is built once more.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}/fuzz
triple=$(rustc -vV | sed -n 's/^host: //p')
export RUSTC_WRAPPER="$here/rustc.sh"
# With a target named, what runs while building counts nothing.
# Counters of what was not linked go as well: there are less to look through after every round.
export RUSTFLAGS="-Clink-arg=-Wl,-z,start-stop-gc"
export CARGO_TARGET_DIR="$target"
cargo build --locked --profile fuzz --target "$triple" --manifest-path "$here/Cargo.toml" >&2
echo "$target/$triple/fuzz/twocan-fuzz"
