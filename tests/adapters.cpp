#include <zoft/prge.hpp>

#include "core_support.hpp"

using namespace core_test;

namespace {

/// Linears with out ≠ in both ways: k and v of grouped queries, and an MLP.
struct small_model {
  zoft::layout linears;
  small_model() {
    for (const char* layer : {"layers.0.", "layers.1."}) {
      const std::string name(layer);
      linears.add(name + "self_attn.q_proj", 12, 12);
      linears.add(name + "self_attn.k_proj", 4, 12);
      linears.add(name + "mlp.up_proj", 20, 12);
      linears.add(name + "mlp.down_proj", 12, 20);
    }
  }
  const zoft::layout& layout() const { return linears; }
};

std::vector<std::string> names(const zoft::low_rank_adapter& a) {
  std::vector<std::string> result;
  for (const auto& p : a.pairs()) result.push_back(p.linear);
  return result;
}

std::vector<float> copy(std::span<const float> x) { return {x.begin(), x.end()}; }

/// Σ over linears of |BA − target|², the target's entries 0.01·(row − column), for the group of each candidate.
double loss(const zoft::layout& linears, const zoft::low_rank_stack& adapters, std::size_t group) {
  double sum = 0;
  for (const zoft::tensor& t : linears) {
    const zoft::low_rank* l = adapters.find(t.name);
    REQUIRE(l != nullptr);
    REQUIRE(l->out == t.rows);
    REQUIRE(l->in == t.columns);
    for (std::size_t row = 0; row < l->out; ++row)
      for (std::size_t column = 0; column < l->in; ++column) {
        double value = 0;
        for (std::size_t k = 0; k < l->rank; ++k)
          value += static_cast<double>(l->b_of(group)[row * l->rank + k]) *
                   static_cast<double>(l->a_of(group)[k * l->in + column]);
        const double target = 0.01 * (static_cast<double>(row) - static_cast<double>(column));
        sum += std::pow(static_cast<double>(l->scale) * value - target, 2);
      }
  }
  return sum;
}

}  // namespace

static_assert(zoft::borrowing_adapter<zoft::full> && zoft::owning_adapter<zoft::lora> &&
              zoft::owning_adapter<zoft::lora_fa>);

TEST_CASE("lora_fa: what ask returned stays as it is for as long as it is held", "[adapter]") {
  const small_model model;
  auto tuner = zoft::prge({.queries = 1, .epsilon = 0.5, .seed = 3}, zoft::lora_fa{.rank = 2});
  tuner.attach(model);
  const auto of = [&](const zoft::low_rank_stack& s) { return loss(model.layout(), s, 0); };
  const double up = of(tuner.ask(0, 1)), down = of(tuner.ask(1, 1));
  CHECK(up != down);
  const auto one = tuner.ask(0, 1), two = tuner.ask(1, 1);
  const auto every = tuner.ask().every(2, 1);
  tuner.step([&](const auto& s, std::span<double> losses) {
    for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = loss(model.layout(), s, i);
  });
  CHECK(of(one) == up);
  CHECK(of(two) == down);
  CHECK(of(every) == down);
}

TEST_CASE("lora: A and B are trained, of each linear", "[adapter]") {
  const small_model model;
  const auto a = zoft::lora{.rank = 2, .alpha = 6}.attach(model.layout(), zoft::seed{42});
  CHECK(a.rank() == 2);
  CHECK(a.alpha() == 6);
  CHECK(a.parameters().size() == 2 * 2 * ((12 + 12) + (4 + 12) + (20 + 12) + (12 + 20)));
  CHECK(a.layout().size() == a.parameters().size());
  REQUIRE(a.layout().tensors().size() == 16);
  CHECK(a.layout().tensors()[2].name == "layers.0.self_attn.k_proj.lora_A");
  CHECK(a.layout().tensors()[2].rows == 2);
  CHECK(a.layout().tensors()[2].columns == 12);
  CHECK(a.layout().tensors()[3].name == "layers.0.self_attn.k_proj.lora_B");
  CHECK(a.layout().tensors()[3].rows == 4);
  CHECK(a.layout().tensors()[3].columns == 2);
}

