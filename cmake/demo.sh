#!/bin/sh
# Builds the fine-tuning example, which takes minutes, and runs it: sh cmake/demo.sh [OPTION...]
# The options are passed to the program; --help lists them.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/cmake/setup.sh"

need_to_build
like gnuplot-nox has_command gnuplot
install_missing
{ configure demo && build demo finetune; } >&2 || die "the example could not be built"
exec "$root/build/demo/examples/finetune" "$@"
