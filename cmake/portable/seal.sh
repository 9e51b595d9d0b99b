#!/bin/sh
# Makes one object of a program's objects for an instruction set: sh seal.sh SET RESULT OBJCOPY COMPILER OBJECT...
#
# Nothing of it can be seen from outside but zoft_main_SET and zoft_needs_SET. So the linker does not take a function of
# the standard library, which all sets have, from a set that the processor lacks. Its initialisers are in a section of
# their own, zoft_init_SET, which does not run by itself.
set -eu
set=$1 result=$2 objcopy=$3 compiler=$4
shift 4
"$compiler" -nostdlib -r -Wl,--force-group-allocation -o "$result.tmp" "$@"
"$objcopy" --keep-global-symbol=main --keep-global-symbol=zoft_needs "$result.tmp"
"$objcopy" --redefine-sym main=zoft_main_"$set" --redefine-sym zoft_needs=zoft_needs_"$set" \
  --rename-section .init_array=zoft_init_"$set" "$result.tmp"
# What else the loader would run before main, whatever the processor.
early=$("${objcopy%objcopy}objdump" -h "$result.tmp" | grep -oE ' \.(init_array|preinit_array|fini_array|ctors|dtors)[.0-9]*' | tr '\n' ' ' || true)
if [ -n "$early" ]; then
  echo "seal.sh: code for $set would run before the processor is known, in$early" >&2
  exit 1
fi
mv "$result.tmp" "$result"
