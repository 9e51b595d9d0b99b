#!/bin/sh
# sh start.sh EMULATOR MODEL PROGRAM [MISSING UNTOLD]: on that model of a processor the program runs; or, where MISSING is
# given, it ends with status 1 and one line, which has the word MISSING and not UNTOLD.
set -eu
errors=$(mktemp)
trap 'rm -f "$errors"' EXIT
status=0
output=$("$1" -cpu "$2" "$3" 2>"$errors") || status=$?
# The emulator says what of the model it cannot do.
lines=$(grep -v '^qemu-x86_64[-a-z]*: warning: ' "$errors" || true)

wrong() {
  printf '%s: status %d, output "%s", errors "%s"\n' "$1" "$status" "$output" "$lines"
  exit 1
}

if [ $# -eq 3 ]; then
  if [ "$status" -ne 0 ] || [ "$output" != 2 ] || [ -n "$lines" ]; then wrong "it should have run"; fi
else
  if [ "$status" -ne 1 ] || [ -n "$output" ]; then wrong "it should have ended with status 1"; fi
  [ "$(printf '%s\n' "$lines" | wc -l)" -eq 1 ] || wrong "it should have said one line"
  case $lines in
    "zoft: this program was compiled for "*", which this processor does not have: compile it for this machine"*) ;;
    *) wrong "it should have said that it lacks instructions" ;;
  esac
  printf '%s\n' "$lines" | grep -qw -e "$4" || wrong "it should have named $4"
  if printf '%s\n' "$lines" | grep -qw -e "$5"; then wrong "it should not have named $5"; fi
fi
