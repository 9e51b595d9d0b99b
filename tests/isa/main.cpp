#include <cstdio>

#include "run.hpp"

// The two units do not share symbols, see the same noise to the last bit, and both train.
int main() {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    std::puts("SKIPPED: two instruction sets in one program: this processor has no AVX2 with FMA");
    return 0;
  }
  const run baseline = run_on_x86_64();
  const run haswell = run_on_haswell();
  int failures = 0;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds) std::printf("failed: %s\n", what), ++failures;
  };
  expect(baseline.type != haswell.type, "types of different instruction sets have different names");
  expect(baseline.direction == haswell.direction, "z is the same on both");
  expect(baseline.after < 0.5 * baseline.before, "the loss is halved for x86-64");
  expect(haswell.after < 0.5 * haswell.before, "the loss is halved for haswell");
  std::printf("loss %g -> %g for x86-64, %g for haswell\n", baseline.before, baseline.after, haswell.after);
  return failures;
}
