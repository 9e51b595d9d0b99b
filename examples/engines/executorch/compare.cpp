// Compares ExecuTorch with zoft::nn: see ../compare.cpp.
//
//   compare --program FILE ...    the same with another program of export.py
#include "../engine.hpp"
#include "executorch.hpp"

int main(int argc, char** argv) {
  const bool given = argc > 2 && std::string(argv[1]) == "--program";
  const std::string program = given ? argv[2] : ZOFT_PROGRAM;
  return engines::compare(argc - 2 * given, argv + 2 * given,
                          {.name = "ExecuTorch",
                           .make = [&](const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter,
                                       bool best) { return pte::loss(program, model, adapter, best); },
                           .trains_a = false});
}
