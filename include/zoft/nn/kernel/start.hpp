/// A program that includes this ends at its start, with one line, on a processor that lacks what it is compiled for.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "../../simd/processor.hpp"

// Compilers use a machine's instructions everywhere, in the initialisers of globals too, so a check in load() would
// come too late: this one runs first of all that a program may register (priorities up to 100 are the compiler's own).
// It is no inline variable, as those take no priority from their header, and as each translation unit must ask for what
// it is compiled for itself. It ends the program without destructors, which may be compiled for what is missing. It
// takes 20 µs where a hypervisor answers for the processor. It stands in nn/, whose kernels are what programs are
// compiled for a machine for, and that takes seconds to compile anyhow; other programs include it if they like.
//
// A translation unit that is only called into after its program has looked at the processor must not end it: define
// ZOFT_NO_START_CHECK there, and call simd::missing_instructions or the like from one that is compiled for less.
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
