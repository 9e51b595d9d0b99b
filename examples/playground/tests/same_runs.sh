#!/bin/sh
# Whether node's runs end where this machine's do, to the last digit: sh same_runs.sh NODE RECORD.js RECORD TASK
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" "$2" >"$work/wasm"
"$3" "$4" >"$work/here"
[ "$(grep -c . "$work/here")" -gt 200 ] || { echo "there are few lines"; exit 1; }
diff "$work/here" "$work/wasm"
