#!/bin/sh
# Fetches OpenVINO into build/openvino: sh examples/engines/openvino/fetch.sh
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/examples/engines/package.sh"

fetch_wheel openvino 2026.4.1 openvino-2026.4.1-22982-cp311-cp311-manylinux_2_28_x86_64.whl \
  2d22b1da03f7caf74df30e9f6417d0ab2f637e4a38e08e1dcd294d2c37407aaf