TEST_CASE("lora_fa: only B is trained", "[adapter]") {
  const small_model model;
  const auto a = zoft::lora_fa{.rank = 3}.attach(model.layout(), zoft::seed{42});
  CHECK(a.parameters().size() == 2 * 3 * (12 + 4 + 20 + 12));
  REQUIRE(a.layout().tensors().size() == 8);
  for (const auto& t : a.layout()) CHECK(t.name.ends_with(".lora_B"));
  // The same A as lora's.
  const auto b = zoft::lora{.rank = 3}.attach(model.layout(), zoft::seed{42});
  for (std::size_t i = 0; i < 8; ++i) CHECK(copy(a.pairs()[i].a) == copy(b.pairs()[i].a));
}

TEMPLATE_TEST_CASE("lora and lora_fa: start as the model, with A from U(−1/√in, 1/√in)", "[adapter]", zoft::lora,
                   zoft::lora_fa) {
  zoft::layout linears;
  linears.add("wide", 64, 900);
  linears.add("tall", 900, 64);
  linears.add("tall again", 900, 64);
  const auto adapter = TestType{.rank = 64}.attach(linears, zoft::seed{42});
  const auto pairs = adapter.pairs();
  for (const auto& p : pairs) {
    CAPTURE(p.linear);
    REQUIRE(p.a.size() == 64 * p.in);
    REQUIRE(p.b.size() == 64 * p.out);
    for (const float b : p.b) REQUIRE(std::bit_cast<std::uint32_t>(b) == 0);
    const double bound = 1 / std::sqrt(static_cast<double>(p.in)), count = static_cast<double>(p.a.size());
    double sum = 0, squares = 0, greatest = 0;
    for (const float value : p.a) {
      const double v = static_cast<double>(value);
      sum += v;
      squares += v * v;
      greatest = std::max(greatest, std::abs(v));
    }
    // Variances of v and v²: bound²/3 and 4·bound⁴/45.
    CHECK(greatest <= bound * (1 + 1e-7));
    CHECK(greatest > 0.99 * bound);
    CHECK(std::abs(sum) < 5 * bound * std::sqrt(count / 3));
    CHECK(std::abs(squares - count * bound * bound / 3) < 5 * bound * bound * std::sqrt(count * 4 / 45));
  }
  // Equal shapes do not share their start, nor do runs; one seed gives one start.
  CHECK(copy(pairs[1].a) != copy(pairs[2].a));
  const auto other = TestType{.rank = 64}.attach(linears, zoft::seed{43});
  const auto again = TestType{.rank = 64}.attach(linears, zoft::seed{42});
  CHECK(copy(other.pairs()[0].a) != copy(pairs[0].a));
  CHECK(copy(again.pairs()[0].a) == copy(pairs[0].a));
}

TEST_CASE("lora: targets by name and by parts of it", "[adapter]") {
  const small_model model;
  const auto attached = [&](std::vector<std::string> targets) {
    return names(zoft::lora_fa{.rank = 2, .targets = std::move(targets)}.attach(model.layout(), zoft::seed{}));
  };
  CHECK(attached({}).size() == 8);
  CHECK(attached({"k_proj"}) == std::vector<std::string>{"layers.0.self_attn.k_proj", "layers.1.self_attn.k_proj"});
  CHECK(attached({"layers.1.mlp.up_proj"}) == std::vector<std::string>{"layers.1.mlp.up_proj"});
  CHECK(attached({"self_attn.q_proj", "k_proj", "q_proj"}).size() == 4);
  const std::vector<std::string> upper{"layers.1.self_attn.q_proj", "layers.1.self_attn.k_proj", "layers.1.mlp.up_proj",
                                       "layers.1.mlp.down_proj"};
  CHECK(attached({"layers.1"}) == upper);
  CHECK(attached({"1"}) == upper);
  CHECK(attached({"layers.1.self_attn", "1.mlp.down_proj"}) == std::vector{upper[0], upper[1], upper[3]});
  CHECK(attached({"mlp"}).size() == 4);
  const auto refused = [&](std::vector<std::string> targets) { return message([&] { attached(std::move(targets)); }); };
  CHECK(refused({"v_proj"}) ==
        "zoft: lora_fa: no linear is named 'v_proj', but for instance 'layers.0.self_attn.q_proj'");
  // Parts are whole ones, one behind another.
  for (const std::string none : {"proj", "", ".", "layers.1.", ".mlp", "layer", "ayers.1", "layers.1.m", "layers.mlp",
                                 "layers.1.self_attn.q_proj.weight"})
    CHECK(refused({"q_proj", none}).find("no linear is named '" + none + "'") != std::string::npos);
}

