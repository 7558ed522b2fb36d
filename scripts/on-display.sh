#!/bin/sh
# Runs a command with a display: a virtual one where there is xvfb-run, else whatever there is.
set -eu
command -v xvfb-run >/dev/null 2>&1 || exec "$@"
export QT_QPA_PLATFORM=xcb
exec xvfb-run -a -s "-screen 0 1280x800x24" "$@"
