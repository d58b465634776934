#!/bin/sh
# Makes what a kiosk says aloud: kiosk/prompts/*.opus, which are built into the program.
# Needs espeak-ng and ffmpeg (Debian). The words are those of src/app/words.rs.
set -eu
cd "$(dirname "$0")"

say() { # file, words
    # A low voice, slow, with a pause between the sentences: old ears lose the high sounds first.
    # Quiet at both ends is cut off; as loud as a voice in a call.
    espeak-ng -v en-gb-x-rp+f4 -s 150 -p 35 -g 1 --stdout "$2" |
        ffmpeg -nostdin -v error -y -i - \
            -af "silenceremove=start_periods=1:start_threshold=-50dB,areverse,silenceremove=start_periods=1:start_threshold=-50dB,areverse,highpass=f=120,loudnorm=I=-18:TP=-2,adelay=80:all=1,apad=pad_dur=0.1" \
            -ar 48000 -ac 1 -c:a libopus -b:a 20k -application voip -frame_duration 20 \
            -map_metadata -1 -fflags +bitexact "$1.opus"
}

say line-gone "The line is gone. Please wait, it comes back by itself."
