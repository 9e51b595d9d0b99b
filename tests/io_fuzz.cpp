// Spoiled files: whatever the bytes, each is read or refused with std::invalid_argument. Meant to be run with the
// sanitizers too.
#include <functional>
#include <random>
#include <string>
#include <vector>
#include <zoft/io/checkpoint.hpp>
#include <zoft/io/peft.hpp>
#include <zoft/io/tokenizer/llama2c.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

/// Every truncation, some changes of every byte, and `mixed` files with several bytes changed, cut out or put in.
void for_each_spoiled(const std::string& good, std::size_t mixed,
                      const std::function<void(const std::string&)>& visit) {
  std::mt19937 generator(42);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(generator() % n); };
  const std::string likely = "0123456789-+.eE\"{}[],:\\ \n\xff\x7f\x80" + std::string(2, '\0');
  for (std::size_t length = 0; length < good.size(); ++length) visit(good.substr(0, length));
  for (std::size_t at = 0; at < good.size(); ++at)
    for (const char flip : {'\xff', '\x01', '\x80'}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      visit(bad);
    }
  for (std::size_t round = 0; round < mixed; ++round) {
    std::string bad = good;
    for (std::size_t changes = 1 + below(4); changes > 0 && !bad.empty(); --changes) {
      const std::size_t at = below(bad.size());
      switch (below(4)) {
        case 0:
          bad[at] = static_cast<char>(below(256));
          break;
        case 1:
          bad[at] = likely[below(likely.size())];
          break;
        case 2:
          bad.erase(at, 1 + below(8));
          break;
        default:
          bad.insert(at, bad.substr(below(bad.size()), 1 + below(16)));
      }
    }
    visit(bad);
  }
}

struct counts {
  std::size_t read = 0, refused = 0;
};

/// use() reads the spoiled file or throws std::invalid_argument of one line; any other exception fails the test.
counts fuzz(const std::string& path, std::size_t mixed, const std::function<void()>& use) {
  const std::string good = read_file(path);
  counts result;
  use();
  for_each_spoiled(good, mixed, [&](const std::string& bad) {
    write_file(path, bad);
    const std::string message = message_of(use);
    ++(message.empty() ? result.read : result.refused);
    if (!message.empty() &&
        (!message.starts_with("zoft: ") || message.find('\n') != std::string::npos || message.size() > 2000))
      FAIL_CHECK("not one clear line: " << message);
  });
  write_file(path, good);
  return result;
}

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
  const counts result = fuzz(path, 3000, [&] {
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
  const counts result = fuzz(path, 2000, [&] { touch(open_checkpoint(path)); });
  CHECK(result.refused > 500);
  CHECK(result.read > 100);
}

TEST_CASE("fuzz: tokenizer.bin", "[io][fuzz]") {
  const scratch folder;
  std::string bytes = bytes_of(std::uint32_t{6});
  for (const std::string text : {"<unk>", "<s>", "</s>", " ", "a", "b", "ab", " ab", "<0x0A>", "\xc3\xa9"})
    bytes += bytes_of(-1.0f) + bytes_of(static_cast<std::int32_t>(text.size())) + text;
  const std::string path = folder.write("tok.bin", bytes);
  const counts result = fuzz(path, 3000, [&] {
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
  const counts result = fuzz(folder.path(spoiled), 1500, [&] { touch(open_checkpoint(folder.path())); });
  CHECK(result.refused > 500);
  CHECK(result.read > 0);
}

TEST_CASE("fuzz: peft", "[io][fuzz]") {
  const scratch folder;
  const std::string spoiled = GENERATE("adapter_config.json", "adapter_model.safetensors");
  const std::vector<low_rank_tensor> tensors{
      {"model.layers.0.mlp.up_proj", 3, 4, 2, std::span(some).first(8), std::span(some).first(6)}};
  write_peft(folder.path(), tensors, 4, "m");
  const counts result = fuzz(folder.path(spoiled), 1500, [&] { read_peft(folder.path()); });
  CHECK(result.refused > 400);
  CHECK(result.read > 10);
}
