#include <zoft/nn/transformer.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace io_test;
using namespace zoft::nn;
using zoft::low_rank;
using zoft::low_rank_stack;
using zoft::io::json;

namespace {

const std::string models[] = {"llama_tied_f32", "llama_untied_f32", "qwen2_f32"};

json expected_of(const std::string& model) { return json::parse(read_file(fixture(model) + "/expected.json")); }

/// −ln p and the greatest by the definition, in double.
token_score by_hand(std::span<const float> logits, std::int32_t label) {
  long double sum = 0;
  std::size_t best = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    sum += std::exp(static_cast<long double>(logits[i]));
    if (logits[i] > logits[best]) best = i;
  }
  const auto nll = std::log(sum) - static_cast<long double>(logits[static_cast<std::size_t>(label)]);
  return {static_cast<double>(nll), static_cast<std::int32_t>(best)};
}

// Logits of equal weights, kept as floats and as bfloat16: the same bits, unless activations are rounded to bfloat16
// for the latter, by 2⁻⁸ at most in each linear. Measured: 0.01 to 0.08.
void check_same_forward(const std::vector<float>& wide, const std::vector<float>& narrow) {
  if (!packed_matrix::in_pairs) CHECK(same_bits(wide, narrow));
  const double apart = distance(wide, narrow);
  INFO("apart by " << apart);
  CHECK(apart < 0.2);
}

}  // namespace

TEST_CASE("transformer: the logits of Hugging Face's Llama and Qwen2, whole and in shards", "[nn]") {
  const std::string name =
      GENERATE("llama_tied_f32", "llama_tied_f16", "llama_tied_bf16", "llama_tied_f32_sharded",
               "llama_tied_f16_sharded", "llama_tied_bf16_sharded", "llama_untied_f32", "qwen2_f32", "qwen2_bf16");
  const bool sharded = name.ends_with("_sharded");
  const json expected = expected_of(sharded ? name.substr(0, name.size() - 8) : name);
  const auto ids = expected["ids"].get<std::vector<std::int32_t>>();
  const transformer model = fixture_model(name);
  // The recorded logits are of the weights as they are stored, and half and bfloat16 widen exactly; but a model that
  // transformers holds in 16 bits has its rotary frequencies rounded to them too, which zoft never does.
  const double apart = distance(model.logits(ids), flat<float>(expected["logits"]));
  INFO(name << ": " << apart);
  CHECK(apart < (name.find("f32") != std::string::npos ? 1e-4 : 5e-4));
}

TEST_CASE("transformer: kept in bfloat16, the logits are those of the rounded matrices", "[nn]") {
  for (const std::string& name : models) {
    INFO(name);
    const auto ids = expected_of(name)["ids"].get<std::vector<std::int32_t>>();
    transformer wide = fixture_model(name);
    const transformer narrow = fixture_model(name, {.weights = dtype::bf16});
    const std::vector<float> exact = wide.weights(), rounded = narrow.weights(), logits = wide.logits(ids);
    std::size_t wrong = 0;
    for (const zoft::tensor& t : wide.weights_layout())
      for (std::size_t i = t.offset; i < t.offset + t.size(); ++i)
        wrong += rounded[i] != (t.is_matrix() ? static_cast<float>(zoft::bfloat16(exact[i])) : exact[i]);
    CHECK(wrong == 0);
    wide.assign(rounded);
    check_same_forward(wide.logits(ids), narrow.logits(ids));
    // A rounding of at most 2⁻⁸ in each weight, and of activations where these are rounded too, through two blocks to
    // logits of order 1 to 5. Measured: 0.02 to 0.09.
    const double apart = distance(logits, narrow.logits(ids));
    INFO("apart by " << apart);
    CHECK(apart < 0.2);
    CHECK(apart > 1e-4);
  }
}

TEST_CASE("transformer: a checkpoint that is stored in bfloat16 loses nothing when it is kept so", "[nn]") {
  const auto ids = expected_of("llama_tied_bf16")["ids"].get<std::vector<std::int32_t>>();
  for (const std::string name : {"llama_tied_bf16", "qwen2_bf16"})
    check_same_forward(fixture_model(name).logits(ids), fixture_model(name, {.weights = dtype::bf16}).logits(ids));
}

TEST_CASE("transformer: layout names the seven linears of each block", "[nn]") {
  const transformer model = fixture_model("llama_untied_f32");
  std::string seen;
  for (const zoft::tensor& t : model.layout())
    seen += t.name + " " + std::to_string(t.rows) + " " + std::to_string(t.columns) + "\n";
  const std::string block = R"(self_attn.q_proj 24 16
self_attn.k_proj 12 16
self_attn.v_proj 12 16
self_attn.o_proj 16 24
mlp.gate_proj 20 16
mlp.up_proj 20 16
mlp.down_proj 16 20
)";
  std::string wanted;
  for (const std::string layer : {"0", "1"})
    for (std::size_t at = 0; at < block.size();) {
      const std::size_t end = block.find('\n', at) + 1;
      wanted += "model.layers." + layer + "." + block.substr(at, end - at);
      at = end;
    }
  CHECK(seen == wanted);
}

