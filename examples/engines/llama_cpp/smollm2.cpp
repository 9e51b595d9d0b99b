// Trains SmolLM2-135M through llama.cpp, whose weights of 4 bits stay as they are: see ../smollm2.cpp.
#include <string>

#include "../engine.hpp"
#include "llama_cpp.hpp"

int main(int argc, char** argv) {
  const auto make = [](const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter, bool) {
    return llama_cpp::loss(model, adapter);
  };
  const auto loss_of_saved = [](const zoft::io::checkpoint& model, const zoft::low_rank_adapter& adapter,
                                const std::string& folder, const zoft::engines::padded_batch& batch) {
    return static_cast<double>(llama_cpp::loss(model, adapter).with(folder + "/adapter.gguf", batch));
  };
  // Its activations are rounded to 8 bits.
  return engines::smollm2(argc, argv,
                          {.name = "llama.cpp",
                           .make = make,
                           .most = {.loss = 0.1, .correlation = 0.1, .words = 0.1},
                           .loss_of_saved = loss_of_saved});
}
