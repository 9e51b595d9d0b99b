#include <map>
#include <set>
#include <string>
#include <vector>
#include <zoft/adapter/lora.hpp>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/io/checkpoint.hpp>
#include <zoft/io/onnx.hpp>
#include <zoft/io/tokenizer/protobuf.hpp>
#include <zoft/nn/transformer.hpp>

#include "core_support.hpp"
#include "io_support.hpp"

using core_test::message;
using zoft::io::text_stage::protobuf;
using zoft::io::text_stage::protobuf_field;

namespace {

/// The fields of that number in a message.
std::vector<std::string_view> fields_of(std::string_view of, std::uint32_t number) {
  std::vector<std::string_view> result;
  protobuf reader(of, "test");
  for (protobuf_field f; reader.next(f);)
    if (f.number == number) result.push_back(f.bytes);
  return result;
}
std::uint64_t whole_of(std::string_view of, std::uint32_t number) {
  protobuf reader(of, "test");
  for (protobuf_field f; reader.next(f);)
    if (f.number == number) return f.whole;
  return 0;
}

/// An input or output as "name type extent,extent".
std::string described(std::string_view value) {
  const std::string_view tensor = fields_of(fields_of(value, 2).at(0), 1).at(0);
  std::string result = std::string(fields_of(value, 1).at(0)) + " " + zoft::text(whole_of(tensor, 1)) + " ";
  for (const std::string_view extent : fields_of(fields_of(tensor, 2).at(0), 1)) {
    const auto name = fields_of(extent, 2);
    result += (name.empty() ? zoft::text(whole_of(extent, 1)) : std::string(name[0])) + ",";
  }
  return result;
}

std::string graph_of(const std::string& fixture, const auto& adapter, zoft::io::onnx_options o = {}) {
  const auto model = zoft::io::open_checkpoint(ZOFT_FIXTURES "/" + fixture);
  const auto attached = adapter.attach(zoft::io::linears_of(model), zoft::seed{3});
  return zoft::io::onnx_loss(model, attached.stack(), attached.parameters(), o);
}

}  // namespace

TEST_CASE("onnx: the graph has the inputs, the outputs and nodes in the order of computing", "[io]") {
  for (const bool best : {false, true})
    for (const std::string fixture : {"llama_tied_f32", "llama_untied_f32", "qwen2_f32", "gguf_llama/model.gguf"}) {
      CAPTURE(fixture, best);
      const std::string bytes = graph_of(fixture, zoft::lora_fa{.rank = 2, .alpha = 4}, {.best = best});
      CHECK(bytes == graph_of(fixture, zoft::lora_fa{.rank = 2, .alpha = 4}, {.best = best}));
      CHECK(whole_of(bytes, 1) == 8);
      CHECK(whole_of(fields_of(bytes, 8).at(0), 2) == 18);
      const std::string_view graph = fields_of(bytes, 7).at(0);

      const auto model = zoft::io::open_checkpoint(ZOFT_FIXTURES "/" + fixture);
      std::size_t trained = 0;
      for (const zoft::tensor& t : zoft::io::linears_of(model)) trained += 2 * t.rows;
      std::vector<std::string> inputs, outputs;
      for (const auto v : fields_of(graph, 11)) inputs.push_back(described(v));
      for (const auto v : fields_of(graph, 12)) outputs.push_back(described(v));
      CHECK(inputs ==
            std::vector<std::string>{"tokens 7 B,T,", "labels 7 B,T,", "theta 1 P," + zoft::text(trained) + ","});
      CHECK(outputs ==
            (best ? std::vector<std::string>{"loss 1 P,", "best 7 P,M,"} : std::vector<std::string>{"loss 1 P,"}));

      std::set<std::string_view> known;
      for (const auto v : fields_of(graph, 11)) known.insert(fields_of(v, 1).at(0));
      for (const auto tensor : fields_of(graph, 5)) CHECK(known.insert(fields_of(tensor, 8).at(0)).second);
      bool in_order = true, once = true;
      for (const auto node : fields_of(graph, 1)) {
        for (const auto v : fields_of(node, 1)) in_order = in_order && known.contains(v);
        for (const auto v : fields_of(node, 2)) once = once && known.insert(v).second;
      }
      CHECK(in_order);
      CHECK(once);
      CHECK(known.contains("loss"));
    }
}

TEST_CASE("onnx: the graph with P-RGE's update has its state as inputs and outputs", "[io]") {
  const auto model = zoft::io::open_checkpoint(ZOFT_FIXTURES "/llama_tied_f32");
  const auto adapter = zoft::lora_fa{.rank = 2, .alpha = 4}.attach(zoft::io::linears_of(model), {});
  const std::string bytes = zoft::io::onnx_prge(model, adapter.stack(), adapter.parameters(), 1e-2);
  const std::string_view graph = fields_of(bytes, 7).at(0);
  const std::string state = " 1 Q," + zoft::text(adapter.parameters().size()) + ",";
  std::vector<std::string> inputs, outputs;
  for (const auto v : fields_of(graph, 11)) inputs.push_back(described(v));
  for (const auto v : fields_of(graph, 12)) outputs.push_back(described(v));
  CHECK(inputs == std::vector<std::string>{"tokens 7 B,T,", "labels 7 B,T,", "plus" + state, "minus" + state,
                                           "noise" + state, "coefficients 1 Q,"});
  CHECK(outputs == std::vector<std::string>{"next_plus" + state, "next_minus" + state, "loss 1 P,"});
  CHECK(message([&] { zoft::io::onnx_prge(model, adapter.stack(), adapter.parameters(), 0); }) ==
        "zoft: onnx_prge: epsilon is 0, and must be above 0");
}

