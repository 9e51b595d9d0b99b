#include <array>
#include <numeric>
#include <utility>
#include <vector>
#include <zoft/io/checkpoint.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;
namespace nn = zoft::nn;

namespace {

// dim 8, hidden 6, layers 2, heads 2, kv_heads 1, vocabulary 5, context 3; heads of 4
constexpr std::array<std::int32_t, 7> shape{8, 6, 2, 2, 1, 5, 3};
// embedding, then 2 of: norm, q, k, v, o, norm, gate, down, up; then the last norm
constexpr std::size_t weight_count = 5 * 8 + 2 * (8 + 8 * 8 + 4 * 8 + 4 * 8 + 8 * 8 + 8 + 6 * 8 + 8 * 6 + 6 * 8) + 8;

/// Floats that count up, so that a tensor's first element says where it lies.
std::string counting(std::size_t size) {
  std::vector<float> values(size);
  std::iota(values.begin(), values.end(), 0.0f);
  return {reinterpret_cast<const char*>(values.data()), size * 4};
}

std::string numbers(const std::array<std::int32_t, 7>& seven) {
  std::string result;
  for (const std::int32_t number : seven) result += bytes_of(number);
  return result;
}

std::string legacy(const std::array<std::int32_t, 7>& seven, std::size_t floats) {
  return numbers(seven) + counting(floats);
}

std::string version_1(const std::array<std::int32_t, 7>& seven, char tied, std::size_t floats,
                      std::int32_t version = 1) {
  const std::string header = "24ka" + bytes_of(version) + numbers(seven) + tied;
  return header + std::string(256 - header.size(), '\0') + counting(floats);
}

float first(const checkpoint& model, const std::string& name, std::vector<std::size_t> wanted) {
  std::vector<float> values(elements(wanted));
  model.read(name, wanted, values);
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == values[0] + static_cast<float>(i));
  return values[0];
}

auto opening(const scratch& folder, const std::string& bytes) {
  const std::string path = folder.write("m.bin", bytes);
  return [path] { open_checkpoint(path); };
}

}  // namespace

TEST_CASE("llama2.c legacy: every tensor lies where the format says", "[io]") {
  const scratch folder;
  for (const bool tied : {true, false}) {
    auto seven = shape;
    if (!tied) seven[5] = -seven[5];
    const std::size_t tables = 3 * 4, head = tied ? 0 : 5 * 8;
    const checkpoint model = open_checkpoint(folder.write("m.bin", legacy(seven, weight_count + tables + head)));
    const nn::config& c = model.shape();
    CHECK((c.dim == 8 && c.hidden == 6 && c.layers == 2 && c.heads == 2 && c.kv_heads == 1 && c.head_dim == 4));
    CHECK((c.vocabulary == 5 && c.context == 3 && c.tied_head == tied));
    CHECK((c.pairing == nn::rope::interleaved && c.norm_epsilon == 1e-5 && c.rope_base == 1e4));
    CHECK(model.path == folder.path("m.bin"));
    CHECK(first(model, "model.embed_tokens.weight", {5, 8}) == 0);
    CHECK(first(model, "model.layers.1.input_layernorm.weight", {8}) == 48);
    CHECK(first(model, "model.layers.0.self_attn.q_proj.weight", {8, 8}) == 56);
    CHECK(first(model, "model.layers.1.self_attn.q_proj.weight", {8, 8}) == 120);
    CHECK(first(model, "model.layers.0.self_attn.k_proj.weight", {4, 8}) == 184);
    CHECK(first(model, "model.layers.1.self_attn.v_proj.weight", {4, 8}) == 280);
    CHECK(first(model, "model.layers.0.self_attn.o_proj.weight", {8, 8}) == 312);
    CHECK(first(model, "model.layers.0.post_attention_layernorm.weight", {8}) == 440);
    CHECK(first(model, "model.layers.1.mlp.gate_proj.weight", {6, 8}) == 504);
    CHECK(first(model, "model.layers.0.mlp.down_proj.weight", {8, 6}) == 552);
    CHECK(first(model, "model.layers.1.mlp.up_proj.weight", {6, 8}) == 696);
    CHECK(first(model, "model.norm.weight", {8}) == 744);
    CHECK(model.find("lm_head.weight").has_value() == !tied);
    if (!tied) CHECK(first(model, "lm_head.weight", {5, 8}) == weight_count + tables);
    CHECK_FALSE(model.find("model.layers.0.self_attn.q_proj.bias").has_value());
  }
}