TEST_CASE("transformer: weights are the checkpoint's, and come back as they were assigned", "[nn]") {
  for (const std::string& name : models) {
    INFO(name);
    const zoft::io::checkpoint file = zoft::io::open_checkpoint(fixture(name));
    transformer model = fixture_model(name);
    const zoft::layout shape = model.weights_layout();
    const std::vector<float> all = model.weights();
    REQUIRE(all.size() == shape.size());
    std::size_t tensors = 0;
    for (const zoft::tensor& t : shape) {
      INFO(t.name);
      const auto view = file.find(t.name);
      REQUIRE(view.has_value());
      std::vector<float> stored(view->size());
      widen(*view, stored);
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(t.offset);
      CHECK(stored == std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(t.size())));
      ++tensors;
    }
    CHECK(tensors == expected_of(name)["elements"].size());

    draws d(41);
    const std::vector<float> others = d.numbers(all.size());
    const std::vector<std::int32_t> ids = d.tokens(9, 32);
    const std::vector<float> before = model.logits(ids);
    model.assign(others);
    CHECK(same_bits(model.weights(), others));
    CHECK(model.logits(ids) != before);
    model.assign(all);
    CHECK(same_bits(model.logits(ids), before));
    check_refused([&] { model.assign(std::span(others).first(3)); },
                  {"transformer: 3 weights were given, and it has " + std::to_string(all.size())});
    CHECK(same_bits(model.weights(), all));
  }
}

TEST_CASE("transformer: a loss is the mean of −ln p over the labels that count", "[nn]") {
  for (const std::string& name : models) {
    INFO(name);
    const transformer model = fixture_model(name);
    draws d(42);
    batch b;
    double sum = 0;
    std::vector<token_score> wanted;
    for (const std::size_t length : sizes{8, 1, 5, 32, 13}) {
      const std::vector<std::int32_t> ids = d.tokens(length, 32);
      std::vector<std::int32_t> labels = d.tokens(length, 32);  // not the tokens themselves
      for (auto& label : labels)
        if (d.word() % 3 == 0 || length == 5) label = ignored;
      b.add(ids, labels);
      const std::vector<float> logits = model.logits(ids);
      for (std::size_t t = 1; t < length; ++t)
        if (labels[t] != ignored) {
          wanted.push_back(by_hand(std::span(logits).subspan((t - 1) * 32, 32), labels[t]));
          sum += wanted.back().nll;
        }
    }
    REQUIRE(b.predicted() == wanted.size());
    REQUIRE(wanted.size() > 10);
    const auto score = model.score(b);
    REQUIRE(score.size() == wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      CHECK(std::abs(score[i].nll - wanted[i].nll) < 2e-6);
      CHECK(score[i].best == wanted[i].best);
    }
    CHECK(std::abs(model.loss(b) - sum / static_cast<double>(wanted.size())) < 2e-6);
  }
}

TEST_CASE("transformer: a sequence in a batch has the bits of the sequence alone", "[nn]") {
  const transformer model = random_model(odd_shape(), {true, false, true}, 43, {.threads = 2});
  draws d(44);
  batch all;
  std::vector<token_score> alone;
  for (const std::size_t length : sizes{150, 2, 17, 1, 99, 40}) {
    const std::vector<std::int32_t> ids = d.tokens(length, 51);
    batch one;
    one.add(ids);
    all.add(ids);
    if (length == 1) continue;  // nothing to predict
    const auto score = model.score(one);
    alone.insert(alone.end(), score.begin(), score.end());
    // One label of many: the same score, though fewer logits are computed.
    const std::size_t at = d.size(1, length - 1);
    std::vector<std::int32_t> labels(length, ignored);
    labels[at] = ids[at];
    batch single;
    single.add(ids, labels);
    CHECK(same_bits(model.score(single), {score[at - 1]}));
  }
  CHECK(same_bits(model.score(all), alone));
}

TEST_CASE("transformer: generate is the argmax of full forwards, to a stop or the context's end", "[nn]") {
  for (const std::string& name : models) {
    const transformer model = fixture_model(name);
    const std::vector<std::int32_t> prompt = draws(45).tokens(4, 32);
    std::vector<std::int32_t> wanted = prompt;
    while (wanted.size() < 32) {
      const std::vector<float> logits = model.logits(wanted);
      wanted.push_back(by_hand(std::span(logits).last(32), 0).best);
    }
    INFO(name);
    constexpr std::int32_t no_stop = -1;
    const auto first = [&](std::size_t n) { return std::vector(wanted.begin(), wanted.begin() + std::ptrdiff_t(n)); };
    CHECK(model.generate(prompt, 1000, no_stop) == wanted);
    CHECK(model.generate(prompt, 7, no_stop) == first(11));
    CHECK(model.generate(prompt, 0, no_stop) == prompt);
    CHECK(model.generate(wanted, 5, no_stop) == wanted);
    const std::int32_t stop = wanted[9];
    std::size_t end = 4;
    while (wanted[end] != stop) ++end;
    CHECK(model.generate(prompt, 1000, stop) == first(end));
  }
}

