// Adapters that move only some tensors. The others are neither written nor perturbed, and no noise is made for them.
#include <numeric>
#include <set>
#include <zoft/adapter/lora.hpp>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/adapter/subset.hpp>
#include <zoft/method/mezo_bcd.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/adam.hpp>
#include <zoft/optimizer/momentum.hpp>

#include "optimizer_support.hpp"

namespace subset_adapters_tests {

using namespace optimizer_test;
using zoft::block_order;
using zoft::blocks;
using zoft::subset;

static_assert(zoft::borrowing_adapter<subset> && zoft::borrowing_adapter<blocks>);
static_assert(zoft::owning_adapter<zoft::blocks_of<zoft::lora>> &&
              zoft::owning_adapter<zoft::blocks_of<zoft::lora_fa>>);

namespace {

/// The gaussian, which notes the elements that are asked of it.
struct noting {
  std::set<std::uint64_t>* asked;
  template <class T>
  void axpy(std::span<T> x, T a, zoft::direction d, std::uint64_t first = 0) const {
    for (std::size_t i = 0; i < x.size(); ++i) asked->insert(first + i);
    zoft::gaussian{}.axpy(x, a, d, first);
  }
};

/// 1 for each element of a tensor that moves.
std::vector<bool> mask(const zoft::layout& tensors, const std::vector<bool>& moves) {
  std::vector<bool> result;
  for (std::size_t k = 0; k < moves.size(); ++k) result.insert(result.end(), tensors.tensors()[k].size(), moves[k]);
  return result;
}

template <class T>
double loss(std::span<const T> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    sum +=
        std::pow(static_cast<double>(static_cast<zoft::arithmetic_t<T>>(x[i])) - 0.1 * static_cast<double>(i % 7), 2);
  return sum;
}

bool in_first_layer(const zoft::tensor& t) { return t.name.starts_with("layers.0."); }

}  // namespace

TEMPLATE_TEST_CASE("subset and blocks: what rests keeps every bit, is seen as it is, and costs no noise", "[adapter]",
                   float, double, zoft::bfloat16, zoft::half) {
  using T = TestType;
  const auto tensors = shape();
  auto origin = start<T>(tensors.size());
  for (std::size_t i = 0; i < origin.size(); i += 5) origin[i] = T(-0.0f);
  const auto check = [&](const auto& adapter, bool stacked) {
    std::set<std::uint64_t> asked;
    zoft::engine tuner{noting{&asked}, zoft::two_point{.epsilon = 1e-2, .queries = 2}, adapter,
                       zoft::momentum{.learning_rate = 1e-3, .decay = 0.1}, zoft::seed{run}};
    auto x = origin;
    for (std::uint32_t step = 0; step < 7; ++step) {
      const auto before = x;
      const auto moves = mask(tensors, zoft::trained(adapter, tensors, tuner.direction(step, 0)));
      const auto rests = [&](std::span<const T> w) {
        for (std::size_t i = 0; i < w.size(); ++i)
          if (!moves[i] && std::bit_cast<pattern<T>>(w[i]) != std::bit_cast<pattern<T>>(before[i])) return false;
        return true;
      };
      asked.clear();
      if (stacked)
        tuner.step(std::span(x), [&](zoft::candidates<T> c, std::span<double> losses) {
          for (std::size_t i = 0; i < c.size(); ++i) {
            REQUIRE(rests(c[i]));
            losses[i] = loss(c[i]);
          }
        });
      else
        tuner.step(std::span(x), [&](std::span<const T> w) {
          REQUIRE(rests(w));
          REQUIRE(!std::equal(w.begin(), w.end(), before.begin()));
          return loss(w);
        });
      REQUIRE(rests(x));
      CHECK(bits(x) != bits(before));
      for (std::size_t i = 0; i < moves.size(); ++i)
        if (asked.count(i) != moves[i]) FAIL("element " << i << " was asked " << asked.count(i) << " times");
    }
  };
  for (const bool stacked : {false, true}) {
    check(subset{.layout = tensors, .trains = zoft::vectors}, stacked);
    check(subset{.layout = tensors, .trains = in_first_layer}, stacked);
    check(blocks{.layout = tensors}, stacked);
    check(blocks{.layout = tensors, .active = 2, .order = block_order::random, .block = zoft::itself}, stacked);
  }
}

TEST_CASE("subset: trained tensors go as with full, where the others have no say", "[adapter]") {
  const auto tensors = shape();
  const std::size_t n = tensors.size();
  const auto adapter = subset{.layout = tensors, .trains = zoft::vectors};
  const auto moves = mask(tensors, zoft::trained(adapter, tensors, {}));
  // The losses are of the trained tensors alone, so that the slopes are the same; and so is the noise.
  const auto f = [&](std::span<const double> w) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += moves[i] ? (w[i] - 1) * (w[i] - 1) : 0;
    return sum;
  };
  auto x = start<double>(n), y = x;
  const zoft::two_point e{.epsilon = 1e-3, .queries = 2};
  const zoft::adam o{.learning_rate = 1e-2};
  zoft::engine some{zoft::gaussian{}, e, adapter, o, zoft::seed{1}};
  zoft::engine all{zoft::gaussian{}, e, zoft::full{.layout = tensors}, o, zoft::seed{1}};
  for (int step = 0; step < 10; ++step) {
    some.step(std::span(x), f);
    all.step(std::span(y), f);
  }
  const auto origin = start<double>(n);
  for (std::size_t i = 0; i < n; ++i) REQUIRE(x[i] == (moves[i] ? y[i] : origin[i]));
}

