#!/bin/sh
# sh portable.sh PROGRAM [EMULATOR]: the program runs the best set that the processor has, and any other that is asked for
# by ZOFT_INSTRUCTION_SET; noise is the same in all of them.
set -eu
program=$1
emulator=${2-}
unset ZOFT_INSTRUCTION_SET

has() {
  for flag; do
    grep -m 1 '^flags' /proc/cpuinfo | grep -qw "$flag" || return 1
  done
}
sets=x86_64
if has avx2 fma f16c bmi2 abm movbe; then sets="avx2 $sets"; fi
if has avx512f avx512bw avx512dq avx512vl avx512cd; then sets="avx512 $sets"; fi
if has avx512f avx512_bf16 avx512vbmi; then
  if has avx512_fp16; then slower=avx512_bf16; else sets="avx512_bf16 $sets"; fi
fi
if has amx_tile amx_bf16; then sets="amx $sets"; fi

# What the program calls the set that it was compiled for.
name() { if [ "$1" = x86_64 ]; then echo sse2; else echo "$1"; fi; }

failed=
noise=
# expect SET OUTPUT WHERE
expect() {
  if [ "${2%% *}" != "$(name "$1")" ]; then
    echo "$3: it should have run $1, and said \"$2\""
    failed=1
  fi
  noise=${noise:-${2#* }}
  if [ "${2#* }" != "$noise" ]; then
    echo "$3: noise is ${2#* }, and was $noise"
    failed=1
  fi
}

output=$("$program") || true
expect "${sets%% *}" "$output" "on this processor"
echo "on this processor: $output"
for set in $sets ${slower-}; do
  output=$(ZOFT_INSTRUCTION_SET=$set "$program") || true
  expect "$set" "$output" "ZOFT_INSTRUCTION_SET=$set"
done
output=$(ZOFT_INSTRUCTION_SET=mmx "$program" 2>&1) && failed=1
case $output in
  "zoft: ZOFT_INSTRUCTION_SET is mmx, and must be one that this processor has of amx avx512_bf16 avx512 avx2 x86_64") ;;
  *) echo "ZOFT_INSTRUCTION_SET=mmx: it said \"$output\"" && failed=1 ;;
esac

if [ -n "$emulator" ]; then
  for model in Nehalem:x86_64 Haswell:avx2; do
    output=$("$emulator" -cpu "${model%:*}" "$program" 2>/dev/null) || true
    expect "${model#*:}" "$output" "on a ${model%:*}"
    echo "on a ${model%:*}: $output"
    ! ZOFT_INSTRUCTION_SET=avx512 "$emulator" -cpu "${model%:*}" "$program" >/dev/null 2>&1 || failed=1
  done
fi
[ -z "$failed" ]
