// Spoiled files: whatever the bytes, each is read or refused with std::invalid_argument. Meant to be run with the
// sanitizers too.
#include <string>
#include <vector>
#include <zoft/io/checkpoint.hpp>
#include <zoft/io/peft.hpp>
#include <zoft/io/tokenizer/llama2c.hpp>

#include "io_fuzz_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

double touch(const checkpoint& model) {
  double sum = 0;
  for_each_tensor(model.shape(), [&](const std::string& name, const std::vector<std::size_t>& shape) {
    std::vector<float> values(elements(shape));
    widen(model.at(name, shape), values);
    for (const float value : values) sum += std::isfinite(value) ? value : 0.0f;
  });
  return sum;
}

const std::vector<float> some(64, 0.5f);

}  // namespace

TEST_CASE("fuzz: safetensors", "[io][fuzz]") {
  const scratch folder;
  const std::string path = folder.path("x.safetensors");
  const std::vector<named_tensor> tensors{
      {"a", {2, 3}, std::span(some).first(6)}, {"b", {}, std::span(some).first(1)}, {"c", {0}, {}}};
  write_safetensors(path, tensors, {{"format", "pt"}});
  const spoiled_counts result = fuzz_file(path, 3000, [&] {
    const safetensors file(path);
    for (const auto& [name, entry] : file.tensors())
      if (const auto tensor = file.find(name)) {
        std::vector<float> values(tensor->size());
        widen(*tensor, values);
      }
  });
  CHECK(result.refused > 1000);
  CHECK(result.read > 10);
}

TEST_CASE("fuzz: llama2.c", "[io][fuzz]") {
  const scratch folder;
  const bool legacy = GENERATE(true, false);
  std::string header;
  for (const std::int32_t number : {4, 3, 1, 2, 1, 3, 2}) header += bytes_of(number);
  if (!legacy) header = "24ka" + bytes_of(std::int32_t{1}) + header + '\1' + std::string(256 - 37, '\0');
  const std::size_t floats = 3 * 4 + 4 + 16 + 8 + 8 + 16 + 4 + 3 * 12 + 4 + (legacy ? 2 * 2 : 0);
  const std::string path = folder.write("m.bin", header + std::string(4 * floats, '\0'));
  const spoiled_counts result = fuzz_file(path, 2000, [&] { touch(open_checkpoint(path)); });
  CHECK(result.refused > 500);
  CHECK(result.read > 100);
}

TEST_CASE("fuzz: tokenizer.bin", "[io][fuzz]") {
  const scratch folder;
  std::string bytes = bytes_of(std::uint32_t{6});
  for (const std::string text : {"<unk>", "<s>", "</s>", " ", "a", "b", "ab", " ab", "<0x0A>", "\xc3\xa9"})
    bytes += bytes_of(-1.0f) + bytes_of(static_cast<std::int32_t>(text.size())) + text;
  const std::string path = folder.write("tok.bin", bytes);
  const spoiled_counts result = fuzz_file(path, 3000, [&] {
    const llama2c_tokenizer tokens(path);
    tokens.decode(tokens.encode("abab \n\xc3\xa9\xc3 b", true, true));
  });
  CHECK(result.refused > 500);
  CHECK(result.read > 100);
}

TEST_CASE("fuzz: a Hugging Face folder", "[io][fuzz]") {
  const scratch folder;
  const std::string spoiled = GENERATE("config.json", "model.safetensors.index.json", "a.safetensors");
  // One layer of Qwen2 with heads of 2, in two files.
  folder.write(
      "config.json",
      R"({"model_type":"qwen2","hidden_size":4,"intermediate_size":3,"num_hidden_layers":1,)"
      R"("num_attention_heads":2,"num_key_value_heads":1,"vocab_size":3,"max_position_embeddings":2,)"
      R"("rms_norm_eps":1e-5,"tie_word_embeddings":true,"rope_parameters":{"rope_theta":10.0,"rope_type":"default"}})");
  zoft::nn::config shape;
  shape.dim = 4, shape.hidden = 3, shape.layers = 1, shape.heads = 2, shape.kv_heads = 1, shape.head_dim = 2,
  shape.vocabulary = 3, shape.bias.query_key_value = true;
  std::vector<named_tensor> halves[2];
  json index;
  for_each_tensor(shape, [&](const std::string& name, const std::vector<std::size_t>& extents) {
    const std::size_t half = halves[0].size() < 4 ? 0 : 1;
    halves[half].push_back({name, extents, std::span(some).first(elements(extents))});
    index["weight_map"][name] = half == 0 ? "a.safetensors" : "b.safetensors";
  });
  write_safetensors(folder.path("a.safetensors"), halves[0]);
  write_safetensors(folder.path("b.safetensors"), halves[1]);
  folder.write("model.safetensors.index.json", index.dump());
  const spoiled_counts result = fuzz_file(folder.path(spoiled), 1500, [&] { touch(open_checkpoint(folder.path())); });
  CHECK(result.refused > 500);
  CHECK(result.read > 0);
}

TEST_CASE("fuzz: peft", "[io][fuzz]") {
  const scratch folder;
  const std::string spoiled = GENERATE("adapter_config.json", "adapter_model.safetensors");
  const std::vector<low_rank_tensor> tensors{
      {"model.layers.0.mlp.up_proj", 3, 4, 2, std::span(some).first(8), std::span(some).first(6)}};
  write_peft(folder.path(), tensors, 4, "m");
  const spoiled_counts result = fuzz_file(folder.path(spoiled), 1500, [&] { read_peft(folder.path()); });
  CHECK(result.refused > 400);
  CHECK(result.read > 10);
}
