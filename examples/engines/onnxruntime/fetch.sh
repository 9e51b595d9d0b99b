#!/bin/sh
# Fetches ONNX Runtime into build/onnxruntime: sh examples/engines/onnxruntime/fetch.sh
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/examples/engines/package.sh"

fetch_wheel onnxruntime 1.32.0 onnxruntime-1.32.0-cp311-cp311-manylinux_2_28_x86_64.whl \
  5a34fc4dfeb5a7b4a74c95dcba1e773d722abda720b474edf1b0c419dc6d163d
# Programs look for the library by the name that it gives itself.
ln -sf onnxruntime/capi/libonnxruntime.so.1.32.0 "$root/build/onnxruntime/libonnxruntime.so.1"
