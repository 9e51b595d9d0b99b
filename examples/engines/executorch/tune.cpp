// Trains an adapter through ExecuTorch: see ../tune.cpp.
#include "../engine.hpp"
#include "executorch.hpp"

int main(int argc, char** argv) {
  return engines::tune(argc, argv,
                       {.name = "ExecuTorch",
                        .make = [](const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter,
                                   bool best) { return pte::loss(ZOFT_PROGRAM, model, adapter, best); }});
}