TEST_CASE("llama2.c version 1: every tensor lies where the format says", "[io]") {
  const scratch folder;
  for (const bool tied : {true, false}) {
    const std::string bytes = version_1(shape, tied ? 1 : 0, weight_count + (tied ? 0 : 40));
    const checkpoint model = open_checkpoint(folder.write("m.bin", bytes));
    CHECK(model.shape().tied_head == tied);
    CHECK(first(model, "model.layers.1.input_layernorm.weight", {8}) == 8);
    CHECK(first(model, "model.layers.0.post_attention_layernorm.weight", {8}) == 16);
    CHECK(first(model, "model.norm.weight", {8}) == 32);
    CHECK(first(model, "model.embed_tokens.weight", {5, 8}) == 40);
    CHECK(first(model, "model.layers.1.self_attn.q_proj.weight", {8, 8}) == 144);
    CHECK(first(model, "model.layers.0.mlp.gate_proj.weight", {6, 8}) == 464);
    CHECK(first(model, "model.layers.1.mlp.down_proj.weight", {8, 6}) == 608);
    CHECK(first(model, "model.layers.1.mlp.up_proj.weight", {6, 8}) == 704);
    CHECK(model.find("lm_head.weight").has_value() == !tied);
    if (!tied) CHECK(first(model, "lm_head.weight", {5, 8}) == weight_count);
  }
}

TEST_CASE("checkpoint: asked for what is not there, or is another", "[io]") {
  const scratch folder;
  const std::string path = folder.write("m.bin", legacy(shape, weight_count + 12));
  checkpoint model = open_checkpoint(path);
  check_refused([&] { model.at("model.norm.bias", {8}); }, {path, "model.norm.bias is missing", "(8)"});
  check_refused([&] { model.at("model.norm.weight", {9}); },
                {path, "model.norm.weight has shape (8), and must have (9)"});
  std::vector<float> out(7);
  check_refused([&] { model.read("model.norm.weight", {8}, out); }, {"7 floats", "8 elements"});

  const auto bytes = model.at("model.norm.weight", {8}).bytes;
  const checkpoint moved = std::move(model);
  CHECK(moved.at("model.norm.weight", {8}).bytes.data() == bytes.data());
  CHECK(load<float>(bytes, 0) == 744.0f);
}

TEST_CASE("checkpoint: a weight that is not a number is named when it is read", "[io]") {
  const scratch folder;
  std::string bytes = legacy(shape, weight_count + 12);
  bytes.replace(28 + 4 * (744 + 3), 4, bytes_of(std::numeric_limits<float>::quiet_NaN()));
  const checkpoint model = open_checkpoint(folder.write("m.bin", bytes));
  std::vector<float> out(8);
  check_refused([&] { model.read("model.norm.weight", {8}, out); },
                {folder.path("m.bin"), "model.norm.weight is nan at element 3"});
}

