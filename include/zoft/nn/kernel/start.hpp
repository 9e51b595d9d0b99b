/// Ends a program at its start, with one line, if the processor lacks what the program is compiled for.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "../../simd/processor.hpp"

// Compilers use a machine's instructions everywhere, even in the initialisers of globals, so a check in load() would
// come too late. This one runs before everything that a program may register (priorities up to 100 are the compiler's
// own). It is not an inline variable: those take no priority from their header, and each translation unit must check
// for the instructions that it is compiled for itself. It ends the program without destructors, because these may use
// the missing instructions. It takes 20 µs where a hypervisor answers for the processor. It is in nn/ because programs
// are compiled for a machine for the sake of nn/'s kernels, and nn/ takes seconds to compile anyway. Other programs may
// include it too.
//
// A translation unit that is called only after its program has checked the processor must not end the program: define
// ZOFT_NO_START_CHECK there, and call simd::missing_instructions or the like from a unit that is compiled for less.
#if defined(__x86_64__) && !defined(ZOFT_NO_START_CHECK)
namespace zoft::inline ZOFT_ISA::simd {

[[gnu::constructor(101), ZOFT_ON_ANY_PROCESSOR]] static void end_on_older_processor() {
  const processor_message message = describe_processor();
  if (message.text[0]) {
    std::fprintf(stderr, "%s\n", message.text);
    std::_Exit(1);
  }
}

}  // namespace zoft::inline ZOFT_ISA::simd
#endif