TEST_CASE("subset: predicates of tensors", "[adapter]") {
  const auto trained = [](bool (*trains)(const zoft::tensor&)) {
    zoft::layout tensors;
    tensors.add("q_proj.weight", 4, 4);
    tensors.add("q_proj.bias", 4);
    tensors.add("bias", 4);
    tensors.add("unbiased.weight", 4, 4);
    tensors.add("bias_net.gain", 4);
    tensors.add("pos.bias", 2, 2);
    const auto moves = zoft::trained(subset{.layout = tensors, .trains = trains}, tensors, {});
    std::string names;
    for (std::size_t i = 0; i < moves.size(); ++i) names += moves[i] ? tensors.tensors()[i].name + " " : "";
    return names;
  };
  CHECK(trained(zoft::biases) == "q_proj.bias bias pos.bias ");
  CHECK(trained(zoft::vectors) == "q_proj.bias bias bias_net.gain ");
  CHECK(trained(zoft::matrices) == "q_proj.weight unbiased.weight pos.bias ");
  CHECK(trained(zoft::all) == "q_proj.weight q_proj.bias bias unbiased.weight bias_net.gain pos.bias ");
}

TEST_CASE("blocks: layers, and what is in none", "[adapter]") {
  const auto of = [](const char* name) { return zoft::layer({name, 1, 1, 0}); };
  CHECK(of("model.layers.3.mlp.up_proj") == "model.layers.3");
  CHECK(of("model.layers.13.mlp.experts.2.up_proj") == "model.layers.13");
  CHECK(of("layers.3") == "layers.3");
  CHECK(of("h.0.bias") == "h.0");
  CHECK(of("lm_head.weight") == "lm_head.weight");
  CHECK(of("layer3.weight") == "layer3.weight");
  CHECK(of("a..b") == "a..b");
  CHECK(of("a.") == "a.");
  CHECK(of("7") == "7");
}

TEST_CASE("blocks: in rotation each has its turn, for as long as the interval", "[adapter]") {
  const auto tensors = shape();  // embed_tokens | layers.0: 2 | layers.1: 2 | norm
  const auto at = [&](const blocks& b, std::uint32_t step) {
    std::string result;
    for (const bool moves : b.trains(tensors, {9, step, 0})) result += moves ? '1' : '0';
    return result;
  };
  const blocks one{.layout = tensors, .interval = 3};
  for (std::uint32_t step = 0; step < 3; ++step) {
    CHECK(at(one, step) == "100000");
    CHECK(at(one, 3 + step) == "011000");
    CHECK(at(one, 6 + step) == "000110");
    CHECK(at(one, 9 + step) == "000001");
    CHECK(at(one, 12 + step) == "100000");
  }
  const blocks three{.layout = tensors, .active = 3};
  CHECK(at(three, 0) == "111110");
  CHECK(at(three, 1) == "111001");
  CHECK(at(three, 2) == "100111");
  CHECK(at(three, 0xffffffffu) == at(three, 3));  // 2³² − 1 is 3 mod 4
  const blocks tensorwise{.layout = tensors, .block = zoft::itself};
  CHECK(at(tensorwise, 4) == "000010");
}

