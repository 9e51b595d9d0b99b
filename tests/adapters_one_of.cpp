// one_of is the adapter that it holds, bit for bit.
#include <zoft/adapter/bias_only.hpp>
#include <zoft/adapter/blocks.hpp>
#include <zoft/adapter/lora.hpp>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/adapter/norm_only.hpp>
#include <zoft/adapter/one_of.hpp>
#include <zoft/adapter/prefix.hpp>
#include <zoft/method/observed.hpp>
#include <zoft/optimizer/adam.hpp>
#include <zoft/prge.hpp>

#include "core_support.hpp"

namespace adapters_one_of_tests {

using namespace core_test;
using zoft::adapter_stack;

namespace {

/// A model that has what each adapter asks for.
struct everything {
  zoft::layout linears, gains;
  everything() {
    linears.add("layers.0.up", 5, 3);
    linears.add("layers.1.up", 4, 3);
    gains.add("layers.0.norm", 3);
  }
  struct extents {
    std::size_t vocabulary = 10, context = 9;
  };
  const zoft::layout& layout() const { return linears; }
  const zoft::layout& norms() const { return gains; }
  extents shape() const { return {}; }
  std::vector<zoft::attention_state> attention_states(std::span<const std::int32_t> tokens) const {
    std::vector<float> keys;
    for (const std::int32_t token : tokens) keys.push_back(static_cast<float>(token));
    return {{"attention", keys, keys}};
  }
};

/// Refuses to train, once it is asked.
struct unwilling : zoft::bias_only {
  bool refuses = false;
  void check() const { zoft::require(!refuses, "unwilling: it refuses"); }
};

using layers_of_lora = zoft::blocks_of<zoft::lora>;
using any =
    zoft::one_of<zoft::lora_fa, zoft::lora, zoft::prefix, zoft::bias_only, zoft::norm_only, layers_of_lora, unwilling>;
static_assert(zoft::owning_adapter<any> && !zoft::borrowing_adapter<any>);

/// A function of every number that is added, in which each has a weight of its own.
double loss(const adapter_stack& s, std::size_t g) {
  double sum = 0, weight = 1;
  const auto add = [&](const float* x, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) sum += (weight += 0.25) * std::pow(double{x[i]} - 0.1, 2);
  };
  for (const char* name : {"layers.0.up", "layers.1.up"})
    if (const zoft::low_rank* const l = s.linears.find(name)) {
      add(l->a_of(g), l->rank * l->in);
      add(l->b_of(g), l->out * l->rank);
    }
  for (const auto* const vectors : {&s.biases, &s.gains})
    for (const auto& [name, v] : *vectors) add(v.of(g), v.size);
  for (const auto& [name, p] : s.prefixes)
    add(p.keys_of(g), p.length * p.width), add(p.values_of(g), p.length * p.width);
  return sum;
}

/// The parameters after some steps of an engine with the adapter.
template <class Adapter>
std::vector<float> trained(const Adapter& adapter, bool from_outside = false) {
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.epsilon = 0.1, .queries = 2}, adapter,
                     zoft::adam{.learning_rate = 0.01}, zoft::seed{3}};
  tuner.attach(everything());
  const auto all = [](const adapter_stack& shown, std::span<double> losses) {
    for (std::size_t g = 0; g < losses.size(); ++g) losses[g] = loss(shown, g);
  };
  for (int step = 0; step < 5; ++step) {
    if (from_outside) {
      std::vector<double> losses(tuner.evaluations());
      all(tuner.ask(), losses);
      tuner.tell(losses);
    } else {
      tuner.step(all);
    }
  }
  CHECK(loss(tuner.adapter().stack(), 0) ==
        loss(tuner.adapter().show({tuner.adapter().parameters().data(), 1, tuner.adapter().parameters().size()}), 0));
  CHECK(tuner.adapter().layout().size() == tuner.adapter().parameters().size());
  return {tuner.adapter().parameters().begin(), tuner.adapter().parameters().end()};
}

}  // namespace

TEMPLATE_TEST_CASE("one_of: steps are those of the adapter itself, bit for bit", "[adapter]", zoft::lora_fa, zoft::lora,
                   zoft::prefix, zoft::bias_only, zoft::norm_only, layers_of_lora) {
  const TestType adapter = [] {
    if constexpr (requires(TestType a) { a.rank; })
      return TestType{.rank = 2};
    else if constexpr (std::same_as<TestType, layers_of_lora>)
      return TestType{.adapter = {.rank = 2}};
    else
      return TestType{};
  }();
  const std::vector<float> itself = trained(adapter);
  CHECK(bits(trained(any(adapter))) == bits(itself));
  CHECK(bits(trained(any(adapter), true)) == bits(itself));
}

TEST_CASE("one_of: the chosen one can be had", "[adapter]") {
  auto tuner = zoft::prge({.queries = 1, .seed = 4}, any(zoft::lora{.rank = 2, .alpha = 3}));
  tuner.attach(everything());
  const any::attached kept = tuner.adapter();
  REQUIRE(kept.as<zoft::low_rank_adapter>() != nullptr);
  CHECK(kept.as<zoft::low_rank_adapter>()->alpha() == 3);
  CHECK(kept.as<zoft::low_rank_adapter>()->pairs().size() == 2);
  CHECK(kept.as<zoft::prefix_adapter>() == nullptr);
  CHECK(kept.parameters().data() != tuner.adapter().parameters().data());
}

TEST_CASE("one_of: what the chosen one refuses is refused", "[adapter]") {
  unwilling refusing;
  refusing.refuses = true;
  CHECK(message([&] { zoft::prge({}, any(refusing)); }) == "zoft: unwilling: it refuses");
  auto tuner = zoft::prge({}, any(zoft::prefix{.length = 0}));
  CHECK(message([&] { tuner.attach(everything()); }) == "zoft: prefix: length is 0, and must be at least 1");
}

TEST_CASE("one_of: directions that are observed are those of the adapter itself", "[adapter][observed]") {
  const auto after = [](const auto& adapter) {
    auto tuner = zoft::observed({.examples = 2, .rank = 2, .learning_rate = 0.1, .seed = 5}, adapter);
    tuner.attach(everything());
    for (int step = 0; step < 3; ++step)
      tuner.step([&](const adapter_stack& shown, zoft::example_losses losses, zoft::observations& seen) {
        if (seen.asked()) {
          zoft::observations::entry& e = seen.add("layers.1.up", 3, 4, true);
          for (std::size_t slot = 0; slot < seen.slots(); ++slot) {
            for (std::size_t i = 0; i < 3; ++i) e.input(slot)[i] = 1 + static_cast<float>((slot + i) % 3);
            for (std::size_t i = 0; i < 4; ++i) e.gradient(slot)[i] = 2 - static_cast<float>((slot * i) % 5);
            e.note_outputs(slot, std::vector<float>{1, 2, 3, 4});
          }
        }
        for (std::size_t i = 0; i < shown.size(); ++i) losses[i] = loss(shown, i) * static_cast<double>(1 + i % 2);
      });
    return std::vector<float>(tuner.adapter().parameters().begin(), tuner.adapter().parameters().end());
  };
  using either = zoft::one_of<zoft::lora_fa, zoft::bias_only>;
  const std::vector<float> itself = after(zoft::lora_fa{.rank = 2});
  CHECK(itself != std::vector<float>(itself.size(), 0.0f));
  CHECK(bits(after(either(zoft::lora_fa{.rank = 2}))) == bits(itself));
}

}  // namespace adapters_one_of_tests