TEST_CASE("transformer: all labels are best exactly where greedy generation writes them", "[nn]") {
  const transformer model = random_model(odd_shape(), {}, 46);
  draws d(47);
  for (int trial = 0; trial < 10; ++trial) {
    const std::vector<std::int32_t> prompt = d.tokens(d.size(1, 20), 51);
    const std::size_t n = d.size(1, 15);
    std::vector<std::int32_t> both = model.generate(prompt, n, -1);
    REQUIRE(both.size() == prompt.size() + n);
    const auto all_best = [&] {
      std::vector<std::int32_t> labels = both;
      std::fill_n(labels.begin(), prompt.size(), ignored);
      batch b;
      b.add(both, labels);
      const auto score = model.score(b);
      REQUIRE(score.size() == n);
      bool equal = true;
      for (std::size_t i = 0; i < n; ++i) equal = equal && score[i].best == both[prompt.size() + i];
      return equal;
    };
    CHECK(all_best());
    auto& spoiled = both[prompt.size() + d.size(0, n - 1)];
    spoiled = (spoiled + 1) % 51;
    CHECK(!all_best());
  }
}

TEST_CASE("transformer: what does not fit the model is refused", "[nn]") {
  const transformer model = fixture_model("llama_tied_f32");
  const std::vector<std::int32_t> good{1, 2, 3}, high{1, 32}, negative{-1, 4}, none, longer(33, 5);
  const auto of = [](const std::vector<std::int32_t>& tokens, const std::vector<std::int32_t>& labels) {
    batch b;
    b.add(tokens, labels);
    return b;
  };
  const batch fine = of(good, good);
  check_refused([&] { model.loss(batch()); }, {"the batch has no labels, and must have at least one"});
  check_refused([&] { model.loss(of(good, {1, ignored, ignored})); }, {"the batch has no labels"});
  check_refused([&] { model.loss(of(high, high)); }, {"token 32 is not in the vocabulary of 32"});
  check_refused([&] { model.loss(of(negative, {1, 2})); }, {"token -1 is not in the vocabulary of 32"});
  check_refused([&] { model.loss(of(good, {1, 2, 99})); }, {"99 is not in the vocabulary of 32"});
  check_refused([&] { model.loss(of(good, {1, 2, -7})); }, {"-7 is not in the vocabulary of 32"});
  check_refused([&] { model.loss(of(longer, longer)); }, {"a sequence has 33 tokens, and the context is 32"});
  check_refused([&] { model.logits(longer); }, {"a sequence has 33 tokens, and the context is 32"});
  check_refused([&] { model.logits(none); }, {"a sequence has no tokens"});
  check_refused([&] { model.generate(none, 5, 2); }, {"a sequence has no tokens"});
  check_refused([&] { model.generate(high, 5, 2); }, {"token 32 is not in the vocabulary"});
  check_refused([&] { model.generate(longer, 5, 2); }, {"33 tokens, and the context is 32"});
  std::vector<double> three(3);
  check_refused([&] { model.losses(fine, low_rank_stack(2), three); },
                {"transformer: there is room for 3 losses, and there are 2 adapters"});
  check_refused([&] { model.score(fine, low_rank_stack(0)); }, {"there are 0 adapters, and must be at least 1"});

  const std::vector<float> numbers(1000);
  const auto adapting = [&](const std::string& name, std::size_t out, std::size_t in, std::size_t groups = 1) {
    low_rank_stack stack(groups);
    stack.add(name, {.a = numbers.data(), .b = numbers.data(), .rank = 2, .in = in, .out = out});
    return stack;
  };
  const std::string q = "model.layers.0.self_attn.q_proj";
  model.loss(fine, adapting(q, 16, 16));
  check_refused([&] { model.loss(fine, adapting(q, 16, 8)); }, {"'" + q + "'", "16 by 8", "16 by 16"});
  check_refused([&] { model.loss(fine, adapting(q, 8, 16)); }, {"'" + q + "'", "8 by 16", "16 by 16"});
  check_refused([&] { model.logits(good, adapting("model.layers.2.self_attn.q_proj", 16, 16)); },
                {"adapter: 'model.layers.2.self_attn.q_proj' is adapted"});
  check_refused([&] { model.logits(good, adapting(q, 16, 16, 0)); }, {"there are 0 adapters"});
  check_refused([&] { model.generate(good, 3, 2, adapting(q, 16, 16, 0)); }, {"there are 0 adapters"});
}