TEST_CASE("blocks: random ones are a function of seed and step, each as often as the others", "[adapter]") {
  zoft::layout tensors;
  const std::size_t count = 7, active = 3;
  for (std::size_t i = 0; i < count; ++i) tensors.add("layers." + std::to_string(i) + ".weight", 2, 2);
  const blocks b{.layout = tensors, .active = active, .interval = 5, .order = block_order::random};
  const int turns = 3000;
  std::vector<double> seen(count, 0.0), pairs(count * count, 0.0);
  for (std::uint32_t turn = 0; turn < turns; ++turn) {
    const auto moves = b.trains(tensors, {11, 5 * turn, 0});
    REQUIRE(static_cast<std::size_t>(std::count(moves.begin(), moves.end(), true)) == active);
    REQUIRE(b.trains(tensors, {11, 5 * turn + 4, 3}) == moves);
    for (std::size_t i = 0; i < count; ++i) {
      seen[i] += moves[i];
      for (std::size_t j = 0; j < i; ++j) pairs[i * count + j] += moves[i] && moves[j];
    }
  }
  const double p = 3.0 / 7, both = p * 2 / 6;
  for (std::size_t i = 0; i < count; ++i) {
    CHECK(std::abs(seen[i] - turns * p) < 5 * std::sqrt(turns * p * (1 - p)));
    for (std::size_t j = 0; j < i; ++j)
      CHECK(std::abs(pairs[i * count + j] - turns * both) < 5 * std::sqrt(turns * both * (1 - both)));
  }
  std::size_t other = 0;
  for (std::uint32_t turn = 0; turn < 20; ++turn)
    other += b.trains(tensors, {12, 5 * turn, 0}) != b.trains(tensors, {11, 5 * turn, 0});
  CHECK(other > 10);
}

TEST_CASE("blocks: momentum and Adam rest with their tensors", "[adapter]") {
  const auto tensors = shape();
  const std::size_t n = tensors.size();
  const blocks adapter{.layout = tensors, .active = 2, .interval = 3};
  std::vector<double> m(n, 0.0), v(n, 0.0);
  std::vector<int> t(n, 0);
  check_same(zoft::momentum{.learning_rate = 1e-2, .beta = 0.9, .decay = 0.3}, adapter,
             [&](std::vector<double>& x, const std::vector<double>& g, std::uint32_t step) {
               const auto moves = mask(tensors, adapter.trains(tensors, {run, step, 0}));
               for (std::size_t i = 0; i < n; ++i) {
                 if (!moves[i]) continue;
                 m[i] = 0.9 * m[i] + g[i];
                 x[i] -= 1e-2 * (m[i] + 0.3 * x[i]);
               }
             });
  m.assign(n, 0.0);
  check_same(zoft::adam{.learning_rate = 1e-2, .beta1 = 0.9, .beta2 = 0.99, .stability = 1e-3}, adapter,
             [&](std::vector<double>& x, const std::vector<double>& g, std::uint32_t step) {
               const auto moves = mask(tensors, adapter.trains(tensors, {run, step, 0}));
               for (std::size_t i = 0; i < n; ++i) {
                 if (!moves[i]) continue;
                 ++t[i];
                 m[i] = 0.9 * m[i] + 0.1 * g[i];
                 v[i] = 0.99 * v[i] + 0.01 * g[i] * g[i];
                 x[i] -=
                     1e-2 * m[i] / (1 - std::pow(0.9, t[i])) / (std::sqrt(v[i] / (1 - std::pow(0.99, t[i]))) + 1e-3);
               }
             });
}

