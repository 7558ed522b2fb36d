#!/bin/sh
# Makes .venv if there is none and installs the project into it, editable.
#   scripts/setup.sh .          what the demo needs
#   scripts/setup.sh ".[dev]"   what the tests need too
# PYTHON names the interpreter, PIP_ARGS goes to pip (a CPU-only index for torch, say).
set -eu
cd "$(dirname "$0")/.."
what=${1:-.}
venv=.venv

fail() {
    echo "napari-gpcis: $*" >&2
    exit 1
}

# Running the interpreter is the only sure test: a pyenv shim may exist for a version that does not.
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
can_make_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

find_python() {
    candidates=${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}
    no_venv=
    for candidate in $candidates; do
        is_new_enough "$candidate" || continue
        if can_make_venv "$candidate"; then
            python=$candidate
            return
        fi
        no_venv=${no_venv:-$candidate}
    done
    [ -n "$no_venv" ] ||
        fail "expected Python 3.11 or newer, found none among: $candidates; name one: make PYTHON=/path/to/python3"
    python=$no_venv
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; } ||
        fail "$python cannot make virtual environments; sudo apt-get install $package"
    echo "napari-gpcis: installing $package"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null
}

# An environment without pip is one whose making was cut short: venv completes it.
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    find_python
    echo "napari-gpcis: making $venv with $("$python" -V)"
    "$python" -m venv "$venv"
fi

echo "napari-gpcis: installing $what into $venv"
# shellcheck disable=SC2086  # PIP_ARGS is a list of words
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check ${PIP_ARGS:-} -e "$what"

touch "$venv/.installed"
[ "$what" = . ] || touch "$venv/.installed-dev"
