#!/bin/sh
# Installs the programs that `twocan bench` measures beside ours, from Debian 12, those of them that
# are missing. Run as root, or as a user who may use sudo. What can't be installed is left out there.
set -eu

# video: pictures through a pipe of theirs; the two hops through ssh are OpenSSH's own.
pictures="gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good ffmpeg openssh-client
openssh-server autossh"
# voice and call: the same null sinks, the same bursts.
sound="pulseaudio libasound2-plugins alsa-utils trx baresip-core baresip-ffmpeg coreutils"
# units: bare loops in C. instructions: what counts them.
loops="gcc libc6-dev libturbojpeg0-dev libopus-dev valgrind"

sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
missing=""
for package in $pictures $sound $loops; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "peers: every package is there"
    exit 0
fi
echo "peers: installing$missing"
$apt update
for package in $missing; do
    # One at a time: a package that this system does not have takes nothing else with it.
    $apt install -y --no-install-recommends "$package" ||
        echo "peers: $package can't be installed; its rows will be left out" >&2
done
# The relay of the benches is a private sshd. Debian starts a public one with the package: not ours
# to leave behind.
case "$missing " in
*" openssh-server "*)
    if [ -d /run/systemd/system ]; then
        echo "peers: switching off the sshd service that came with openssh-server"
        $sudo systemctl disable --now ssh.service ssh.socket || true
    fi
    ;;
esac
