#!/bin/sh
# Builds and runs the tests: sh cmake/test.sh [LEG...]
#
#   (none), test   all tests of the library, with this machine's compiler and for its processor
#   package        each header alone, packages, the reference, the noise's bits under other flags, other instruction sets,
#                  and that examples and benchmarks compile
#   clang, asan    the tests with clang++, split between a plain build and one with its sanitizers
#   tsan           the tests that use threads, with clang++'s thread sanitizer
#   baseline       the tests without any -march
#   haswell, neon  the tests of the core and of the transformer's kernels with AVX2, and for aarch64 in an emulator
#   engines        training through other engines, which are fetched if they can be: those in ZOFT_ENGINES, or else all but
#                  llama_cpp, whose build takes minutes. What is already there is tested too
#   playground     the library as WebAssembly, in node and in a browser: by emscripten and chromium, which are large
#   all            all of these but engines and playground
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/cmake/setup.sh"

[ $# -gt 0 ] || set -- test
[ "$*" != all ] || set -- test package clang baseline haswell asan tsan neon

has_sanitizers() {
  echo 'int main() {}' | clang++ -fsanitize=address,undefined -x c++ -o /dev/null - 2>/dev/null &&
    echo 'int main() {}' | clang++ -fsanitize=thread -x c++ -o /dev/null - 2>/dev/null
}

need_to_build
need catch2 has_header catch2/catch.hpp catch2/catch_all.hpp
for leg; do
  case $leg in
    test) ;;
    package | clang)
      if [ "$leg" = package ]; then
        need libbenchmark-dev has_header benchmark/benchmark.h
        need pkg-config has_command pkg-config
        like doxygen has_command doxygen
      fi
      if [ "$leg" = clang ]; then need clang has_command clang++; fi
      if [ "$(uname -m)" = x86_64 ]; then like qemu-user-static has_command qemu-x86_64-static; fi ;;
    neon)
      if [ "$(uname -m)" = x86_64 ]; then
        like g++-aarch64-linux-gnu has_command aarch64-linux-gnu-g++
        like qemu-user-static has_command qemu-aarch64-static
      fi ;;
    asan | tsan)
      need clang has_command clang++
      need libclang-rt-dev has_sanitizers ;;
    playground)
      like emscripten has_command em++
      like nodejs has_command node
      like chromium has_command chromium ;;
    baseline | haswell | engines) ;;
    *) die "$leg is no leg; there are: all test package clang baseline haswell asan tsan neon engines playground" ;;
  esac
done
install_missing

# can_run LEG: whether it can run here; if not, prints why.
can_run() {
  case $1 in
    clang)
      has_command clang++ || { echo "SKIPPED clang: there is no clang++"; return 1; } ;;
    asan | tsan)
      has_sanitizers || { echo "SKIPPED $1: there is no clang++ with its sanitizers"; return 1; } ;;
    neon)
      for program in aarch64-linux-gnu-g++ qemu-aarch64-static; do
        has_command $program || { echo "SKIPPED neon: there is no $program"; return 1; }
      done ;;
    package)
      if sh "$root/tests/consumer/fetch_cmake.sh"; then rm -f "$root/build/package/configured"; fi ;;
    engines)
      fetched=
      for engine in ${ZOFT_ENGINES:-executorch onnxruntime openvino}; do
        if sh "$root/examples/engines/$engine/fetch.sh"; then
          fetched="$fetched $engine"
        else
          echo "SKIPPED engines: $engine could not be fetched"
        fi
      done
      [ -n "$fetched" ] || return 1
      rm -f "$root/build/engines/configured" ;; # so that what is there now is looked for
    playground)
      for program in em++ node chromium; do
        has_command $program || { echo "SKIPPED playground: there is no $program"; return 1; }
      done ;;
    haswell)
      { grep -qw avx2 /proc/cpuinfo && grep -qw fma /proc/cpuinfo; } 2>/dev/null ||
        { echo "SKIPPED haswell: this processor has no AVX2 with FMA"; return 1; } ;;
  esac
}

# run_tests LEG: prints ctest's summary, what was skipped, and the whole output of failed tests.
run_tests() {
  log=$root/build/$1/ctest.log
  if (cd "$root" && ctest --preset "$1" -j "$(getconf _NPROCESSORS_ONLN)") >"$log" 2>&1; then
    status=0
    sed -n '/tests passed/,$p' "$log"
  else
    status=1
    grep -v ' Passed ' "$log" | grep -v '^ *Start ' || true
  fi
  grep -h 'SKIPPED:' "$root/build/$1/Testing/Temporary/LastTest.log" | sort -u || true
  return $status
}

failed=
for leg; do
  can_run "$leg" || continue
  started=$(date +%s)
  printf '\n== %s\n' "$leg"
  if configure "$leg" && build "$leg" && run_tests "$leg"; then outcome=passed; else outcome=FAILED failed="$failed $leg"; fi
  printf '== %s %s in %d s\n' "$leg" "$outcome" $(($(date +%s) - started))
done
[ -z "$failed" ] || die "failed:$failed"
