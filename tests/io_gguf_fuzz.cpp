// Spoiled GGUF files, adapters and safetensors. Meant to be run with the sanitizers too; ZOFT_FUZZ_ROUNDS makes it
// long.
#include <cstdlib>
#include <string>
#include <vector>
#include <zoft/io/file/gguf.hpp>
#include <zoft/io/file/safetensors.hpp>
#include <zoft/io/gguf_adapter.hpp>
#include <zoft/io/peft.hpp>

#include "io_fuzz_support.hpp"
#include "io_gguf_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

const std::vector<float> filler(64, 0.5f);

/// Reads everything that the tensors hold, whole and by rows.
void widen_everything(const std::map<std::string, tensor_view, std::less<>>& tensors) {
  for (const auto& [name, view] : tensors) {
    if (!is_widened(view.type)) continue;
    std::vector<float> values(view.size());
    widen(view, values);
    for (std::size_t row = 0; row < view.rows(); ++row) widen(view, row, 1, std::span(values).first(view.columns()));
  }
}

std::size_t fuzz_rounds() {
  const char* const given = std::getenv("ZOFT_FUZZ_ROUNDS");
  return given != nullptr ? static_cast<std::size_t>(std::atoll(given)) : 2500;
}

}  // namespace

TEST_CASE("fuzz: gguf", "[io][fuzz]") {
  const scratch folder;
  const std::string path = folder.write("x.gguf", gguf_of_many_types());
  const spoiled_counts result = fuzz_file(path, fuzz_rounds(), [&] {
    const gguf file(path);
    widen_everything(file.tensors());
    for (const auto& [key, value] : file.metadata()) {
      static_cast<void>(shown(value));
      if (value.is_list && value.type == gguf_type::string) static_cast<void>(file.strings(key));
      if (value.is_list && value.type == gguf_type::i32) static_cast<void>(file.integers(key));
      if (value.is_list && value.type == gguf_type::boolean) static_cast<void>(file.booleans(key));
      if (value.is_list && value.real(0)) static_cast<void>(file.reals(key));
    }
  });
  CHECK(result.refused > 1000);
  CHECK(result.read > 300);
}

TEST_CASE("fuzz: gguf adapters", "[io][fuzz]") {
  const scratch folder;
  const std::string path = folder.path("x.gguf");
  const std::span<const float> some(filler);
  write_gguf_adapter(path,
                     std::vector<low_rank_tensor>{{"blk.0.attn_q", 3, 4, 2, some.first(8), some.first(6)},
                                                  {"token_embd", 5, 4, 1, some.first(4), some.first(5), 0, true}},
                     4, "llama");
  const spoiled_counts result = fuzz_file(path, fuzz_rounds(), [&] { read_gguf_adapter(path); });
  CHECK(result.refused > 1000);
  CHECK(result.read > 100);
}

TEST_CASE("fuzz: peft with patterns and embeddings", "[io][fuzz]") {
  const scratch folder;
  const std::string which = GENERATE("adapter_config.json", "adapter_model.safetensors");
  const std::span<const float> some(filler);
  write_peft(folder.path(),
             std::vector<low_rank_tensor>{{"layers.0.up", 3, 4, 2, some.first(8), some.first(6)},
                                          {"layers.1.up", 3, 4, 1, some.first(4), some.first(3), 7},
                                          {"embed", 5, 4, 1, some.first(4), some.first(5), 0, true}},
             4, "m");
  const std::string config = read_file(folder.path("adapter_config.json"));
  folder.write("adapter_config.json",
               replaced(config, "\"alpha_pattern\": {", "\"alpha_pattern\": {\"^(a|b)*[0-9]+.up$\": 3,"));
  const spoiled_counts result = fuzz_file(folder.path(which), fuzz_rounds(), [&] { read_peft(folder.path()); });
  CHECK(result.refused > 1000);
  CHECK(result.read > 100);
}

TEST_CASE("fuzz: safetensors of many types", "[io][fuzz]") {
  const scratch folder;
  const std::string path = folder.write(
      "x.safetensors",
      safetensors_bytes(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},)"
                        R"("b":{"dtype":"BOOL","shape":[3],"data_offsets":[16,19]},)"
                        R"("c":{"dtype":"F6_E2M3","shape":[2,4],"data_offsets":[19,25]},)"
                        R"("d":{"dtype":"BF16","shape":[],"data_offsets":[25,27]},)"
                        R"("e":{"dtype":"I64","shape":[0,7],"data_offsets":[27,27]}}   )",
                        std::string(27, '\1')));
  const spoiled_counts result = fuzz_file(path, fuzz_rounds(), [&] { widen_everything(safetensors(path).tensors()); });
  CHECK(result.refused > 1000);
  CHECK(result.read > 30);
}
