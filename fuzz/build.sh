#!/bin/sh
# Builds the fuzz targets on a stable toolchain; prints the program's path last.
# Rust: fuzz/rustc.sh. C: gcc's own coverage (trace.c), and its address sanitizer, which watches what
# Rust takes from the heap as well. Its own folder in target/, because everything is built once more.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}/fuzz
triple=$(rustc -vV | sed -n 's/^host: //p')
mkdir -p "$target"
cc -O2 -c -o "$target/trace.o" "$here/trace.c"

name=$(echo "$triple" | tr - _)
export "CFLAGS_$name=-fsanitize=address -fno-omit-frame-pointer -fsanitize-coverage=trace-pc,trace-cmp"
# For CMake, which tries whether the compiler makes programs.
export LDFLAGS="-fsanitize=address $target/trace.o"
export RUSTC_WRAPPER="$here/rustc.sh"
# With a target named, what runs while building is none of this.
# Counters of what was not linked go as well: there are less to look through after every round.
export RUSTFLAGS="-Clink-arg=-fsanitize=address -Clink-arg=$target/trace.o -Clink-arg=-Wl,-z,start-stop-gc"
export CARGO_TARGET_DIR="$target"
cargo build --locked --profile fuzz --target "$triple" --manifest-path "$here/Cargo.toml" >&2
echo "$target/$triple/fuzz/twocan-fuzz"
