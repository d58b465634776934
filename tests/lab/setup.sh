#!/bin/sh
# Gathers what the kernel lab needs into a folder, from this machine's own Debian mirror.
#
#   setup.sh            everything
#   setup.sh --base     without the two modules that are compiled (half the download)
#
# The folder is target/lab/kit, or $TWOCAN_LAB. In it afterwards:
#   vmlinux      the kernel          layer/   goes over this machine's root in a guest: the kernel's
#   release      its version                  modules, udev, whatever else a guest lacks
#   busybox      for its first steps
# On this machine it installs QEMU (from bookworm-backports) and a few tools, if missing. apt's own
# sources stay as they are. Done before, it ends at once. Exit code 77: this can't be done here.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kit=${TWOCAN_LAB:-$here/../../target/lab/kit}
with_modules=yes
[ "${1:-}" != --base ] || with_modules=no

cannot() {
    echo "lab: $*" >&2
    exit 77
}
say() {
    echo "lab: $*"
}

# A kit that this script made is used as it is; another version of this script makes it again.
stamp=$(cksum <"$0")
is_done() {
    [ "$(cat "$kit/done-$1" 2>/dev/null)" = "$stamp" ]
}
has_qemu() {
    qemu-system-x86_64 -device help 2>/dev/null | grep -q virtio-multitouch-pci
}
if is_done base && has_qemu; then
    if [ "$with_modules" = no ] || is_done modules; then
        exit 0
    fi
fi

[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || cannot "needs Debian on amd64"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ "$codename" = bookworm ] || cannot "needs Debian 12 (bookworm); this is ${codename:-something else}"
[ "$(id -u)" = 0 ] || cannot "needs root once, to install QEMU and to unpack packages"
mkdir -p "$kit"
kit=$(cd "$kit" && pwd)
cd "$kit"

