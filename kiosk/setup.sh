#!/bin/sh
# Installs the Debian packages that building, testing and the demo need, those of them that are
# missing. Run as root, or as a user who may use sudo. Says what it does; changes nothing else.
set -eu

# What compiles twocan.
build="build-essential pkg-config cmake nasm libclang-dev libasound2-dev libudev-dev libinput-dev
libxkbcommon-dev libfontconfig-dev"
# The relay of the demo and the tests, their sound cards, screen and footage.
demo="openssh-server openssh-client pulseaudio pulseaudio-utils libasound2-plugins alsa-utils xvfb
xdotool ffmpeg iproute2 nftables python3 strace debootstrap"
# What counts instructions (tests/instructions.rs).
counting="valgrind"
# What checks the appliance's unit and launcher.
appliance="systemd desktop-file-utils"
# What checks a station's overlay for the device tree.
station="device-tree-compiler"
# A browser for the pages of a station server (tests/station_browser.rs).
pages="chromium chromium-driver"
# The bus of the tests, and what says the prompts (kiosk/prompts/make.sh).
sayings="dbus-daemon espeak-ng"
# What a window on X loads when it opens.
window="libxkbcommon-x11-0 libx11-xcb1 libxcursor1 libxi6 libxrandr2"

command -v dpkg-query >/dev/null || {
    echo "setup: this is no Debian system; install what these packages hold: $build $demo $counting $appliance $station $pages $sayings $window" >&2
    exit 1
}

missing=""
for package in $build $demo $counting $appliance $station $pages $sayings $window; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done

if [ -n "$missing" ]; then
    sudo=""
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || {
            echo "setup: these packages are missing; run this as root:$missing" >&2
            exit 1
        }
        sudo=sudo
    fi
    echo "setup: installing$missing"
    apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
    # shellcheck disable=SC2086 # lists of words
    $apt update
    # shellcheck disable=SC2086
    $apt install -y --no-install-recommends $missing
    # The relay of the demo is a private sshd. Debian starts a public one with the package: not ours
    # to leave behind.
    case "$missing " in
    *" openssh-server "*)
        if [ -d /run/systemd/system ]; then
            echo "setup: switching off the sshd service that came with openssh-server"
            $sudo systemctl disable --now ssh.service ssh.socket || true
        fi
        ;;
    esac
else
    echo "setup: every package is there"
fi

command -v cargo >/dev/null || {
    echo "setup: Rust is missing (1.92 or later): see https://rustup.rs" >&2
    exit 1
}