TEST_CASE("llama2.c: a file that lies", "[io]") {
  const scratch folder;
  const std::string path = folder.path("m.bin");
  const std::size_t floats = weight_count + 12;
  const auto lie = [&](std::size_t field, std::int32_t value) {
    auto seven = shape;
    seven[field] = value;
    return opening(folder, legacy(seven, floats));
  };
  SECTION("sizes") {
    const std::string good = legacy(shape, floats);
    const std::string wanted = "must be " + std::to_string(28 + 4 * floats);
    CHECK_NOTHROW(opening(folder, good)());
    check_refused(opening(folder, good.substr(0, good.size() - 1)), {path, std::to_string(good.size() - 1), wanted});
    check_refused(opening(folder, good + "x"), {path, std::to_string(good.size() + 1), wanted});
    check_refused(opening(folder, good.substr(0, 27)), {path, "is 27 bytes", "28"});
    check_refused(opening(folder, "abc"), {path, "is 3 bytes"});
    check_refused(opening(folder, ""), {path, "is empty"});
    const std::string v1 = version_1(shape, 1, weight_count);
    CHECK_NOTHROW(opening(folder, v1)());
    check_refused(opening(folder, v1.substr(0, 255)), {path, "is 255 bytes", "256"});
    check_refused(opening(folder, v1 + "xxxx"), {path, "must be " + std::to_string(v1.size())});
    check_refused(opening(folder, version_1(shape, 0, weight_count)),
                  {path, "must be " + std::to_string(v1.size() + 4 * 40)});
  }
  SECTION("numbers in the header") {
    check_refused(lie(0, 0), {path, "dim is 0"});
    check_refused(lie(0, -8), {path, "dim is -8"});
    check_refused(lie(1, std::numeric_limits<std::int32_t>::min()), {path, "hidden_dim is -2147483648"});
    check_refused(lie(2, 0), {path, "n_layers is 0"});
    check_refused(lie(2, std::numeric_limits<std::int32_t>::max()), {path, "n_layers is 2147483647"});
    check_refused(lie(2, 3), {path, "n_layers 3"});
    check_refused(lie(3, 3), {path, "dim is 8", "n_heads, which is 3"});
    check_refused(lie(3, 8), {path, "dim is 8", "even", "n_heads, which is 8"});
    check_refused(lie(4, 0), {path, "n_kv_heads is 0"});
    check_refused(lie(4, 4), {path, "n_kv_heads is 4", "n_heads, which is 2"});
    check_refused(lie(5, 0), {path, "vocab_size is 0"});
    check_refused(lie(5, -5), {path, "is " + std::to_string(28 + 4 * floats) + " bytes"});
    check_refused(lie(5, std::numeric_limits<std::int32_t>::min()), {path, "vocab_size is 2147483648"});
    check_refused(lie(6, 4), {path, "seq_len 4"});
    check_refused(opening(folder, legacy({1 << 24, 1 << 24, 1 << 24, 2, 2, 1 << 24, 1 << 24}, 10)),
                  {path, "dim 16777216"});
  }
  SECTION("version 1") {
    check_refused(opening(folder, version_1(shape, 2, weight_count)), {path, "flag", "is 2"});
    check_refused(opening(folder, version_1(shape, 1, weight_count, 2)), {path, "is version 2"});
    check_refused(opening(folder, version_1(shape, 1, weight_count, -1)), {path, "is version -1"});
    auto seven = shape;
    seven[5] = -5;
    check_refused(opening(folder, version_1(seven, 1, weight_count)), {path, "vocab_size is below 0"});
  }
  SECTION("no checkpoint at all") {
    check_refused([] { open_checkpoint(""); }, {"path of a model is empty"});
    check_refused([&] { open_checkpoint(folder.path("none")); }, {folder.path("none"), "No such file"});
    check_refused([&] { open_checkpoint(folder.write("model.safetensors", "x")); },
                  {"model.safetensors", "give the folder"});
    check_refused([&] { open_checkpoint(folder.write("config.json", "{}")); }, {"config.json", "give the folder"});
    check_refused(opening(folder, "an ordinary text of more than 28 bytes"), {path, "dim is", "llama2.c"});
  }
}

TEST_CASE("llama2.c: the real models, and both formats of one of them agree", "[io]") {
  const auto one = real_data("stories260K/stories260K.bin"), other = real_data("stories260K/stories260K_v1.bin"),
             characters = real_data("babyllama_tok105/model5000.bin");
  if (one && other) {
    const checkpoint a = open_checkpoint(*one), b = open_checkpoint(*other);
    CHECK((a.shape().dim == 64 && a.shape().hidden == 172 && a.shape().layers == 5 && a.shape().heads == 8));
    CHECK((a.shape().kv_heads == 4 && a.shape().vocabulary == 512 && a.shape().context == 512 && a.shape().tied_head));
    std::size_t parameters = 0;
    for_each_tensor(a.shape(), [&](const std::string& name, const std::vector<std::size_t>& wanted) {
      INFO(name);
      std::vector<float> x(elements(wanted)), y(x.size());
      a.read(name, wanted, x);
      b.read(name, wanted, y);
      CHECK(x == y);
      parameters += x.size();
    });
    CHECK(parameters == 260'032);
  }
  if (characters) {
    const checkpoint c = open_checkpoint(*characters);
    CHECK((c.shape().dim == 128 && c.shape().hidden == 352 && c.shape().vocabulary == 105 && c.shape().context == 256));
  }
}
