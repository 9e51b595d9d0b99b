// Adapters as GGUF files, and the orders of the rows of q and k.
#include <limits>
#include <numeric>
#include <string>
#include <vector>
#include <zoft/io/gguf_adapter.hpp>
#include <zoft/io/rotary_rows.hpp>

#include "io_gguf_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

std::vector<float> stepped(std::size_t size, float step) {
  std::vector<float> result(size);
  for (std::size_t i = 0; i < size; ++i) result[i] = step * static_cast<float>(i) - 1;
  return result;
}

const std::vector<float> qa = stepped(2 * 4, 0.25f), qb = stepped(6 * 2, -0.5f), ea = stepped(3 * 4, 0.125f),
                         eb = stepped(5 * 3, 0.75f);
const low_rank_tensor adapted_q{"blk.0.attn_q", 6, 4, 2, qa, qb}, adapted_e{"token_embd", 5, 4, 3, ea, eb, 0, true};

}  // namespace

TEST_CASE("gguf adapter: the file is what llama.cpp reads, and reads back", "[io]") {
  const scratch folder;
  const std::string path = folder.path("adapter.gguf");
  write_gguf_adapter(path, std::vector{adapted_q, adapted_e}, 16, "llama");
  CHECK(folder.files() == 1);
  const gguf file(path);
  CHECK((file.version() == 3 && file.alignment() == 32));
  CHECK(file.string("general.type") == "adapter");
  CHECK(file.string("general.architecture") == "llama");
  CHECK(file.string("adapter.type") == "lora");
  CHECK(file.find("adapter.lora.alpha")->type == gguf_type::f32);
  CHECK(file.real("adapter.lora.alpha") == 16);
  REQUIRE(file.tensors().size() == 4);
  using shape = std::vector<std::size_t>;
  CHECK(file.tensor("blk.0.attn_q.weight.lora_a")->shape == shape{2, 4});
  CHECK(file.tensor("blk.0.attn_q.weight.lora_b")->shape == shape{6, 2});
  CHECK(file.tensor("token_embd.weight.lora_a")->shape == shape{5, 3});
  CHECK(file.tensor("token_embd.weight.lora_b")->shape == shape{4, 3});
  // llama.cpp wants the data padded to the end.
  CHECK(std::filesystem::file_size(path) % 32 == 0);

  const gguf_adapter read = read_gguf_adapter(path);
  CHECK((read.architecture == "llama" && read.alpha == 16));
  REQUIRE(read.tensors.size() == 2);
  const auto &q = read.tensors[0], &e = read.tensors[1];
  CHECK((q.name == "blk.0.attn_q" && q.out == 6 && q.in == 4 && q.rank == 2 && q.scale == 8 && !q.embedding));
  CHECK((e.name == "token_embd" && e.out == 5 && e.in == 4 && e.rank == 3 && e.embedding));
  CHECK((q.a == qa && q.b == qb && e.a == ea && e.b == eb));
}

TEST_CASE("gguf adapter: an alpha of a linear's own goes into its B", "[io]") {
  const scratch folder;
  const std::string path = folder.path("adapter.gguf");
  low_rank_tensor own = adapted_q;
  own.name = "blk.1.attn_q";
  own.alpha = 4;
  write_gguf_adapter(path, std::vector{adapted_q, own}, 16, "llama");
  const gguf_adapter read = read_gguf_adapter(path);
  CHECK(read.tensors[0].b == qb);
  CHECK(read.tensors[1].a == qa);
  for (std::size_t i = 0; i < qb.size(); ++i) CHECK(read.tensors[1].b[i] == qb[i] / 4);

  write_gguf_adapter(path, std::vector{adapted_q}, 0.1, "llama");  // no float
  CHECK(read_gguf_adapter(path).tensors[0].b == qb);
}

TEST_CASE("write_gguf_adapter: refuses what llama.cpp would not read, and writes nothing then", "[io]") {
  const scratch folder;
  const std::string path = folder.path("adapter.gguf");
  const auto writing = [&](std::vector<low_rank_tensor> tensors, double alpha = 16,
                           std::string architecture = "llama") {
    return [path, tensors, alpha, architecture] { write_gguf_adapter(path, tensors, alpha, architecture); };
  };
  const auto named = [](const std::string& name, bool embedding = false) {
    low_rank_tensor t = adapted_q;
    t.name = name;
    t.embedding = embedding;
    return t;
  };
  check_refused(writing({}), {path, "has 0"});
  check_refused(writing({adapted_q}, 0), {path, "alpha is 0"});
  check_refused(writing({adapted_q}, 16, ""), {path, "architecture is empty"});
  check_refused(writing({adapted_q, adapted_q}), {path, "blk.0.attn_q is the name of two linears"});
  check_refused(writing({named("")}), {path, "empty name"});
  check_refused(writing({named(std::string(50, 'x'))}), {path, "is a name of 50 characters, and must have at most 49"});
  CHECK_NOTHROW(writing({named(std::string(49, 'x'))})());
  std::filesystem::remove(path);
  check_refused(writing({named("token_embd")}), {path, "token_embd is no embedding"});
  check_refused(writing({named("position_embd", true)}), {path, "position_embd is an embedding", "token_embd alone"});
  low_rank_tensor bad = adapted_q;
  bad.alpha = std::numeric_limits<double>::infinity();
  check_refused(writing({bad}), {path, "blk.0.attn_q: alpha is inf"});
  bad.alpha = 1e38;
  check_refused(writing({bad}, 1e-3), {path, "its alpha, 1e+38, makes B infinite"});
  bad = adapted_q;
  bad.in = 5;
  check_refused(writing({bad}), {path, "blk.0.attn_q.lora_A has 8 values, and must be of shape (2, 5)"});
  CHECK(folder.files() == 0);
}

