#!/bin/sh
# Builds the fuzzers, with the address and undefined-behaviour sanitizers, and runs them one after another:
#
#   sh cmake/fuzz.sh [SECONDS [TARGET...]]
#
# A target is a file tests/fuzz/TARGET.cpp; without any, all are run. Each ends after SECONDS (1200), after 10 million
# executions, or at the first finding: an input that crashes, that takes 10 seconds, or that asks for 256 MiB at once. Its
# bytes are then in build/fuzz/found/TARGET-…, and `build/fuzz/tests/fuzz/fuzz_TARGET FILE` shows what is wrong. Mend it
# and put the file into tests/fuzz/corpus/TARGET, where the tests find it.
#
# Each goes on from build/fuzz/grown/TARGET, what earlier runs found worth keeping.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/cmake/setup.sh"

has_libfuzzer() {
  echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
    clang++ -fsanitize=fuzzer,address,undefined -x c++ -o /dev/null - 2>/dev/null
}

seconds=1200
if [ $# -gt 0 ]; then
  seconds=$1
  shift
fi
case $seconds in '' | *[!0-9]*) die "SECONDS is '$seconds', and must be a whole number" ;; esac
if [ $# -eq 0 ]; then
  for source in "$root"/tests/fuzz/corpus/*; do set -- "$@" "$(basename "$source")"; done
fi
for target; do
  [ -d "$root/tests/fuzz/corpus/$target" ] || die "$target is no target; there are: $(ls "$root/tests/fuzz/corpus" | tr '\n' ' ')"
done

need_to_build
need catch2 has_header catch2/catch.hpp catch2/catch_all.hpp
need clang has_command clang++
need libclang-rt-dev has_libfuzzer
install_missing
configure fuzz
programs=
for target; do programs="$programs fuzz_$target"; done
# shellcheck disable=SC2086
(cd "$root" && cmake --build --preset fuzz --target $programs -- --quiet)

# Files are rewritten at each execution, so they should be in memory. Where allocations were made is asked for again by
# running a finding alone, and costs a quarter of the time here.
if [ -d /dev/shm ]; then export TMPDIR=/dev/shm; fi
export ASAN_OPTIONS="malloc_context_size=0:quarantine_size_mb=16:allocator_may_return_null=0"
export UBSAN_OPTIONS=print_stacktrace=1
work=$root/build/fuzz
mkdir -p "$work/found"
failed=
for target; do
  mkdir -p "$work/grown/$target"
  log=$work/$target.log
  dictionary=$root/tests/fuzz/dictionaries/$target
  if [ -e "$dictionary" ]; then dictionary=-dict=$dictionary; else dictionary=; fi
  # Standard output is closed, because targets may print.
  if (cd "$work" && "tests/fuzz/fuzz_$target" -max_total_time="$seconds" -runs=10000000 -timeout=10 -malloc_limit_mb=256 \
      -rss_limit_mb=4096 -close_fd_mask=1 -print_final_stats=1 \
      -artifact_prefix="found/$target-" ${dictionary:+"$dictionary"} \
      "grown/$target" "$root/tests/fuzz/corpus/$target") >"$log" 2>&1; then
    outcome='no finding'
  else
    outcome='FOUND SOMETHING' failed="$failed $target"
  fi
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  took=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
  printf '%-16s %10s executions, %5s s: %s\n' "$target" "${executions:-?}" "${took:-?}" "$outcome"
  if [ "$outcome" != 'no finding' ]; then grep -E '^(SUMMARY|==.*ERROR|.*runtime error|.*what\(\)|artifact)' "$log" || tail -n 5 "$log"; fi
done
[ -z "$failed" ] || die "findings, in build/fuzz/found:$failed"
