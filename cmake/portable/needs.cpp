// Compiled once for each instruction set, beside the program's own files: what that set's code needs.
#include <cstdint>
#include <zoft/simd/processor.hpp>

extern "C" {
extern const std::uint64_t zoft_needs;
const std::uint64_t zoft_needs = zoft::simd::compiled_for;
}