TEST_CASE("onnx: adapters are attached to the same linears as the transformer's", "[io]") {
  for (const std::string fixture : {"llama_untied_f32", "qwen2_f32", "gguf_llama/model.gguf"}) {
    const std::string path = ZOFT_FIXTURES "/" + fixture;
    CHECK(zoft::io::linears_of(zoft::io::open_checkpoint(path)) == zoft::nn::load(path).layout());
  }
}

TEST_CASE("onnx: what cannot be written is refused by name", "[io]") {
  const auto refused = [](const std::string& fixture) {
    const auto model = zoft::io::open_checkpoint(ZOFT_FIXTURES "/" + fixture);
    const auto adapter = zoft::lora_fa{.rank = 1, .alpha = 1}.attach(zoft::nn::transformer(model, {}).layout(), {});
    const std::string said = message([&] { zoft::io::onnx_loss(model, adapter.stack(), adapter.parameters()); });
    const std::string start = "zoft: " ZOFT_FIXTURES "/" + fixture + ": ";
    REQUIRE(said.starts_with(start));
    return said.substr(start.size());
  };
  const std::string written = ", and a graph can be written of models with ";
  CHECK(refused("gpt2") == "the model is of the family gpt2" + written + "RMSNorm without an offset");
  CHECK(refused("gemma") == "the model is of the family gemma" + written + "RMSNorm without an offset");
  CHECK(refused("qwen3") == "the model is of the family qwen3" + written + "attention without norms and caps");
  CHECK(refused("gguf_phi3/model.gguf") ==
        "the model is of the family phi3" + written + "rotary positions, the same in all blocks and for all lengths");

  const auto model = zoft::io::open_checkpoint(ZOFT_FIXTURES "/llama_tied_f32");
  const auto adapter = zoft::lora_fa{.rank = 1, .alpha = 1}.attach(zoft::io::linears_of(model), {});
  const std::vector<float> elsewhere(adapter.parameters().size());
  CHECK(message([&] { zoft::io::onnx_loss(model, adapter.stack(), elsewhere); }) ==
        "zoft: onnx: none of the adapter's factors lies in theta");
}

TEST_CASE("onnx: in a file, large constants lie in another beside it, at pages, and are the same", "[io]") {
  const io_test::scratch folder;
  const auto model = zoft::io::open_checkpoint(ZOFT_FIXTURES "/llama_untied_f32");
  const auto adapter = zoft::lora_fa{.rank = 12, .alpha = 4}.attach(zoft::io::linears_of(model), zoft::seed{3});
  const std::string path = folder.path("loss.onnx");
  zoft::io::write_onnx_loss(path, model, adapter.stack(), adapter.parameters(), {.best = true});
  const std::string written = io_test::read_file(path), data = io_test::read_file(path + ".data");
  const std::string bytes = graph_of("llama_untied_f32", zoft::lora_fa{.rank = 12, .alpha = 4}, {.best = true});
  const std::string_view graph = fields_of(bytes, 7).at(0), other = fields_of(written, 7).at(0);
  for (const std::uint32_t field : {1u, 11u, 12u}) CHECK(fields_of(graph, field) == fields_of(other, field));

  const auto whole = fields_of(graph, 5), parted = fields_of(other, 5);
  REQUIRE(whole.size() == parted.size());
  std::size_t outside = 0, end = 0;
  bool same = true;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (const std::uint32_t field : {1u, 2u, 8u})
      same = same && fields_of(whole[i], field) == fields_of(parted[i], field);
    const std::string_view numbers = fields_of(whole[i], 9).at(0);
    if (numbers.size() < 4096) {
      same = same && fields_of(parted[i], 9).at(0) == numbers;
      continue;
    }
    std::map<std::string, std::string, std::less<>> place;
    for (const auto entry : fields_of(parted[i], 13))
      place.emplace(fields_of(entry, 1).at(0), fields_of(entry, 2).at(0));
    CHECK(place.size() == 3);
    CHECK(place["location"] == "loss.onnx.data");
    CHECK(place["length"] == zoft::text(numbers.size()));
    const std::size_t offset = std::stoul(place["offset"]);
    CHECK(offset % 4096 == 0);
    CHECK(offset >= end);
    end = offset + numbers.size();
    same = same && whole_of(parted[i], 14) == 1 && fields_of(parted[i], 9).empty() &&
           data.substr(offset, numbers.size()) == numbers;
    ++outside;
  }
  CHECK(same);
  CHECK(outside > 2);
  CHECK(end == data.size());
  CHECK(message([&] {
          zoft::io::write_onnx_loss(folder.path("none/loss.onnx"), model, adapter.stack(), adapter.parameters());
        }).starts_with("zoft: " + folder.path("none/loss.onnx") + ": cannot be written: "));
}
