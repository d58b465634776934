#!/bin/sh
# fuzz/run.sh [--seconds N | --runs N] [--keep] [TARGET...]
#
# Throws hostile bytes at every target (or those named), two at a time, starting from fuzz/corpus.
# --seconds N  so long each (20, unless told otherwise)
# --runs N     so many rounds each; a hundredth of it for the slow ones, which shake hands
# --keep       what was found is added to fuzz/corpus, made small
# Prints a line per target; ends with 1 where one crashed or hung, and says where its bytes are.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mode=seconds amount=20 keep=
while [ $# -gt 0 ]; do
    case $1 in
    --seconds | --runs)
        [ $# -gt 1 ] || { echo "fuzz/run.sh: $1 needs a number" >&2; exit 2; }
        mode=${1#--} amount=$2
        shift 2
        ;;
    --keep) keep=yes && shift ;;
    -*) echo "fuzz/run.sh: what is $1? See the top of the file." >&2 && exit 2 ;;
    *) break ;;
    esac
done
case $amount in '' | *[!0-9]*) echo "fuzz/run.sh: \`$amount\` is no number" >&2 && exit 2 ;; esac

program=$("$here/build.sh")
all=$(TWOCAN_FUZZ=list "$program")
[ $# -gt 0 ] || set -- $(echo "$all" | cut -d' ' -f1)
for target; do
    echo "$all" | grep -qx "$target\( \*\)\?" || {
        echo "fuzz/run.sh: there is no target $target; there are:" $(echo "$all" | cut -d' ' -f1) >&2
        exit 2
    }
done
out=$(dirname "$program")/found
mkdir -p "$out"

export RUST_BACKTRACE=1

one() {
    target=$1
    runs=-1 seconds=0
    if [ "$mode" = seconds ]; then
        seconds=$amount
    elif echo "$all" | grep -qx "$target \*"; then
        runs=$((amount / 100))
    else
        runs=$amount
    fi
    new=$out/$target-$$
    log=$out/$target.log
    mkdir -p "$new" "$here/corpus/$target"
    # A round that takes 20 s hangs. Four kilobytes reach everything, since limits are small there.
    code=0
    TWOCAN_FUZZ=$target "$program" -runs="$runs" -max_total_time="$seconds" -max_len=4096 -timeout=20 \
        -rss_limit_mb=1024 -malloc_limit_mb=256 -print_final_stats=1 -use_value_profile=0 -reload=0 \
        -artifact_prefix="$out/$target-" "$new" "$here/corpus/$target" >"$log" 2>&1 || code=$?
    rounds=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    speed=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    seen=$(grep -oE 'cov: [0-9]+ ft: [0-9]+' "$log" | tail -n 1)
    crashes=0
    [ "$code" = 0 ] || crashes=1
    printf '%-12s %11s rounds %8s/s   %-22s %s crashes\n' \
        "$target" "${rounds:-?}" "${speed:-?}" "$seen" "$crashes"
    if [ "$code" != 0 ]; then
        grep -E "panicked|ERROR|SUMMARY|Test unit written" -A 2 "$log" | head -n 12
        echo "$target" >>"$out/crashed-$$"
    elif [ -n "$keep" ]; then
        small=$out/$target-small-$$
        mkdir -p "$small"
        TWOCAN_FUZZ=$target "$program" -set_cover_merge=1 -max_len=4096 "$small" "$here/corpus/$target" \
            "$new" >>"$log" 2>&1
        rm -r "$here/corpus/$target"
        mv "$small" "$here/corpus/$target"
    fi
    rm -rf "$new"
}

# Two at a time: the next one starts when both are done.
rm -f "$out/crashed-$$"
while [ $# -gt 0 ]; do
    one "$1" &
    shift
    if [ $# -gt 0 ]; then
        one "$1" &
        shift
    fi
    wait
done
[ ! -e "$out/crashed-$$" ]
