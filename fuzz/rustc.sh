#!/bin/sh
# The compiler, for cargo (RUSTC_WRAPPER): counts branches and looks at comparisons in Twocan and in
# the crates that read a stranger's bytes for it, and in nothing else, which keeps a round quick.
rustc=$1
shift
name=
previous=
for argument; do
    [ "$previous" = --crate-name ] && name=$argument
    previous=$argument
done
case $name in
twocan | russh | ssh_key | ssh_encoding | serde_json | toml | toml_parser | winnow)
    exec "$rustc" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
esac
exec "$rustc" "$@"
