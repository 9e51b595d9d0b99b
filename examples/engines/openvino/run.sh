#!/bin/sh
# Builds the programs, trains the demo's adapter through OpenVINO, and compares with zoft's own transformer:
# sh examples/engines/openvino/run.sh [STEPS [SEED]]
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/cmake/setup.sh"

sh "$root/examples/engines/openvino/fetch.sh"
need_to_build
install_missing
{ configure engines && (cd "$root" && cmake --build --preset engines --target openvino_tune openvino_compare -- --quiet); } >&2 ||
  die "the programs could not be built"
programs=$root/build/engines/examples/engines/openvino
"$programs/openvino_tune" "$@"
"$programs/openvino_compare"