TEST_CASE("mezo_bcd: with all blocks active it is MeZO, and with one it descends", "[adapter]") {
  const auto tensors = shape();
  auto x = start<float>(tensors.size()), y = x;
  auto all = zoft::mezo_bcd({.active = 4, .learning_rate = 1e-4, .queries = 2, .seed = 8}, tensors);
  auto mezo = zoft::mezo({.learning_rate = 1e-4, .queries = 2, .seed = 8});
  for (int step = 0; step < 5; ++step) {
    all.step(std::span(x), loss<float>);
    mezo.step(std::span(y), loss<float>);
  }
  CHECK(bits(x) == bits(y));

  zoft::layout layers;
  for (const char* name : {"layers.0.q", "layers.0.k", "layers.1.q", "head"}) layers.add(name, 3, 3);
  for (const auto order : {block_order::rotating, block_order::random}) {
    auto one = zoft::mezo_bcd({.interval = 2, .order = order, .learning_rate = 1e-2, .seed = 8}, layers);
    auto z = start<double>(layers.size());
    const double before = loss<double>(z);
    for (int step = 0; step < 1000; ++step) one.step(std::span(z), loss<double>);
    CHECK(loss<double>(z) < 1e-3 * before);
  }
}

TEMPLATE_TEST_CASE("blocks_of: layers of lora and lora_fa in turn", "[adapter]", zoft::lora, zoft::lora_fa) {
  struct {
    zoft::layout linears;
    const zoft::layout& layout() const { return linears; }
  } model;
  for (const char* name : {"layers.0.q_proj", "layers.0.k_proj", "layers.1.q_proj"}) model.linears.add(name, 12, 12);
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.epsilon = 1e-2, .queries = 2},
                     zoft::blocks_of<TestType>{.adapter = {.rank = 2}}, zoft::momentum{.learning_rate = 1e-2},
                     zoft::seed{run}};
  tuner.attach(model);
  const auto copy = [&] {
    const auto p = tuner.adapter().parameters();
    return std::vector<float>(p.begin(), p.end());
  };
  for (std::uint32_t step = 0; step < 6; ++step) {
    const auto before = copy();
    tuner.step([&](const zoft::low_rank_stack& shown, std::span<double> losses) {
      for (std::size_t g = 0; g < losses.size(); ++g) {
        const zoft::low_rank* l = shown.find(step % 2 == 0 ? "layers.0.k_proj" : "layers.1.q_proj");
        losses[g] = static_cast<double>(l->b_of(g)[0] + l->b_of(g)[5]);
      }
    });
    const auto now = copy();
    for (const auto& t : tuner.adapter().layout()) {
      CAPTURE(step, t.name);
      const auto at = static_cast<std::ptrdiff_t>(t.offset), size = static_cast<std::ptrdiff_t>(t.size());
      const bool same = std::equal(now.begin() + at, now.begin() + at + size, before.begin() + at);
      CHECK(same == (t.name.starts_with("layers.0.") != (step % 2 == 0)));
    }
  }
  zoft::engine many{zoft::gaussian{}, zoft::two_point{}, zoft::blocks_of<TestType>{.adapter = {.rank = 2}, .active = 3},
                    zoft::momentum{}};
  CHECK(message([&] { many.attach(model); }) ==
        "zoft: blocks: active is 3, and must be at least 1 and at most 2, the layout's blocks");
}

TEST_CASE("subset and blocks: what does not fit is said when the engine is made", "[adapter]") {
  const auto refused = [](const auto& adapter) {
    return message([&] { zoft::engine{zoft::gaussian{}, zoft::two_point{}, adapter, zoft::momentum{}}; });
  };
  zoft::layout tensors;
  tensors.add("weight", 2, 2);
  CHECK(refused(subset{.layout = tensors, .trains = zoft::vectors}) ==
        "zoft: subset: trains is true of none of the layout's 1 tensors, and must be of at least one");
  CHECK(refused(subset{}).find("subset: trains is true of none of the layout's 0 tensors") == 6);
  CHECK(refused(blocks{.layout = tensors, .active = 2}) ==
        "zoft: blocks: active is 2, and must be at least 1 and at most 1, the layout's blocks");
  CHECK(refused(blocks{.layout = tensors, .active = 0}).find("blocks: active is 0") == 6);
  CHECK(refused(blocks{}).find("blocks: active is 1, and must be at least 1 and at most 0") == 6);
  CHECK(refused(blocks{.layout = tensors, .interval = 0}) == "zoft: blocks: interval is 0, and must be at least 1");
}

}  // namespace subset_adapters_tests
