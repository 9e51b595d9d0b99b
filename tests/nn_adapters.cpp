// A model with prefix, bias_only and norm_only, against the decoder in double and against the model itself.
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>

#include "nn_reference.hpp"
#include "nn_support.hpp"

namespace nn_adapters_tests {

using namespace nn_test;
using namespace io_test;
using namespace zoft::nn;
using zoft::adapter_stack;

namespace {

using ids = std::vector<std::int32_t>;

/// Grouped queries, biases in some linears, both pairings of rotary positions, tied and own heads.
std::vector<transformer> models(const load_options& o = {}) {
  std::vector<transformer> result;
  result.push_back(random_model(odd_shape(), {true, false, true}, 81, o));
  for (const char* name : {"llama_tied_f32", "qwen2_f32"}) result.push_back(fixture_model(name, o));
  return result;
}

batch of(const ids& tokens) {
  batch result;
  result.add(tokens);
  return result;
}

ids joined(const ids& a, const ids& b) {
  ids result = a;
  result.insert(result.end(), b.begin(), b.end());
  return result;
}

std::vector<float> last(const std::vector<float>& x, std::size_t n) {
  return {x.end() - static_cast<std::ptrdiff_t>(n), x.end()};
}

/// The candidates of a step far from where the adapter starts, and its engine, which keeps them.
template <class Adapter>
auto moved(const transformer& model, const Adapter& adapter) {
  auto tuner = zoft::prge({.queries = 2, .epsilon = 0.3, .seed = 82}, adapter);
  tuner.attach(model);
  return tuner;
}

/// Logits of order 1 after some tens of roundings in each of two or three blocks. Measured: 6·10⁻⁶ at most.
constexpr double rounding = 2e-5;

void check_reference(const transformer& model, const adapter_stack& all, const ids& tokens) {
  const reference_model exact(model);
  std::vector<double> losses(all.size());
  model.losses(of(tokens), all, losses);
  for (std::size_t g = 0; g < all.size(); ++g) {
    CHECK(std::abs(losses[g] - exact.loss(tokens, all, g)) < rounding);
    CHECK(std::abs(losses[g] - model.loss(of(tokens))) > 2 * rounding);
  }
}

}  // namespace

TEST_CASE("nn adapters: the losses of a forward in double, for each group", "[nn]") {
  for (const transformer& model : models()) {
    const ids tokens = draws(83).tokens(20, 32);
    const auto check = [&](const auto& adapter) {
      auto tuner = moved(model, adapter);
      check_reference(model, tuner.ask(), tokens);
    };
    check(zoft::prefix{});
    check(zoft::prefix{.length = 2, .tokens = {5, 5}});
    check(zoft::bias_only{});
    check(zoft::bias_only{.targets = {"k_proj", "layers.1.mlp"}});
    check(zoft::norm_only{});
    check(zoft::norm_only{.targets = {"layers.1.input_layernorm"}});
    check(zoft::norm_only{.targets = {"post_attention_layernorm"}});
    check(zoft::norm_only{.targets = {"model.norm"}});
    check(zoft::lora{.rank = 2});
  }
}

TEST_CASE("nn adapters: all kinds at once", "[nn]") {
  for (const transformer& model : models()) {
    const ids tokens = draws(84).tokens(20, 32);
    auto low_rank = moved(model, zoft::lora{.rank = 2});
    auto prefix = moved(model, zoft::prefix{});
    auto biases = moved(model, zoft::bias_only{});
    auto gains = moved(model, zoft::norm_only{});
    adapter_stack all = low_rank.ask();
    all.prefixes = prefix.ask().prefixes;
    all.biases = biases.ask().biases;
    all.gains = gains.ask().gains;
    check_reference(model, all, tokens);
  }
}

TEST_CASE("nn adapters: a prefix starts as its tokens before every sequence, bit for bit, or but for bfloat16",
          "[nn]") {
  const auto exact = models();
  for (const dtype type : {dtype::f32, dtype::bf16, dtype::i8}) {
    const auto all = models({.weights = type});
    for (std::size_t i = 0; i < all.size(); ++i)
      for (const ids& front : {ids{3}, ids{9, 1, 9, 30, 2}, draws(85).tokens(12, 32)}) {
        const transformer& model = all[i];
        const std::size_t vocabulary = model.shape().vocabulary;
        INFO(name_of(type) << ", vocabulary " << vocabulary << ", a prefix of " << front.size());
        const auto prefix = zoft::prefix{.length = front.size(), .tokens = front}.attach(model, zoft::seed{1});
        draws d(86);
        const ids a = d.tokens(20, 32), b = d.tokens(7, 32), whole = joined(front, a);
        const auto behind = model.logits(a, prefix), wanted_logits = last(model.logits(whole), a.size() * vocabulary);
        // Keys behind a prefix are f32, and others as narrow as the weights.
        if (type != dtype::f32 && packed_matrix::in_pairs) {
          const auto in_float = last(exact[i].logits(whole), a.size() * vocabulary);
          CHECK(distance(behind, wanted_logits) < 2 * distance(wanted_logits, in_float));
          continue;
        }
        CHECK(same_bits(behind, wanted_logits));

        batch both, in_front;
        both.add(a);
        both.add(b);
        // The first label of a sequence is never looked at, and of these only those behind it count.
        for (const ids& one : {a, b}) {
          ids labels(front.size() + 1, ignored);
          labels.insert(labels.end(), one.begin() + 1, one.end());
          in_front.add(joined(front, one), labels);
        }
        CHECK(same_bits(model.score(both, prefix), model.score(in_front)));

        const ids made = model.generate(b, 30, -1, prefix), wanted = model.generate(joined(front, b), 30, -1);
        CHECK(joined(front, made) == wanted);
      }
  }
}

TEST_CASE("nn adapters: generate is the argmax of full forwards", "[nn]") {
  std::size_t others = 0;
  const auto check = [&](const transformer& model, const auto& adapter) {
    auto tuner = moved(model, adapter);
    const auto one = tuner.ask(1, 1);
    const ids prompt = draws(87).tokens(4, 32);
    ids wanted = prompt;
    while (wanted.size() < 16) {
      const auto logits = last(model.logits(wanted, one), model.shape().vocabulary);
      wanted.push_back(cross_entropy_reference(logits, 0).best);
    }
    CHECK(model.generate(prompt, 12, -1, one) == wanted);
    others += model.generate(prompt, 12, -1) != wanted;
  };
  for (const transformer& model : models()) {
    check(model, zoft::prefix{});
    check(model, zoft::bias_only{});
    check(model, zoft::norm_only{});
    check(model, zoft::norm_only{.targets = {"model.norm"}});
  }
  CHECK(others > 6);  // of 12
}

TEST_CASE("nn adapters: a prefix takes some of the context", "[nn]") {
  const transformer model = fixture_model("llama_tied_f32");
  const auto prefix = zoft::prefix{}.attach(model, zoft::seed{1});
  const ids fits = draws(88).tokens(27, 32), longer = draws(88).tokens(28, 32);
  CHECK_NOTHROW(model.loss(of(fits), prefix));
  CHECK(model.generate(fits, 5, -1, prefix) == fits);
  CHECK(model.generate(draws(88).tokens(20, 32), 100, -1, prefix).size() == 27);
  const std::string refused = "a sequence has 28 tokens behind a prefix of 5, and the context is 32";
  check_refused([&] { model.loss(of(longer), prefix); }, {refused});
  check_refused([&] { model.logits(longer, prefix); }, {refused});
  check_refused([&] { model.generate(longer, 1, -1, prefix); }, {refused});
}

TEST_CASE("nn adapters: keys and values are the model's, and a prefix's tokens are drawn by the seed", "[nn]") {
  const transformer model = fixture_model("llama_untied_f32");
  const auto states = model.attention_states(ids{4, 5, 6});
  REQUIRE(states.size() == 2);
  CHECK(states[1].name == "model.layers.1.self_attn");
  CHECK(states[1].keys.size() == 3 * 12);
  CHECK(states[1].values.size() == 3 * 12);

  const auto parameters = [&](const zoft::prefix& p, std::uint64_t seed) {
    const auto attached = p.attach(model, zoft::seed{seed});
    const auto all = attached.parameters();
    return std::vector<float>(all.begin(), all.end());
  };
  CHECK(parameters({}, 3) == parameters({}, 3));
  CHECK(parameters({}, 3) != parameters({}, 4));
  const auto given = parameters({.length = 3, .tokens = {4, 5, 6}}, 3);
  REQUIRE(given.size() == 2 * 2 * 3 * 12);
  CHECK(std::vector(given.begin(), given.begin() + 36) == states[0].keys);
  CHECK(std::vector(given.begin() + 36, given.begin() + 72) == states[0].values);
  CHECK(std::vector(given.end() - 36, given.end()) == states[1].values);
}

TEST_CASE("nn adapters: norms are named by Hugging Face's names", "[nn]") {
  const transformer model = fixture_model("llama_untied_f32");
  const zoft::layout all = model.weights_layout();
  std::vector<std::string> names;
  for (const zoft::tensor& t : model.norms()) {
    names.push_back(t.name);
    CHECK(t.rows == 16);
    CHECK(std::any_of(all.begin(), all.end(), [&](const zoft::tensor& w) { return w.name == t.name + ".weight"; }));
  }
  CHECK(names == std::vector<std::string>{"model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm",
                                          "model.layers.1.input_layernorm", "model.layers.1.post_attention_layernorm",
                                          "model.norm"});
}

TEST_CASE("nn adapters: what does not fit the model is refused", "[nn]") {
  const transformer model = fixture_model("llama_tied_f32");  // context 32, 32 tokens, keys of 8
  const auto attach = [&](const auto& adapter) { return [&, adapter] { zoft::prge({}, adapter).attach(model); }; };
  check_refused(attach(zoft::prefix{.length = 0}), {"prefix: length is 0, and must be at least 1"});
  check_refused(attach(zoft::prefix{.length = 32}),
                {"prefix: length is 32, and must be below the model's context, which is 32"});
  CHECK_NOTHROW(attach(zoft::prefix{.length = 31})());
  check_refused(attach(zoft::prefix{.length = 2, .tokens = {1, 32}}),
                {"prefix: token 32 is not in the vocabulary of 32"});
  check_refused(attach(zoft::prefix{.length = 1, .tokens = {-1}}), {"prefix: token -1 is not in the vocabulary of 32"});
  check_refused(attach(zoft::prefix{.tokens = {1, 2}}),
                {"prefix: there are 2 tokens, and must be as many as length, which is 5, or none"});
  check_refused(attach(zoft::bias_only{.targets = {"z_proj"}}),
                {"bias_only: no linear is named 'z_proj', but for instance 'model.layers.0.self_attn.q_proj'"});
  check_refused(attach(zoft::norm_only{.targets = {"q_proj"}}),
                {"norm_only: no norm is named 'q_proj', but for instance 'model.layers.0.input_layernorm'"});

  const std::vector<float> numbers(1000);
  const batch b = of({1, 2, 3});
  const auto refused = [&](auto change, const std::string& said) {
    adapter_stack stack(1);
    change(stack);
    check_refused([&] { model.loss(b, stack); }, {said});
  };
  const zoft::group_vectors vector{numbers.data(), 0, 15};
  refused([&](adapter_stack& s) { s.biases["model.layers.0.self_attn.q_proj"] = vector; },
          "adapter: a bias of 15 is added to 'model.layers.0.self_attn.q_proj', which has 16 outputs");
  refused([&](adapter_stack& s) { s.biases["model.norm"] = vector; },
          "'model.norm' is adapted, and the model has no linear of that name");
  refused([&](adapter_stack& s) { s.gains["model.norm"] = vector; },
          "adapter: 15 gains are added to 'model.norm', which has 16");
  refused([&](adapter_stack& s) { s.gains["norm"] = vector; }, "the model has no norm of that name");
  const auto prefixes = [&](const std::string& second, std::size_t length, std::size_t width) {
    return [=, &numbers](adapter_stack& s) {
      s.prefixes["model.layers.0.self_attn"] = {numbers.data(), numbers.data(), 0, 2, 8};
      if (!second.empty()) s.prefixes[second] = {numbers.data(), numbers.data(), 0, length, width};
    };
  };
  refused(prefixes("", 0, 0), "adapter: 1 attentions have a prefix, and the model has 2");
  refused(prefixes("model.layers.2.self_attn", 2, 8), "'model.layers.1.self_attn' has no prefix, and others have one");
  refused(prefixes("model.layers.1.self_attn", 3, 8), "is 3 by 8, and must be 2 by 8");
  refused(prefixes("model.layers.1.self_attn", 2, 4), "is 2 by 4, and must be 2 by 8");
  const zoft::group_prefixes none{numbers.data(), numbers.data(), 0, 0, 8};
  refused(
      [&](adapter_stack& s) {
        s.prefixes = {{"model.layers.0.self_attn", none}, {"model.layers.1.self_attn", none}};
      },
      "is 0 by 8, and must be of at least 1 token");
}

}  // namespace nn_adapters_tests