TEST_CASE("read_gguf_adapter: an adapter that lies", "[io]") {
  const scratch folder;
  const std::string path = folder.path("x.gguf");
  const std::string type = gguf_key("general.type", std::string("adapter")),
                    lora = gguf_key("adapter.type", std::string("lora")),
                    llama = gguf_key("general.architecture", std::string("llama")),
                    alpha = gguf_key("adapter.lora.alpha", 4.0f);
  const gguf_made a{"q.weight.lora_a", {4, 2}, 0, std::string(32, '\0')},
      b{"q.weight.lora_b", {2, 6}, 0, std::string(48, '\0')};
  const auto reading = [&](const std::vector<std::string>& keys, const std::vector<gguf_made>& tensors) {
    folder.write("x.gguf", gguf_file(keys, tensors));
    return [path] { read_gguf_adapter(path); };
  };
  const std::vector<std::string> keys{type, lora, llama, alpha};
  CHECK_NOTHROW(reading(keys, {a, b})());
  check_refused(reading({gguf_key("general.type", std::string("model")), lora, llama, alpha}, {a, b}),
                {path, "general.type is \"model\", and must be adapter"});
  check_refused(reading({type, llama, alpha}, {a, b}), {path, "adapter.type is missing"});
  check_refused(reading({type, lora, llama, gguf_key("adapter.lora.alpha", 0.0f)}, {a, b}), {path, "alpha is 0"});
  check_refused(reading({type, lora, llama}, {a, b}), {path, "adapter.lora.alpha is missing"});
  check_refused(reading(keys, {a}), {path, "q.weight.lora_b is missing, and its other half is there"});
  check_refused(reading(keys, {b}), {path, "q.weight.lora_a is missing, and its other half is there"});
  check_refused(reading(keys, {}), {path, "holds no tensors"});
  check_refused(reading(keys, {a, b, {"blk.0.attn_norm.weight", {4}, 0, std::string(16, '\0')}}),
                {path, "holds blk.0.attn_norm.weight"});
  check_refused(reading(keys, {a, {"q.weight.lora_b", {3, 4}, 0, std::string(48, '\0')}}),
                {path, "q: lora_a has shape (2, 4) and lora_b (4, 3), and must have one rank"});
  check_refused(reading(keys, {{"q.weight.lora_a", {8}, 0, std::string(32, '\0')}, b}), {path, "lora_a has shape (8)"});
  check_refused(reading(keys, {{"q.weight.lora_a", {4, 2}, 26, std::string(32, '\0')}, b}),
                {path, "q.weight.lora_a is I32, and must be one of F32"});
  const std::string nan = bytes_of(std::numeric_limits<float>::quiet_NaN());
  check_refused(reading(keys, {{"q.weight.lora_a", {4, 2}, 0, nan + std::string(28, '\0')}, b}),
                {path, "q.weight.lora_a is nan at element 0"});
}

TEST_CASE("rotary rows: interleaved and halves, as llama.cpp's converter permutes them", "[io]") {
  // numpy: arange(12).reshape(2, 2, 3).swapaxes(1, 2).reshape(12)
  std::vector<int> rows(12), there(12), back(12);
  std::iota(rows.begin(), rows.end(), 0);
  interleave_rows(std::span<const int>(rows), 2, 1, std::span(there));
  CHECK(there == std::vector<int>{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11});
  split_rows(std::span<const int>(there), 2, 1, std::span(back));
  CHECK(back == rows);

  for (const std::size_t d : {2u, 8u, 64u})
    for (std::size_t row = 0; row < d; ++row) {
      CHECK(halves_row(interleaved_row(row, d), d) == row);
      CHECK(interleaved_row(halves_row(row, d), d) == row);
    }

  const std::size_t heads = 3, d = 8, columns = 5;
  const std::vector<float> halves = stepped(heads * d * columns, 1);
  std::vector<float> interleaved(halves.size()), again(halves.size());
  interleave_rows(std::span<const float>(halves), heads, columns, std::span(interleaved));
  std::size_t wrong = 0;
  for (std::size_t h = 0; h < heads; ++h)
    for (std::size_t p = 0; p < 2; ++p)
      for (std::size_t j = 0; j < d / 2; ++j)
        for (std::size_t c = 0; c < columns; ++c)
          wrong += interleaved[(h * d + 2 * j + p) * columns + c] != halves[(h * d + p * d / 2 + j) * columns + c];
  CHECK(wrong == 0);
  split_rows(std::span<const float>(interleaved), heads, columns, std::span(again));
  CHECK(again == halves);

  const auto refused = [&](std::size_t size, std::size_t n, std::size_t width) {
    std::vector<float> out(halves.size());
    check_refused([&] { interleave_rows(std::span(halves).first(size), n, width, std::span(out)); }, {"rotary rows"});
  };
  refused(halves.size() - 1, 3, 5);
  refused(halves.size(), 0, 5);
  refused(halves.size(), 3, 0);
  refused(halves.size(), 24, 5);  // heads of one row
  refused(halves.size(), 7, 5);
}
