// Trains an adapter through llama.cpp: see ../tune.cpp.
#include "../engine.hpp"
#include "llama_cpp.hpp"

int main(int argc, char** argv) {
  return engines::tune(
      argc, argv, {"llama.cpp", [](const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, bool) {
                     return llama_cpp::loss(model, adapter);
                   }});
}