# The address that apt has for a suite, from sources in either form.
address_of() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n 's/^deb  *\(\[[^]]*]\)\{0,1\} *\([^ ]*\)  *\([^ ]*\) .*/\3 \2/p' |
        awk -v suite="$1" '$1 == suite { print $2; exit }'
    awk -v suite="$1" '
        function paragraph_ends() { if (hit && uri != "") { print uri; exit } hit = 0; uri = "" }
        FNR == 1 || /^ *$/ { paragraph_ends() }
        $1 == "URIs:" { uri = $2 }
        $1 == "Suites:" { for (i = 2; i <= NF; i++) if ($i == suite) hit = 1 }
        END { paragraph_ends() }' /etc/apt/sources.list.d/*.sources /dev/null 2>/dev/null
}
main=$(address_of bookworm | head -n 1)
security=$(address_of bookworm-security | head -n 1)
signed="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
mkdir -p apt/lists/partial apt/cache/archives/partial debs
cat >apt/sources.list <<LIST
deb $signed ${main:-http://deb.debian.org/debian} bookworm main
deb $signed ${main:-http://deb.debian.org/debian} bookworm-backports main
deb $signed ${security:-http://deb.debian.org/debian-security} bookworm-security main
LIST
cat >apt/apt.conf <<CONF
Dir::Etc::sourcelist "$kit/apt/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$kit/apt/lists";
Dir::Cache "$kit/apt/cache";
APT::Sandbox::User "root";
APT::Install-Recommends "false";
DPkg::Lock::Timeout "300";
CONF
export APT_CONFIG="$kit/apt/apt.conf" DEBIAN_FRONTEND=noninteractive

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}
# Install those of the packages that this machine lacks.
need() {
    missing=""
    for package in "$@"; do
        installed "$package" || missing="$missing $package"
    done
    # shellcheck disable=SC2086 # a list of words
    [ -z "$missing" ] || { say "installing$missing" && apt-get install -qq -y $missing >/dev/null; }
}
# Download packages into debs/.
fetch() {
    (cd debs && apt-get download -qq "$@")
}
# Unpack a package into the layer, where /bin, /lib and /sbin are links into /usr.
into_layer() {
    rm -rf unpacked
    dpkg-deb -x "$1" unpacked
    for folder in bin lib sbin; do
        [ ! -d unpacked/$folder ] || {
            mkdir -p unpacked/usr/$folder
            cp -a unpacked/$folder/. unpacked/usr/$folder/
            rm -r unpacked/$folder
        }
    done
    mkdir -p layer
    cp -a unpacked/. layer/
    rm -r unpacked
}

# The kernel proper out of a kernel image: an emulator would unpack it for seconds at each start.
unpack_kernel() {
    for offset in $(LC_ALL=C grep -abo "$(printf '\050\265\057\375')" "$1" | cut -d: -f1); do
        tail -c "+$((offset + 1))" "$1" | zstd -dcq >"$2" 2>/dev/null || true
        [ "$(head -c 4 "$2" | tail -c 3)" != ELF ] || return 0
    done
    cannot "the kernel $1 is not packed with zstd"
}

say "asking the mirror ${main:-deb.debian.org}"
apt-get update -qq || cannot "the mirror does not answer"
need kmod xz-utils zstd iproute2
has_qemu || { say "installing QEMU" && apt-get install -qq -y -t bookworm-backports qemu-system-x86 >/dev/null; }
image=$(apt-cache depends linux-image-6.12-amd64 | awk '/Depends: linux-image-6/ { print $2; exit }')
release=${image#linux-image-}
[ -n "$release" ] || cannot "the mirror has no Linux 6.12 for bookworm"

if ! is_done base; then
    rm -rf layer debs/* done-*
    say "fetching Linux $release"
    fetch "$image" busybox-static
    # What a guest needs and this machine may lack: it is unpacked and not installed.
    for package in udev libsystemd-shared systemd kmod iputils-ping v4l-utils libv4l-0 libv4lconvert0; do
        installed "$package" || fetch "$package"
    done
    dpkg-deb -x debs/busybox-static_*.deb busybox.d
    cp busybox.d/bin/busybox busybox
    rm -r busybox.d debs/busybox-static_*.deb
    for deb in debs/*.deb; do
        into_layer "$deb"
    done
    unpack_kernel "layer/boot/vmlinuz-$release" vmlinux
    rm -r layer/boot debs/*
    depmod -b layer/usr "$release"
    echo "$release" >release
    echo "$stamp" >done-base
fi

if [ "$with_modules" = yes ] && ! is_done modules; then
    say "compiling vkms and v4l2loopback for Linux $release"
    need gcc make libelf1
    common=${release%-amd64}
    fetch "linux-headers-$release" "linux-headers-$common-common" "linux-kbuild-$common" \
        linux-source-6.12 v4l2loopback-dkms/bookworm-backports
    rm -rf headers source && mkdir headers source
    for deb in debs/linux-headers-* debs/linux-kbuild-*; do
        dpkg-deb -x "$deb" headers
    done
    headers=$kit/headers/usr/src/linux-headers-$release
    sed -i "s#/usr/src/#$kit/headers/usr/src/#" "$headers/Makefile"
    dpkg-deb --fsys-tarfile debs/linux-source-6.12_*.deb |
        tar -xO ./usr/src/linux-source-6.12.tar.xz |
        tar -xJ -C source --strip-components 4 --wildcards '*/drivers/gpu/drm/vkms/*'
    dpkg-deb --fsys-tarfile debs/v4l2loopback-dkms_*.deb |
        tar -x -C source --strip-components 3 --wildcards './usr/src/v4l2loopback-*'
    mv source/v4l2loopback-* source/v4l2loopback
    # With a vmlinux beside the headers the build would want type information from it.
    rm -f "$headers/vmlinux"
    make -s -C "$headers" M="$kit/source/vkms" CONFIG_DRM_VKMS=m modules
    make -s -C "$headers" M="$kit/source/v4l2loopback" modules
    extra=layer/usr/lib/modules/$release/extra
    mkdir -p "$extra"
    cp source/vkms/vkms.ko source/v4l2loopback/v4l2loopback.ko "$extra/"
    depmod -b layer/usr "$release"
    rm -r headers source debs/*
    echo "$stamp" >done-modules
fi
rm -rf apt/cache apt/lists
say "ready: $kit, Linux $release, $(du -sh . | cut -f 1)"
