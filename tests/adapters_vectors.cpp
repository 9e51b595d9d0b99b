// prefix, bias_only and norm_only on a model of one's own.
#include <zoft/prge.hpp>

#include "core_support.hpp"

namespace adapters_vectors_tests {

using namespace core_test;
using zoft::adapter_stack;

namespace {

/// A model with two linears, and nothing else.
struct linears_only {
  zoft::layout linears;
  linears_only() {
    linears.add("layers.0.mlp.up_proj", 5, 3);
    linears.add("layers.0.mlp.down_proj", 3, 5);
  }
  const zoft::layout& layout() const { return linears; }
};

struct with_norms : linears_only {
  zoft::layout all;
  with_norms() {
    all.add("layers.0.norm", 3);
    all.add("final", 3);
  }
  const zoft::layout& norms() const { return all; }
};

/// A model without linears, whose keys are its tokens and whose values are their negatives, in two attentions.
struct with_attention {
  struct extents {
    std::size_t vocabulary = 1000, context = 500;
  };
  extents shape() const { return {}; }
  std::vector<zoft::attention_state> attention_states(std::span<const std::int32_t> tokens) const {
    std::vector<zoft::attention_state> result{{"first", {}, {}}, {"second", {}, {}}};
    for (const std::int32_t token : tokens) {
      const float x = static_cast<float>(token);
      result[0].keys.push_back(x);
      result[0].values.push_back(-x);
      result[1].keys.insert(result[1].keys.end(), {x, x});
      result[1].values.insert(result[1].values.end(), {-x, -x});
    }
    return result;
  }
};

static_assert(zoft::owning_adapter<zoft::prefix> && zoft::owning_adapter<zoft::bias_only> &&
              zoft::owning_adapter<zoft::norm_only>);
static_assert(zoft::has_norms<with_norms> && !zoft::has_norms<linears_only>);
static_assert(zoft::has_attention_states<with_attention> && !zoft::has_attention_states<with_norms>);

template <class Adapter, class Model>
auto attached(const Adapter& adapter, const Model& model, std::uint64_t seed = 1) {
  auto tuner = zoft::prge({.seed = seed}, adapter);
  tuner.attach(model);
  return tuner.adapter();
}

template <class Attached>
std::vector<float> parameters(const Attached& a) {
  return {a.parameters().begin(), a.parameters().end()};
}

std::vector<std::string> names(const zoft::layout& l) {
  std::vector<std::string> result;
  for (const zoft::tensor& t : l) result.push_back(t.name);
  return result;
}

}  // namespace

TEST_CASE("bias_only: a vector from 0 for each linear, at each candidate's place", "[adapter]") {
  const auto a = attached(zoft::bias_only{}, linears_only());
  CHECK(names(a.layout()) == std::vector<std::string>{"layers.0.mlp.up_proj.bias", "layers.0.mlp.down_proj.bias"});
  CHECK(bits(parameters(a)) == std::vector<std::uint32_t>(8, 0));
  const std::vector<float> buffer(3 * 8);
  const adapter_stack s = a.show({buffer.data(), 3, 8});
  CHECK(s.size() == 3);
  CHECK((s.biases.size() == 2 && s.gains.empty() && s.prefixes.empty() && s.linears.linears() == 0));
  const zoft::group_vectors up = s.biases.at("layers.0.mlp.up_proj"), down = s.biases.at("layers.0.mlp.down_proj");
  CHECK((up.size == 5 && down.size == 3));
  for (std::size_t g = 0; g < 3; ++g) {
    CHECK(up.of(g) == buffer.data() + g * 8);
    CHECK(down.of(g) == buffer.data() + g * 8 + 5);
  }
  const adapter_stack itself = a;
  CHECK(itself.size() == 1);
  CHECK(itself.biases.at("layers.0.mlp.down_proj").values == a.parameters().data() + 5);
  CHECK(names(attached(zoft::bias_only{.targets = {"down_proj"}}, linears_only()).layout()) ==
        std::vector<std::string>{"layers.0.mlp.down_proj.bias"});
}

TEST_CASE("norm_only: a vector from 0 for each norm of a model that names them", "[adapter]") {
  const auto a = attached(zoft::norm_only{}, with_norms());
  CHECK(names(a.layout()) == std::vector<std::string>{"layers.0.norm.weight", "final.weight"});
  CHECK(bits(parameters(a)) == std::vector<std::uint32_t>(6, 0));
  const std::vector<float> buffer(2 * 6);
  const adapter_stack s = a.show({buffer.data(), 2, 6});
  CHECK((s.gains.size() == 2 && s.biases.empty() && s.prefixes.empty()));
  CHECK(s.gains.at("final").size == 3);
  CHECK(s.gains.at("final").of(1) == buffer.data() + 6 + 3);
  CHECK(attached(zoft::norm_only{.targets = {"final"}}, with_norms()).parameters().size() == 3);
}

TEST_CASE("prefix: the model's own keys and values of the tokens, at each candidate's place", "[adapter]") {
  const auto a = attached(zoft::prefix{.length = 2, .tokens = {7, 9}}, with_attention());
  CHECK(a.length() == 2);
  CHECK(names(a.layout()) == std::vector<std::string>{"first.prefix_keys", "first.prefix_values", "second.prefix_keys",
                                                      "second.prefix_values"});
  CHECK(a.layout().tensors()[2].rows == 2);
  CHECK(a.layout().tensors()[2].columns == 2);
  CHECK(parameters(a) == std::vector<float>{7, 9, -7, -9, 7, 7, 9, 9, -7, -7, -9, -9});
  const std::vector<float> buffer(3 * 12);
  const adapter_stack s = a.show({buffer.data(), 3, 12});
  const zoft::group_prefixes second = s.prefixes.at("second");
  CHECK((s.prefixes.size() == 2 && s.biases.empty() && s.gains.empty()));
  CHECK((second.length == 2 && second.width == 2));
  for (std::size_t g = 0; g < 3; ++g) {
    CHECK(second.keys_of(g) == buffer.data() + g * 12 + 4);
    CHECK(second.values_of(g) == buffer.data() + g * 12 + 8);
  }
}

TEST_CASE("prefix: without tokens they are drawn evenly from the vocabulary, by the seed", "[adapter]") {
  constexpr std::size_t length = 400, seeds = 50;
  double sum = 0, count = length * seeds;
  float least = 1000, greatest = 0;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const auto a = attached(zoft::prefix{.length = length}, with_attention(), seed);
    for (std::size_t i = 0; i < length; ++i) {
      const float token = a.parameters()[i];
      sum += double{token};
      least = std::min(least, token);
      greatest = std::max(greatest, token);
    }
  }
  // Of 20,000 tokens, 200 are expected among the first ten, and among the last: e⁻²⁰⁰ is the chance of none.
  CHECK((least >= 0 && least < 10 && greatest < 1000 && greatest >= 990));
  CHECK(std::abs(sum / count - 499.5) < 5 * 1000 / std::sqrt(12 * count));
  const auto tokens = [](std::uint64_t seed) { return parameters(attached(zoft::prefix{}, with_attention(), seed)); };
  CHECK(tokens(5) == tokens(5));
  CHECK(tokens(5) != tokens(6));
}