TEMPLATE_TEST_CASE("lora and lora_fa: begin with given values, on their linears alone", "[adapter]", zoft::lora,
                   zoft::lora_fa) {
  const small_model model;
  const zoft::low_rank_values down{"layers.1.mlp.down_proj", std::vector<float>(40, 0.5f),
                                   std::vector<float>(24, 2.0f)},
      key{"layers.0.self_attn.k_proj", std::vector<float>(24, -1.0f), std::vector<float>(8, 3.0f)};
  const auto a = TestType{.rank = 2, .start = {down, key}}.attach(model.layout(), zoft::seed{1});
  CHECK(names(a) == std::vector<std::string>{down.linear, key.linear});
  CHECK((copy(a.pairs()[0].a) == down.a && copy(a.pairs()[0].b) == down.b));
  CHECK((copy(a.pairs()[1].a) == key.a && copy(a.pairs()[1].b) == key.b));
  const auto refused = [&](const TestType& adapter) {
    return message([&] { adapter.attach(model.layout(), zoft::seed{1}); });
  };
  CHECK(refused({.rank = 3, .start = {key}}).find("begins with 24 and 8 numbers, and must with 36 and 12 at rank 3") !=
        std::string::npos);
  CHECK(refused({.rank = 2, .start = {{"none", key.a, key.b}}}).find("no linear of that name") != std::string::npos);
  CHECK(refused({.rank = 2, .targets = {"k_proj"}, .start = {key}}).find("targets and values") != std::string::npos);
}

TEMPLATE_TEST_CASE("lora and lora_fa: what cannot be attached is said", "[adapter]", zoft::lora, zoft::lora_fa) {
  const small_model model;
  const std::string who = std::is_same_v<TestType, zoft::lora> ? "zoft: lora: " : "zoft: lora_fa: ";
  const auto refused = [](const TestType& options, const zoft::layout& linears) {
    return message([&] { options.attach(linears, zoft::seed{}); });
  };
  CHECK(refused({.rank = 0}, model.layout()) == who + "rank is 0, and must be at least 1");
  CHECK(refused({.rank = 5}, model.layout()) ==
        who + "rank is 5, and must be at most 4 for 'layers.0.self_attn.k_proj', which is 4 by 12");
  CHECK(refused({.rank = 13, .targets = {"down_proj"}}, model.layout()) ==
        who + "rank is 13, and must be at most 12 for 'layers.0.mlp.down_proj', which is 12 by 20");
  CHECK_NOTHROW(TestType{.rank = 12, .targets = {"down_proj"}}.attach(model.layout(), zoft::seed{}));
  CHECK(refused({.rank = 2, .alpha = 0}, model.layout()) == who + "alpha is 0, and must be above 0");
  CHECK(refused({.rank = 2, .alpha = -1}, model.layout()) == who + "alpha is -1, and must be above 0");
  CHECK(refused({.rank = 2}, {}) == who + "the model has no linears to attach to");

  auto tuner = zoft::prge({}, TestType{.rank = 2});
  const std::string unattached = "zoft: engine: the adapter is not attached to a model yet: call attach first";
  CHECK(message([&] { tuner.adapter(); }) == unattached);
  CHECK(message([&] { tuner.step([](const auto&, std::span<double>) {}); }) == unattached);
}

