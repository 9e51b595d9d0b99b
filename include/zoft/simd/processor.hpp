/// Checks whether the processor has the instructions that the program is compiled for. Nothing in the core includes
/// this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>

#include "../core/config.hpp"

#if defined(__x86_64__)
#include <cpuid.h>

/// Attributes of functions that run before it is known which instructions there are: they are compiled for those that
/// every x86-64 processor has. They neither take nor return vectors, so their calling convention is the usual one. GCC
/// takes arch= as complete; clang adds what -m flags name, hence the no-… list. If inlined, they would be compiled for
/// their caller's instructions, hence noinline. For the same reason they have no lambda, and call nothing defined in a
/// header without these attributes.
#define ZOFT_ON_ANY_PROCESSOR \
  gnu::noinline, gnu::target("arch=x86-64,no-sse3,no-popcnt,no-bmi,no-bmi2,no-lzcnt,no-movbe")
#else
#define ZOFT_ON_ANY_PROCESSOR gnu::noinline
#endif

namespace zoft::inline ZOFT_ISA::simd {

/// Names of instruction sets, as in the manuals.
struct instruction_names {
  const char* name[64];
  std::size_t count;

  const char* const* begin() const { return name; }
  const char* const* end() const { return name + count; }
  std::size_t size() const { return count; }
  bool empty() const { return count == 0; }
};

#if defined(__x86_64__)

// The instructions that compilers put into code by themselves, and AMX, which code may be chosen for at compile time:
// X(macro defined if the code is compiled for it, name, CPUID word that reports it, bit in that word, bits in XCR0 of
// the registers that the operating system must save for it). Instructions that only a program's own intrinsics make are
// left out: -march names many (SGX, SERIALIZE, UINTR) that programs run well without.
// clang-format off
#define ZOFT_INSTRUCTIONS(X) \
  X(__SSE3__, "SSE3", leaf_1_ecx, 0, 0) \
  X(__PCLMUL__, "PCLMUL", leaf_1_ecx, 1, 0) \
  X(__SSSE3__, "SSSE3", leaf_1_ecx, 9, 0) \
  X(__FMA__, "FMA", leaf_1_ecx, 12, avx) \
  X(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_16, "CX16", leaf_1_ecx, 13, 0) \
  X(__SSE4_1__, "SSE4.1", leaf_1_ecx, 19, 0) \
  X(__SSE4_2__, "SSE4.2", leaf_1_ecx, 20, 0) \
  X(__MOVBE__, "MOVBE", leaf_1_ecx, 22, 0) \
  X(__POPCNT__, "POPCNT", leaf_1_ecx, 23, 0) \
  X(__AVX__, "AVX", leaf_1_ecx, 28, avx) \
  X(__F16C__, "F16C", leaf_1_ecx, 29, avx) \
  X(__LAHF_SAHF__, "LAHF", leaf_80000001_ecx, 0, 0) \
  X(__LZCNT__, "LZCNT", leaf_80000001_ecx, 5, 0) \
  X(__SSE4A__, "SSE4a", leaf_80000001_ecx, 6, 0) \
  X(__XOP__, "XOP", leaf_80000001_ecx, 11, avx) \
  X(__FMA4__, "FMA4", leaf_80000001_ecx, 16, avx) \
  X(__TBM__, "TBM", leaf_80000001_ecx, 21, 0) \
  X(__BMI__, "BMI1", leaf_7_ebx, 3, 0) \
  X(__AVX2__, "AVX2", leaf_7_ebx, 5, avx) \
  X(__BMI2__, "BMI2", leaf_7_ebx, 8, 0) \
  X(__AVX512F__, "AVX512F", leaf_7_ebx, 16, avx512) \
  X(__AVX512DQ__, "AVX512DQ", leaf_7_ebx, 17, avx512) \
  X(__AVX512IFMA__, "AVX512IFMA", leaf_7_ebx, 21, avx512) \
  X(__AVX512ER__, "AVX512ER", leaf_7_ebx, 27, avx512) \
  X(__AVX512CD__, "AVX512CD", leaf_7_ebx, 28, avx512) \
  X(__AVX512BW__, "AVX512BW", leaf_7_ebx, 30, avx512) \
  X(__AVX512VL__, "AVX512VL", leaf_7_ebx, 31, avx512) \
  X(__AVX512VBMI__, "AVX512VBMI", leaf_7_ecx, 1, avx512) \
  X(__AVX512VBMI2__, "AVX512VBMI2", leaf_7_ecx, 6, avx512) \
  X(__GFNI__, "GFNI", leaf_7_ecx, 8, 0) \
  X(__AVX512VNNI__, "AVX512VNNI", leaf_7_ecx, 11, avx512) \
  X(__AVX512BITALG__, "AVX512BITALG", leaf_7_ecx, 12, avx512) \
  X(__AVX512VPOPCNTDQ__, "AVX512VPOPCNTDQ", leaf_7_ecx, 14, avx512) \
  X(__AMX_BF16__, "AMX-BF16", leaf_7_edx, 22, amx) \
  X(__AVX512FP16__, "AVX512FP16", leaf_7_edx, 23, avx512) \
  X(__AMX_TILE__, "AMX-TILE", leaf_7_edx, 24, amx) \
  X(__AMX_INT8__, "AMX-INT8", leaf_7_edx, 25, amx) \
  X(__AVXVNNI__, "AVX-VNNI", leaf_7_1_eax, 4, avx) \
  X(__AVX512BF16__, "AVX512BF16", leaf_7_1_eax, 5, avx512) \
  X(__CMPCCXADD__, "CMPCCXADD", leaf_7_1_eax, 7, 0) \
  X(__AVXIFMA__, "AVX-IFMA", leaf_7_1_eax, 23, avx) \
  X(__AVXVNNIINT8__, "AVX-VNNI-INT8", leaf_7_1_edx, 4, avx) \
  X(__AVXNECONVERT__, "AVX-NE-CONVERT", leaf_7_1_edx, 5, avx) \
  X(__AVXVNNIINT16__, "AVX-VNNI-INT16", leaf_7_1_edx, 10, avx) \
  X(__APX_F__, "APX", leaf_7_1_edx, 21, apx)
// clang-format on

namespace cpuid {
enum word { leaf_1_ecx, leaf_80000001_ecx, leaf_7_ebx, leaf_7_ecx, leaf_7_edx, leaf_7_1_eax, leaf_7_1_edx, words };
enum state : unsigned { avx = 0x6, avx512 = 0xe6, amx = 0x60000, apx = 0x80000 };

struct instruction {
  const char* name;
  word where;
  unsigned bit;
  unsigned state;
};
#define ZOFT_ROW(macro, ...) {__VA_ARGS__},
inline constexpr instruction instructions[] = {ZOFT_INSTRUCTIONS(ZOFT_ROW)};
#undef ZOFT_ROW
inline constexpr std::size_t count = sizeof instructions / sizeof instructions[0];
static_assert(count < 64);
}  // namespace cpuid

inline constexpr std::uint64_t all_instructions = (std::uint64_t{1} << cpuid::count) - 1;

/// A bit for each of ZOFT_INSTRUCTIONS, set if this translation unit is compiled for it. Not inline, because units
/// differ. A macro that is not defined is spelled as its own name, which begins with _.
#define ZOFT_SPELLED(macro) #macro
#define ZOFT_BIT(macro, ...) result |= ZOFT_SPELLED(macro)[0] == '_' ? 0 : bit, bit <<= 1;
constexpr std::uint64_t compiled_for = [] {
  std::uint64_t result = 0, bit = 1;
  ZOFT_INSTRUCTIONS(ZOFT_BIT)
  return result;
}();
#undef ZOFT_BIT
#undef ZOFT_SPELLED
#undef ZOFT_INSTRUCTIONS

/// The instructions in `wanted` that the processor lacks, or whose registers the operating system does not save.
[[ZOFT_ON_ANY_PROCESSOR]] inline instruction_names missing_instructions(std::uint64_t wanted = compiled_for) {
  unsigned has[cpuid::words] = {}, eax, ebx, ecx, edx, saved = 0;
  __cpuid(0, eax, ebx, ecx, edx);
  const unsigned leaves = eax;
  __cpuid(1, eax, ebx, ecx, edx);
  has[cpuid::leaf_1_ecx] = ecx;
  // The assembler needs no flag for xgetbv; the compilers' intrinsic does.
  if (ecx >> 27 & 1) asm volatile("xgetbv" : "=a"(saved), "=d"(edx) : "c"(0));
#if defined(__APPLE__)
  // macOS does not report that it saves the registers of AVX-512 until they are used.
  if ((saved & cpuid::avx) == cpuid::avx) saved |= cpuid::avx512;
#endif
  if (leaves >= 7) {
    __cpuid_count(7, 0, eax, ebx, ecx, edx);
    const unsigned subleaves = eax;
    has[cpuid::leaf_7_ebx] = ebx;
    has[cpuid::leaf_7_ecx] = ecx;
    has[cpuid::leaf_7_edx] = edx;
    if (subleaves >= 1) {
      __cpuid_count(7, 1, eax, ebx, ecx, edx);
      has[cpuid::leaf_7_1_eax] = eax;
      has[cpuid::leaf_7_1_edx] = edx;
    }
  }
  __cpuid(0x80000000, eax, ebx, ecx, edx);
  if (eax >= 0x80000001) {
    __cpuid(0x80000001, eax, ebx, ecx, edx);
    has[cpuid::leaf_80000001_ecx] = ecx;
  }
  instruction_names missing;
  missing.count = 0;
  for (std::size_t i = 0; i < cpuid::count; ++i) {
    const cpuid::instruction& one = cpuid::instructions[i];
    const bool usable = (has[one.where] >> one.bit & 1) && (saved & one.state) == one.state;
    if ((wanted >> i & 1) && !usable) missing.name[missing.count++] = one.name;
  }
  return missing;
}

#else

inline constexpr std::uint64_t all_instructions = 0;
constexpr std::uint64_t compiled_for = 0;

/// Other processors are not checked.
inline instruction_names missing_instructions(std::uint64_t = compiled_for) { return {}; }

#endif

/// What is wrong, in one line without a newline; empty if nothing is.
struct processor_message {
  char text[1024];
};
[[ZOFT_ON_ANY_PROCESSOR]] inline processor_message describe_processor(std::uint64_t wanted = compiled_for) {
  const instruction_names missing = missing_instructions(wanted);
  processor_message result;
  std::size_t size = 0;
  if (missing.count > 0) {
    for (const char* c = "zoft: this program was compiled for "; *c; ++c) result.text[size++] = *c;
    for (std::size_t i = 0; i < missing.count; ++i) {
      if (i > 0) result.text[size++] = ',', result.text[size++] = ' ';
      for (const char* c = missing.name[i]; *c; ++c) result.text[size++] = *c;
    }
    const char* advice =
        ", which this processor does not have: compile it for this machine (-march=native) or for an older one";
    for (const char* c = advice; *c; ++c) result.text[size++] = *c;
  }
  result.text[size] = 0;
  return result;
}

/// Throws std::invalid_argument if an instruction is missing that this translation unit is compiled for. Only useful to
/// code that is itself compiled for fewer, or that has not yet reached such an instruction.
[[ZOFT_ON_ANY_PROCESSOR]] inline void require_processor(std::uint64_t wanted = compiled_for) {
  const processor_message message = describe_processor(wanted);
  if (message.text[0]) ZOFT_THROW(std::invalid_argument(message.text));
}

}  // namespace zoft::inline ZOFT_ISA::simd
