// Compares llama.cpp with zoft::nn: see ../compare.cpp.
//
//   compare --half ...    the same as llama.cpp computes by itself, with keys and values in half precision
#include <string>

#include "../engine.hpp"
#include "llama_cpp.hpp"

int main(int argc, char** argv) {
  const bool half = argc > 1 && std::string(argv[1]) == "--half";
  return engines::compare(argc - half, argv + half,
                          {half ? "llama.cpp in half precision" : "llama.cpp",
                           [&](const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, bool) {
                             return llama_cpp::loss(model, adapter, {.exact = !half});
                           }});
}