TEMPLATE_TEST_CASE("lora and lora_fa: show points into the candidates, with a stride a group", "[adapter]", zoft::lora,
                   zoft::lora_fa) {
  const small_model model;
  const auto adapter = TestType{.rank = 2, .alpha = 3}.attach(model.layout(), zoft::seed{42});
  const std::size_t n = adapter.parameters().size(), groups = 5;
  const std::vector<float> buffer(groups * n);
  const auto shown = adapter.show(zoft::candidates<float>(buffer.data(), groups, n));
  CHECK(shown.size() == groups);
  CHECK(shown.linears() == 8);
  CHECK(shown.find("layers.0.self_attn.v_proj") == nullptr);
  for (const auto& t : adapter.layout()) {
    const bool is_a = t.name.ends_with(".lora_A");
    const zoft::low_rank* l = shown.find(t.name.substr(0, t.name.size() - 7));
    REQUIRE(l != nullptr);
    CHECK(l->rank == 2);
    CHECK(l->scale == 1.5f);
    CHECK(l->out * 2 == (is_a ? l->out * 2 : t.size()));
    for (std::size_t g = 0; g < groups; ++g)
      CHECK((is_a ? l->a_of(g) : l->b_of(g)) == buffer.data() + g * n + t.offset);
  }
  // A that is frozen is the adapter's own, one for all groups.
  if constexpr (std::is_same_v<TestType, zoft::lora_fa>)
    for (const auto& p : adapter.pairs())
      for (std::size_t g = 0; g < groups; ++g) CHECK(shown.find(p.linear)->a_of(g) == p.a.data());

  const zoft::low_rank_stack itself = adapter;
  CHECK(itself.size() == 1);
  for (const auto& p : adapter.pairs()) {
    CHECK(itself.find(p.linear)->a == p.a.data());
    CHECK(itself.find(p.linear)->b == p.b.data());
  }
}

TEMPLATE_TEST_CASE("lora and lora_fa: training in an engine", "[adapter]", zoft::lora, zoft::lora_fa) {
  constexpr bool frozen = std::is_same_v<TestType, zoft::lora_fa>;
  const small_model model;
  const zoft::prge_options o{.queries = 4, .epsilon = 1e-3, .learning_rate = 4e-3, .seed = 42};
  zoft::prge_options outer = o;
  outer.loops = zoft::parallel::outer;
  auto stacked = zoft::prge(o, TestType{.rank = 4, .alpha = 8});
  auto halves = zoft::prge(outer, TestType{.rank = 4, .alpha = 8});
  auto single = zoft::prge(o, TestType{.rank = 4, .alpha = 8});
  auto by_hand = zoft::prge(o, TestType{.rank = 4, .alpha = 8});
  for (auto* tuner : {&stacked, &halves, &single, &by_hand}) tuner->attach(model);
  const auto before = stacked.adapter();
  const auto all = [&](const auto& adapters, std::span<double> losses) {
    REQUIRE(adapters.size() == losses.size());
    for (std::size_t g = 0; g < losses.size(); ++g) losses[g] = loss(model.layout(), adapters, g);
  };

  for (int step = 0; step < 300; ++step) {
    const auto report = stacked.step(all);
    REQUIRE(report.status == zoft::status::ok);
    REQUIRE(report.evaluations == 8);
    if (step >= 20) continue;
    halves.step(all);
    single.step([&](const auto& adapters) { return loss(model.layout(), adapters, 0); });
    std::vector<double> losses(8);
    for (std::size_t first = 0; first < 8; first += 3)
      all(by_hand.ask(first, 3), std::span(losses).subspan(first, std::min<std::size_t>(3, 8 - first)));
    by_hand.tell(losses);
    REQUIRE(copy(halves.adapter().parameters()) == copy(stacked.adapter().parameters()));
    REQUIRE(copy(single.adapter().parameters()) == copy(stacked.adapter().parameters()));
    REQUIRE(copy(by_hand.adapter().parameters()) == copy(stacked.adapter().parameters()));
  }
  // With A frozen at random, a rank of 4 of 12 can take away a third.
  const double reach = frozen ? 0.75 : 0.5;
  CHECK(loss(model.layout(), stacked.adapter().stack(), 0) < reach * loss(model.layout(), before.stack(), 0));
  for (std::size_t i = 0; i < before.pairs().size(); ++i) {
    const auto now = stacked.adapter().pairs()[i], then = before.pairs()[i];
    CHECK((copy(now.a) == copy(then.a)) == frozen);
    CHECK(copy(now.b) != copy(then.b));
  }
}
