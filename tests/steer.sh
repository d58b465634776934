#!/usr/bin/env bash
# Two headless kiosks, set up and steered with nothing but the command line and a stock sshd.
#   tests/steer.sh PROGRAM     PROGRAM: the twocan binary
set -euo pipefail
twocan=$1
dir=$(mktemp -d)
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || :; done; wait; rm -rf "$dir"' EXIT
fail() { echo "FAIL: $*" >&2; tail -n 20 "$dir"/*/log >&2 || :; exit 1; }

anna() { "$twocan" --config "$dir/anna/twocan.toml" --state "$dir/anna/state" --runtime "$dir/anna/run" "$@"; }
bert() { "$twocan" --config "$dir/bert/twocan.toml" --state "$dir/bert/state" --runtime "$dir/bert/run" "$@"; }
# until SECONDS COMMAND...: wait until it succeeds
until_true() {
	local limit=$((SECONDS + $1)); shift
	until "$@"; do [ $SECONDS -lt $limit ] || fail "waited for: $*"; sleep 0.05; done
}
field() { python3 -c 'import json,sys; v=json.load(sys.stdin)
for k in sys.argv[1].split("."): v=v[int(k)] if k.isdigit() else v[k]
print(v)' "$1"; }
has() { [ "$("$1" status --json 2>/dev/null | field "$2" 2>/dev/null)" = "$3" ]; }
more_than() { local n; n=$("$1" status --json | field "$2" 2>/dev/null) && [ "$n" -gt "$3" ]; }

# the relay: a login of this machine, on a port of its own
mkdir -p "$dir/anna" "$dir/bert" "$dir/relay/home"
ssh-keygen -q -t ed25519 -N '' -f "$dir/relay/key"
port=$(python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])')
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
cat >"$dir/relay/config" <<C
ListenAddress 127.0.0.1:$port
HostKey $dir/relay/key
AuthorizedKeysFile $dir/relay/authorized
PidFile none
StrictModes no
UsePAM no
SetEnv HOME=$dir/relay/home
C

# two kiosks
for who in anna bert; do
	cat >"$dir/$who/twocan.toml" <<C
[kiosk]
name = "$who"
screen = "headless"
[camera]
source = "pattern"
[microphone]
device = "tone"
[speaker]
device = "null"
[relay]
host = "127.0.0.1"
port = $port
user = "$(id -un)"
host_key = "$(cut -d' ' -f1,2 "$dir/relay/key.pub")"
C
done
key_of() { "$1" identity --json | field key; }
anna contact add Bert --key "$(key_of bert)" >/dev/null
bert contact add Anna --key "$(key_of anna)" >/dev/null
anna contact list | grep -q Bert || fail "Bert is not in Anna's list"
{ key_of anna; key_of bert; } >"$dir/relay/authorized"
/usr/sbin/sshd -D -e -f "$dir/relay/config" >"$dir/relay/log" 2>&1 & pids+=($!)
for who in anna bert; do
	kiosk=("$twocan" --config "$dir/$who/twocan.toml" --state "$dir/$who/state" --runtime "$dir/$who/run")
	"${kiosk[@]}" kiosk >"$dir/$who/log" 2>&1 & pids+=($!)
done

# the call
until_true 40 has anna contacts.0.reachable True
until_true 40 has bert contacts.0.reachable True
! anna dial Nobody 2>"$dir/error" || fail "dialled a contact that is not there"
grep -q Nobody "$dir/error" || fail "the refusal does not name whom"
! anna answer 2>/dev/null || fail "answered when nothing rang"
anna dial Bert
until_true 40 has bert call.state incoming
bert answer
until_true 40 has anna call.state established
until_true 40 more_than anna call.figures.video.shown 20
until_true 40 more_than bert call.figures.audio.packets 20
anna volume 4; until_true 10 has anna volume 4
anna hide; until_true 10 has anna hidden True
anna screenshot "$dir/anna.png"
[ "$(head -c 4 "$dir/anna.png" | tail -c 3)" = PNG ] || fail "no PNG came"
bert hangup
until_true 40 has anna call.state idle
[ "$(anna calls --json | field 0.reason)" = hung-up ] || fail "the record does not say why it ended"
echo "steered two kiosks through a call"
