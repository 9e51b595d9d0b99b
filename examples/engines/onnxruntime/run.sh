#!/bin/sh
# Builds the programs, trains the demo's adapter through ONNX Runtime, and compares with zoft's own transformer:
# sh examples/engines/onnxruntime/run.sh [STEPS [SEED]]
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/cmake/setup.sh"

sh "$root/examples/engines/onnxruntime/fetch.sh"
need_to_build
install_missing
{ configure engines && (cd "$root" && cmake --build --preset engines --target onnxruntime_tune onnxruntime_compare -- --quiet); } >&2 ||
  die "the programs could not be built"
programs=$root/build/engines/examples/engines/onnxruntime
"$programs/onnxruntime_tune" "$root/build/engines/adapter" "$@"
"$programs/onnxruntime_compare" "$root/build/engines/adapter"
