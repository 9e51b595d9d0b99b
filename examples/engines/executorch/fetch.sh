#!/bin/sh
# Fetches ExecuTorch into build/executorch: sh examples/engines/executorch/fetch.sh
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
. "$root/examples/engines/package.sh"

fetch_wheel executorch 1.5.1 executorch-1.5.1-cp311-cp311-manylinux_2_28_x86_64.whl \
  274c28c2fe2b76acb03f9fa381537425c40e0098dcf886baf6d97a1a55ffe300
