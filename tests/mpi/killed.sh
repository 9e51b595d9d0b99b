#!/bin/sh
# A run on 3 ranks loses rank 1 to SIGKILL. It goes on with 4 ranks, loses rank 0, and ends on 2 ranks. Its bits must be
# those of a run without MPI. sh killed.sh PROGRAM MPIEXEC [OPTION...]
set -eu
program=$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
  echo "killed.sh: $*"
  exit 1
}

if "$@" -n 3 "$program" "$folder/run" 1 17; then fail "the run ended well, although rank 1 was killed"; fi
if "$@" -n 4 "$program" "$folder/run" 0 41; then fail "the run ended well, although rank 0 was killed"; fi
"$@" -n 2 "$program" "$folder/run" >"$folder/resumed"
cat "$folder/resumed"
whole=$("$program" -)
[ "$(cat "$folder/resumed")" = "${whole% from*} from step 41" ] || fail "a run without MPI has $whole"
