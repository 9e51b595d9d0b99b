#!/bin/sh
# Fetches an engine, builds its programs, trains the demo's adapter through it, and compares it with zoft's own
# transformer:
#   sh examples/engines/run.sh ENGINE [STEPS [SEED]]
# ENGINE is a folder beside this file.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/cmake/setup.sh"

engine=${1:-}
fetch=$root/examples/engines/$engine/fetch.sh
if [ -z "$engine" ] || [ ! -e "$fetch" ]; then
  known=$(cd "$root/examples/engines" && echo */ | tr -d /)
  die "run.sh ENGINE [STEPS [SEED]]: ENGINE is '$engine', and must be one of: $known"
fi
shift
sh "$fetch"
need_to_build
need catch2 has_header catch2/catch.hpp catch2/catch_all.hpp # the preset has tests
install_missing
rm -f "$root/build/engines/configured" # so that what is there now is looked for
{
  configure engines &&
    (cd "$root" && cmake --build --preset engines --target "${engine}_tune" "${engine}_compare" -- --quiet)
} >&2 || die "the programs could not be built"
programs=$root/build/engines/examples/engines/$engine
adapter=$root/build/engines/adapter_$engine
"$programs/${engine}_tune" "$adapter" "$@"
"$programs/${engine}_compare" "$adapter"
