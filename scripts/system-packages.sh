#!/bin/sh
# What Qt and OpenGL need of a Linux system for the GUI tests. Debian and Ubuntu as root: installs
# what is missing; anywhere else: says what is missing and how to get it. Nothing to do off Linux.
set -eu
[ "$(uname -s)" = Linux ] || exit 0
PATH=$PATH:/usr/sbin:/sbin

# shared library : package (newer Ubuntu name | older name)
LIBRARIES="
libEGL.so.1:libegl1
libGL.so.1:libgl1
libX11-xcb.so.1:libx11-xcb1
libxkbcommon.so.0:libxkbcommon0
libxkbcommon-x11.so.0:libxkbcommon-x11-0
libxcb-cursor.so.0:libxcb-cursor0
libxcb-icccm.so.4:libxcb-icccm4
libxcb-image.so.0:libxcb-image0
libxcb-keysyms.so.1:libxcb-keysyms1
libxcb-randr.so.0:libxcb-randr0
libxcb-render-util.so.0:libxcb-render-util0
libxcb-shape.so.0:libxcb-shape0
libxcb-xinerama.so.0:libxcb-xinerama0
libxcb-xkb.so.1:libxcb-xkb1
libdbus-1.so.3:libdbus-1-3
libfontconfig.so.1:libfontconfig1
libglib-2.0.so.0:libglib2.0-0t64|libglib2.0-0
"

missing_packages() {
    known=$(ldconfig -p)
    for entry in $LIBRARIES; do
        case $known in *"${entry%%:*} "*) ;; *) echo "${entry#*:}" ;; esac
    done
    # xvfb-run calls xauth, which the package xvfb only recommends.
    command -v xvfb-run >/dev/null 2>&1 || echo xvfb
    command -v xauth >/dev/null 2>&1 || echo xauth
}

# Of a|b, the name that this release's archive has.
available() {
    for name in $(echo "$1" | tr '|' ' '); do
        ! apt-cache show "$name" >/dev/null 2>&1 || break
    done
    echo "$name"
}

available_names() {
    for package in $missing; do
        available "$package"
    done | tr '\n' ' '
}

missing=$(missing_packages | tr '\n' ' ')
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "napari-gpcis: the GUI tests need what Debian calls $missing; install your system's" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "napari-gpcis: the GUI tests need more: sudo apt-get install $(available_names)" >&2
    exit 1
fi
apt-get update -qq
names=$(available_names)
echo "napari-gpcis: installing $names"
# shellcheck disable=SC2086  # a list of names
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $names >/dev/null
