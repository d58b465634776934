#!/bin/sh
# Makes the two voices of this folder again: espeak-ng speaks, ffmpeg packs (both are in Debian).
set -eu
cd "$(dirname "$0")"

speak() { # FILE VOICE PITCH WORDS-A-MINUTE TEXT
    wav=$(mktemp --suffix=.wav)
    espeak-ng -v "$2" -p "$3" -s "$4" -w "$wav" "$5"
    ffmpeg -nostdin -loglevel error -y -i "$wav" -ar 48000 -ac 1 \
        -af "volume=-4dB" -c:a libopus -b:a 32k -application voip -fflags +bitexact "$1"
    rm "$wav"
}

speak grandmother.opus en-gb+f2 45 150 \
    "Good morning, my dear. How nice to see you again. Did you sleep well? The roses are in bloom, \
and the neighbour's cat has had four kittens, two black and two white."
speak grandson.opus en-us+m3 40 165 \
    "Hello grandma! I can hear you very well. We went to the lake yesterday, the water was cold. \
I swam to the island and back, and then we had ice cream with my friends."
