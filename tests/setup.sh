#!/bin/sh
# Installs what the demo and the tests need and this machine lacks: a browser with its driver, a virtual screen, a window
# manager and a small editor. Nothing is installed where everything is there.
set -eu

missing=
need() { # PACKAGE PROGRAM...: the package is needed unless one of the programs is there
    package=$1
    shift
    for program in "$@"; do
        if command -v "$program" >/dev/null 2>&1; then return; fi
    done
    missing="$missing $package"
}

need build-essential cc
need chromium chromium chromium-browser google-chrome
need chromium-driver chromedriver
need xvfb Xvfb
need openbox openbox
need mousepad mousepad
need xdotool xdotool
need strace strace
if ! command -v fc-list >/dev/null 2>&1 || [ -z "$(fc-list 2>/dev/null | head -n 1)" ]; then
    missing="$missing fonts-dejavu-core fontconfig"
fi

if ! command -v cargo >/dev/null 2>&1; then
    echo "setup: cargo is missing: install Rust by https://rustup.rs, then run this again" >&2
    exit 1
fi
if [ -z "$missing" ]; then exit 0; fi
if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: these Debian packages are missing, and apt-get is not here to install them:$missing" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root=
elif command -v sudo >/dev/null 2>&1; then
    as_root=sudo
else
    echo "setup: these packages are missing:$missing; install them as root, or install sudo" >&2
    exit 1
fi

echo "setup: installing$missing"
log=${TMPDIR:-/tmp}/botswain-setup-$(id -u).log
install_them() {
    # shellcheck disable=SC2086 # one word for each package
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >"$log" 2>&1 </dev/null
}
# The list of packages may be old: a failure is tried once more with a fresh one.
if ! install_them; then
    $as_root apt-get update >>"$log" 2>&1 </dev/null || true
    if ! install_them; then
        tail -n 20 "$log" >&2
        echo "setup: the installation failed; all of its words are in $log" >&2
        exit 1
    fi
fi
