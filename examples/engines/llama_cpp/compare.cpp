// Compares llama.cpp with zoft::nn: see ../compare.hpp.
//
//   compare --half ...    the same as llama.cpp computes by itself, with keys and values in half precision
#include "../compare.hpp"

#include "llama_cpp.hpp"

int main(int argc, char** argv) {
  const bool half = argc > 1 && std::string(argv[1]) == "--half";
  return engines::compare(half ? "llama.cpp in half precision" : "llama.cpp", argc - half, argv + half,
                          [&](const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, bool) {
                            return llama_cpp::loss(model, adapter, {.exact = !half});
                          });
}
