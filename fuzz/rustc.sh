#!/bin/sh
# The compiler, for cargo (RUSTC_WRAPPER): counts branches and looks at comparisons in Twocan and in
# the crates that read a stranger's bytes for it, and in nothing else, which keeps a round quick. What
# runs while building (it is compiled without --target) is left alone.
rustc=$1
shift
name=
targeted=
previous=
for argument; do
    [ "$previous" = --crate-name ] && name=$argument
    [ "$argument" = --target ] && targeted=yes
    previous=$argument
done
case $targeted:$name in
yes:twocan | yes:russh | yes:ssh_key | yes:ssh_encoding | yes:serde_json | yes:toml | yes:toml_parser | yes:winnow)
    exec "$rustc" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
esac
exec "$rustc" "$@"
