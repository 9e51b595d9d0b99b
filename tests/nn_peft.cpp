// zoft's adapters in Python's peft, and peft's adapters in zoft.
#include <zoft/io/peft.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace io_test;
using namespace zoft::nn;
using zoft::low_rank_adapter;
using zoft::low_rank_stack;
using zoft::io::json;

namespace {

struct written {
  std::string model;
  std::size_t rank;
  double alpha;
  std::vector<std::string> targets;
};

const written adapters[] = {
    {"llama_untied_f32", 2, 3, {}},  // all seven linears
    {"qwen2_f32", 3, 4.5, {"q_proj", "v_proj", "model.layers.1.mlp.down_proj"}},
};

/// A and B far from what they start from, B by no means 0: from the sampler, whose bits are the same everywhere.
low_rank_adapter made(const written& w, const transformer& model) {
  const zoft::seed run{2024};
  low_rank_adapter result =
      zoft::lora{.rank = w.rank, .alpha = w.alpha, .targets = w.targets}.attach(model.layout(), run);
  zoft::gaussian{}.axpy(result.parameters(), 0.3f, {run.value, 0, 0});
  return result;
}

std::vector<zoft::io::low_rank_tensor> tensors_of(const written& w, const low_rank_adapter& adapter) {
  std::vector<zoft::io::low_rank_tensor> tensors;
  for (const low_rank_adapter::pair& p : adapter.pairs()) tensors.push_back({p.linear, p.out, p.in, w.rank, p.a, p.b});
  return tensors;
}

void write(const std::string& folder, const written& w, const low_rank_adapter& adapter) {
  zoft::io::write_peft(folder, tensors_of(w, adapter), w.alpha, w.model);
}

/// The last rows of the logits must be those that peft gave, and the adapter must matter.
void check_logits(const transformer& model, const low_rank_stack& stack, const json& expected) {
  const auto ids = expected["ids"].get<std::vector<std::int32_t>>();
  const std::vector<double> with = flat<double>(expected["logits"]);
  std::vector<float> logits = model.logits(ids, stack), base = model.logits(ids);
  REQUIRE(with.size() <= logits.size());
  logits.erase(logits.begin(), logits.end() - static_cast<std::ptrdiff_t>(with.size()));
  base.erase(base.begin(), base.end() - static_cast<std::ptrdiff_t>(with.size()));
  CHECK(distance(logits, with) < 1e-4);
  CHECK(distance(base, with) > 0.1);
  if (expected.contains("base")) CHECK(distance(base, flat<double>(expected["base"])) < 1e-4);
}

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

}  // namespace

TEST_CASE("peft: an adapter of zoft's is these bytes", "[nn]") {
  for (const written& w : adapters) {
    INFO(w.model);
    const low_rank_adapter adapter = made(w, fixture_model(w.model));
    const std::string there = fixture("adapter/" + w.model);
    if (std::getenv("ZOFT_WRITE_FIXTURES") != nullptr) write(there, w, adapter);
    const scratch folder;
    write(folder.path("new"), w, adapter);
    for (const std::string file : {"/adapter_config.json", "/adapter_model.safetensors"})
      CHECK(read_file(folder.path("new") + file) == read_file(there + file));
  }
}

TEST_CASE("peft: with zoft's adapter, zoft's logits are those recorded from peft", "[nn]") {
  for (const written& w : adapters) {
    INFO(w.model);
    const transformer model = fixture_model(w.model);
    const json expected = json::parse(read_file(fixture("adapter/" + w.model) + "/expected.json"));
    check_logits(model, made(w, model), expected);
    const zoft::io::peft_adapter read = zoft::io::read_peft(fixture("adapter/" + w.model));
    check_logits(model, zoft::io::stack_of(read.tensors), expected);
    const auto ids = expected["ids"].get<std::vector<std::int32_t>>();
    CHECK(same_bits(model.logits(ids, zoft::io::stack_of(read.tensors)), model.logits(ids, made(w, model))));
  }
}

TEST_CASE("peft: with peft's adapter, zoft's logits are those recorded from peft", "[nn]") {
  const std::string folder = fixture("llama_tied_f32_adapter");
  const zoft::io::peft_adapter read = zoft::io::read_peft(folder);
  check_logits(fixture_model("llama_tied_f32"), zoft::io::stack_of(read.tensors),
               json::parse(read_file(folder + "/expected.json")));
}

TEST_CASE("peft: with an adapter just written, zoft's logits are those that peft computes", "[nn]") {
  const char* const named = std::getenv("ZOFT_PYTHON");
  const std::string python = quoted(named != nullptr ? named : "python3");
  if (std::system((python + " -c 'import torch, transformers, peft' 2>/dev/null").c_str()) != 0) {
    std::cout << "SKIPPED: " << python << " has no torch, transformers and peft (ZOFT_PYTHON names a python)\n";
    return;
  }
  for (const written& w : adapters) {
    INFO(w.model);
    const transformer model = fixture_model(w.model, {.threads = 2});
    draws d(81);
    batch b;
    for (int i = 0; i < 3; ++i) b.add(d.tokens(12, 32));
    auto tuner = zoft::prge({.queries = 2, .epsilon = 0.05, .learning_rate = 0.1, .seed = 82},
                            zoft::lora_fa{.rank = w.rank, .alpha = w.alpha, .targets = w.targets});
    tuner.attach(model);
    for (int step = 0; step < 40; ++step)
      tuner.step([&](const auto& stack, std::span<double> losses) { model.losses(b, stack, losses); });
    const scratch folder;
    const auto reference = [&](const std::string& name) {
      const std::string command = python + " " + quoted(fixture("peft_reference.py")) + " " + quoted(fixture(w.model)) +
                                  " " + quoted(folder.path(name)) + " 3,31,0,9,9,14,2,20,5 " +
                                  quoted(folder.path("logits.json"));
      REQUIRE(std::system(command.c_str()) == 0);
      return json::parse(read_file(folder.path("logits.json")));
    };
    write(folder.path("adapter"), w, tuner.adapter());
    check_logits(model, tuner.adapter(), reference("adapter"));

    // Every second linear has rank 1 and an alpha of its own.
    std::vector<zoft::io::low_rank_tensor> uneven = tensors_of(w, tuner.adapter());
    std::vector<std::vector<float>> columns;
    for (std::size_t i = 0; i < uneven.size(); i += 2) {
      zoft::io::low_rank_tensor& t = uneven[i];
      std::vector<float>& first = columns.emplace_back();
      for (std::size_t row = 0; row < t.out; ++row) first.push_back(t.b[row * t.rank]);
      t.a = t.a.first(t.in), t.b = first, t.rank = 1, t.alpha = w.alpha + static_cast<double>(i);
    }
    zoft::io::write_peft(folder.path("uneven"), uneven, w.alpha, w.model);
    const zoft::io::peft_adapter read = zoft::io::read_peft(folder.path("uneven"));
    check_logits(model, zoft::io::stack_of(read.tensors), reference("uneven"));
  }
}
