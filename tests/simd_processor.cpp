#include <algorithm>
#include <string>
#include <string_view>
#include <zoft/simd/processor.hpp>

#include "catch.hpp"

namespace simd = zoft::simd;

TEST_CASE("processor: it has what this is compiled for") {
  CHECK(simd::missing_instructions().empty());
  CHECK_NOTHROW(simd::require_processor());
}

#if defined(__x86_64__)
TEST_CASE("processor: asked for all there is, it says what is missing, as the compiler's own question does") {
  const simd::instruction_names missing = simd::missing_instructions(simd::all_instructions);
  const auto lacks = [&](std::string_view name) { return std::count(missing.begin(), missing.end(), name) == 1; };
  __builtin_cpu_init();
#define SAME(name, builtin) CHECK(lacks(name) == !__builtin_cpu_supports(builtin))
  SAME("SSE3", "sse3");
  SAME("PCLMUL", "pclmul");
  SAME("SSSE3", "ssse3");
  SAME("FMA", "fma");
  SAME("SSE4.1", "sse4.1");
  SAME("SSE4.2", "sse4.2");
  SAME("POPCNT", "popcnt");
  SAME("AVX", "avx");
  SAME("SSE4a", "sse4a");
  SAME("XOP", "xop");
  SAME("FMA4", "fma4");
  SAME("BMI1", "bmi");
  SAME("AVX2", "avx2");
  SAME("BMI2", "bmi2");
  SAME("AVX512F", "avx512f");
  SAME("AVX512DQ", "avx512dq");
  SAME("AVX512IFMA", "avx512ifma");
  SAME("AVX512ER", "avx512er");
  SAME("AVX512CD", "avx512cd");
  SAME("AVX512BW", "avx512bw");
  SAME("AVX512VL", "avx512vl");
  SAME("AVX512VBMI", "avx512vbmi");
  SAME("AVX512VBMI2", "avx512vbmi2");
  SAME("GFNI", "gfni");
  SAME("AVX512VNNI", "avx512vnni");
  SAME("AVX512BITALG", "avx512bitalg");
  SAME("AVX512VPOPCNTDQ", "avx512vpopcntdq");
  SAME("AVX512BF16", "avx512bf16");
#if !defined(__clang__)
  SAME("CX16", "cmpxchg16b");
  SAME("MOVBE", "movbe");
  SAME("F16C", "f16c");
  SAME("LAHF", "lahf_lm");
  SAME("LZCNT", "lzcnt");
  SAME("TBM", "tbm");
  SAME("AMX-BF16", "amx-bf16");
  SAME("AVX512FP16", "avx512fp16");
  SAME("AMX-TILE", "amx-tile");
  SAME("AMX-INT8", "amx-int8");
  SAME("AVX-VNNI", "avxvnni");
#endif
#undef SAME
}

TEST_CASE("processor: the error is one line that names what is missing") {
  // No processor has both XOP and AMX.
  const simd::instruction_names missing = simd::missing_instructions(simd::all_instructions);
  REQUIRE(!missing.empty());
  std::string names;
  for (const char* name : missing) names += (names.empty() ? "" : ", ") + std::string(name);
  const std::string expected =
      "zoft: this program was compiled for " + names +
      ", which this processor does not have: compile it for this machine (-march=native) or for an older one";
  try {
    simd::require_processor(simd::all_instructions);
    FAIL("nothing was thrown");
  } catch (const std::invalid_argument& error) {
    CHECK(error.what() == expected);
  }
}
#endif