TEST_CASE("prefix, bias_only and norm_only: what cannot be attached is said", "[adapter]") {
  const auto refused = [](const auto& adapter, const auto& model) {
    return message([&] { attached(adapter, model); });
  };
  CHECK(refused(zoft::prefix{.length = 0}, with_attention()) == "zoft: prefix: length is 0, and must be at least 1");
  CHECK(refused(zoft::prefix{.length = 500}, with_attention()) ==
        "zoft: prefix: length is 500, and must be below the model's context, which is 500");
  CHECK(refused(zoft::prefix{.length = 1, .tokens = {1000}}, with_attention()) ==
        "zoft: prefix: token 1000 is not in the vocabulary of 1000");
  CHECK(refused(zoft::prefix{.length = 1, .tokens = {-7}}, with_attention()) ==
        "zoft: prefix: token -7 is not in the vocabulary of 1000");
  CHECK(refused(zoft::prefix{.length = 3, .tokens = {1, 2}}, with_attention()) ==
        "zoft: prefix: there are 2 tokens, and must be as many as length, which is 3, or none");
  CHECK(refused(zoft::bias_only{.targets = {"up_proj", "gate"}}, linears_only()) ==
        "zoft: bias_only: no linear is named 'gate', but for instance 'layers.0.mlp.up_proj'");
  CHECK(refused(zoft::norm_only{.targets = {"layers.1"}}, with_norms()) ==
        "zoft: norm_only: no norm is named 'layers.1', but for instance 'layers.0.norm'");
  with_norms bare;
  bare.all = {};
  CHECK(refused(zoft::norm_only{}, bare) == "zoft: norm_only: the model has no norms to attach to");
}

TEST_CASE("prefix, bias_only and norm_only: training in an engine", "[adapter]") {
  const auto check = [](const auto& adapter, const auto& model, auto&& loss) {
    auto tuner = zoft::prge({.queries = 4, .epsilon = 1e-3, .learning_rate = 0.05, .seed = 2}, adapter);
    tuner.attach(model);
    const double before = loss(adapter_stack(tuner.adapter()), 0);
    for (int step = 0; step < 200; ++step)
      tuner.step([&](const adapter_stack& stack, std::span<double> losses) {
        for (std::size_t g = 0; g < losses.size(); ++g) losses[g] = loss(stack, g);
      });
    CHECK(loss(adapter_stack(tuner.adapter()), 0) < 1e-3 * before);
  };
  const auto apart = [](const float* x, std::size_t n, double from) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += std::pow(double{x[i]} - from, 2);
    return sum;
  };
  check(zoft::bias_only{}, linears_only(), [&](const adapter_stack& s, std::size_t g) {
    return apart(s.biases.at("layers.0.mlp.up_proj").of(g), 5, 1) +
           apart(s.biases.at("layers.0.mlp.down_proj").of(g), 3, -1);
  });
  check(zoft::norm_only{}, with_norms(), [&](const adapter_stack& s, std::size_t g) {
    return apart(s.gains.at("layers.0.norm").of(g), 3, 1) + apart(s.gains.at("final").of(g), 3, -1);
  });
  check(zoft::prefix{.length = 2, .tokens = {3, 4}}, with_attention(), [&](const adapter_stack& s, std::size_t g) {
    return apart(s.prefixes.at("first").keys_of(g), 2, 1) + apart(s.prefixes.at("second").values_of(g), 4, 0);
  });
}

}  // namespace adapters_vectors_tests
