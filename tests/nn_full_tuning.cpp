// Tunes all weights of the transformer, without writing to them while losses are evaluated.
#include <functional>
#include <zoft/adapter/subset.hpp>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/estimator/per_example.hpp>
#include <zoft/lozo.hpp>
#include <zoft/method/eggroll.hpp>
#include <zoft/method/mezo_bcd.hpp>
#include <zoft/method/subzero.hpp>
#include <zoft/method/tezo.hpp>
#include <zoft/mezo.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/sampler/sphere.hpp>

#include "core_support.hpp"
#include "nn_support.hpp"

namespace nn_full_tuning_tests {

using namespace nn_test;
using namespace zoft::nn;
using core_test::message;

namespace {

batch some_text(std::size_t vocabulary) {
  draws d(81);
  batch result;
  for (const std::size_t length : sizes{9, 2, 14, 1, 6}) result.add(d.tokens(length, vocabulary));
  return result;
}

auto stacked(const transformer& model, const batch& b) {
  return [&](const auto& candidates, std::span<double> losses) { model.losses(b, candidates, losses); };
}
auto alone(const transformer& model, const batch& b) {
  return [&](const auto& candidate) { return model.loss(b, candidate); };
}

constexpr double epsilon = 1e-2, rate = 1e-2;

/// Calls f(name, make), where make(layout) is a tuner, for each method whose directions are of low rank.
template <class F>
void for_each_method(F f) {
  f("lozo", [](const zoft::layout& l) {
    return zoft::lozo(
        {.rank = 2, .interval = 2, .epsilon = epsilon, .learning_rate = rate, .queries = 3, .decay = 0.1, .seed = 7},
        l);
  });
  f("lozo, orthonormal", [](const zoft::layout& l) {
    return zoft::engine{zoft::low_rank_orthonormal{.layout = l, .rank = 3, .interval = 2},
                        zoft::two_point{.epsilon = epsilon, .queries = 2}, zoft::full{.layout = l},
                        zoft::sgd{.learning_rate = rate}, zoft::seed{8}};
  });
  f("subzero", [](const zoft::layout& l) {
    return zoft::subzero(
        {.rank = 4, .interval = 2, .epsilon = epsilon / 4, .learning_rate = rate / 10, .queries = 2, .seed = 9}, l);
  });
  f("tezo", [](const zoft::layout& l) {
    return zoft::tezo({.rank = 3, .epsilon = epsilon / 2, .learning_rate = rate / 10, .queries = 2, .seed = 10}, l);
  });
  f("tezo_adam", [](const zoft::layout& l) {
    return zoft::tezo_adam({.rank = 3, .epsilon = epsilon / 2, .learning_rate = rate / 10, .seed = 11}, l);
  });
  f("eggroll", [](const zoft::layout& l) {
    return zoft::eggroll({.rank = 2, .population = 6, .epsilon = epsilon, .learning_rate = rate / 10, .seed = 12}, l);
  });
}

using model_maker = std::function<transformer(const load_options&)>;

std::vector<std::pair<std::string, model_maker>> makers() {
  std::vector<std::pair<std::string, model_maker>> result;
  for (const std::string name : {"llama_tied_f32", "llama_untied_f32", "qwen2_f32"})
    result.emplace_back(name, [name](const load_options& o) { return fixture_model(name, o); });
  result.emplace_back("odd", [](const load_options& o) {
    return random_model(odd_shape(), {true, true, true}, 82, o);
  });
  return result;
}

constexpr int steps = 5;

/// The buffer that step d has updated -> what the model's tensors of bfloat16 make of it.
void round(std::vector<float>& buffer, const transformer& model, zoft::direction d) {
  const zoft::layout shape = model.weights_layout();
  const std::vector<dtype> types = model.weight_types();
  for (std::size_t i = 0; i < types.size(); ++i)
    if (types[i] == dtype::bf16)
      for (std::size_t e = shape.tensors()[i].offset; e < shape.tensors()[i].offset + shape.tensors()[i].size(); ++e)
        buffer[e] = static_cast<float>(core_test::rounded_update<zoft::bfloat16>(buffer[e], d.seed, d.step, e));
}

/// Slopes are differences of losses of about 4 nats, each with an error of some 2⁻²⁴ of it, over 2ε times slopes of
/// which the greatest are above 1: some 1e-5 of these, and ten times that where losses are divided by their spread.
constexpr double relative = 4e-4;

bool is_embedding(const zoft::tensor& t) { return t.name == "model.embed_tokens.weight"; }
bool is_query_or_gain(const zoft::tensor& t) {
  return t.name == "model.layers.1.self_attn.q_proj.weight" || t.name == "model.norm.weight";
}

}  // namespace

TEST_CASE("full tuning: beside the weights is as in place, up to rounding", "[nn]") {
  for (const auto& [name, make_model] : makers())
    for_each_method([&, &of = name, &make = make_model](const char* method, auto make_tuner) {
      INFO(of << ", " << method);
      transformer model = make({.threads = 2}), other = make({.threads = 2});
      const batch b = some_text(model.shape().vocabulary);
      const std::vector<float> before = other.weights();
      std::vector<float> buffer = before;
      auto beside = make_tuner(model.weights_layout()), in_place = make_tuner(model.weights_layout());
      double apart = 0, greatest = 0;
      for (int step = 0; step < steps; ++step) {
        const zoft::step_report a = beside.step(model, stacked(model, b));
        const zoft::step_report c = in_place.step(std::span(buffer), [&](std::span<const float> w) {
          other.assign(w);
          return other.loss(b);
        });
        REQUIRE(a.status == zoft::status::ok);
        apart = std::max(apart, distance(a.projected_gradients, c.projected_gradients));
        greatest = std::max(greatest, distance(c.projected_gradients, std::vector(c.projected_gradients.size(), 0.0)));
      }
      CAPTURE(apart, greatest, distance(model.weights(), buffer), distance(buffer, before));
      CHECK(greatest > 1);
      CHECK(apart < relative * greatest);
      CHECK(distance(buffer, before) > 0.01);
      CHECK(distance(model.weights(), buffer) < relative * distance(buffer, before));
    });
}

TEST_CASE("full tuning: the update is the buffer's, bit for bit, and rounded once by the step's own noise", "[nn]") {
  for (const dtype type : {dtype::f32, dtype::bf16})
    for (const auto& [name, make_model] : makers())
      for_each_method([&, &of = name, &make = make_model](const char* method, auto make_tuner) {
        INFO(of << ", " << method << ", " << name_of(type));
        transformer model = make({.weights = type}), other = make({.weights = type});
        auto beside = make_tuner(model.weights_layout()), in_place = make_tuner(model.weights_layout());
        for (int step = 0; step < steps; ++step) {
          std::vector<double> losses = {3.25, 1.5, 2, 4.5, 0.25, 1};
          losses.resize(beside.evaluations());
          std::vector<float> buffer = other.weights();
          beside.tell(model, losses);
          const std::uint32_t now = in_place.steps();
          in_place.tell(std::span(buffer), losses);
          round(buffer, other, in_place.direction(now, 0));
          other.assign(buffer);
          REQUIRE(same_bits(model.weights(), other.weights()));
        }
        CHECK(!same_bits(model.weights(), make({.weights = type}).weights()));
      });
}

TEST_CASE("full tuning: the report says what share of the counted weights moved", "[nn]") {
  for (const dtype type : {dtype::f32, dtype::bf16}) {
    transformer model = fixture_model("llama_tied_f32", {.weights = type});
    auto tuner = zoft::mezo({.epsilon = epsilon, .learning_rate = 1e-5, .seed = 7}, model.weights_layout());
    const std::vector<float> before = model.weights();
    const double share = tuner.tell(model, std::vector<double>{1.01, 1.0}).moved;
    const std::vector<float> after = model.weights();
    double counted = 0, moved = 0;
    for (std::size_t e = 0; e < after.size(); ++e)
      if (e % 1024 < 64) {
        counted += 1;
        moved += after[e] != before[e];
      }
    CHECK(share == Approx(moved / counted));
    CHECK((type == dtype::f32 ? share > 0.5 : share < 0.5));
  }
}

TEST_CASE("full tuning: the same bits for any number of threads, and stacked, in parts, or one at a time", "[nn]") {
  for (const dtype type : {dtype::f32, dtype::bf16})
    for (const auto& [name, make_model] : makers())
      for_each_method([&, &of = name, &make = make_model](const char* method, auto make_tuner) {
        INFO(of << ", " << method << ", " << name_of(type));
        const auto train = [&](std::size_t threads, auto functor_on) {
          transformer model = make({.weights = type, .threads = threads});
          const batch b = some_text(model.shape().vocabulary);
          auto tuner = make_tuner(model.weights_layout());
          for (int step = 0; step < 3; ++step)
            REQUIRE(tuner.step(model, functor_on(model, b)).status == zoft::status::ok);
          return model.weights();
        };
        const auto in_one = [](const transformer& m, const batch& b) { return stacked(m, b); };
        const std::vector<float> once = train(1, in_one);
        for (const std::size_t threads : sizes{2, 7}) CHECK(same_bits(train(threads, in_one), once));
        CHECK(same_bits(train(2, [](const transformer& m, const batch& b) { return alone(m, b); }), once));

        transformer model = make({.weights = type});
        const batch b = some_text(model.shape().vocabulary);
        auto tuner = make_tuner(model.weights_layout());
        const std::size_t all = tuner.evaluations();
        for (int step = 0; step < 3; ++step) {
          std::vector<double> losses(all);
          model.losses(b, tuner.ask(model, 1), std::span(losses).subspan(1));
          model.losses(b, tuner.ask(model, 0, 1), std::span(losses).first(1));
          tuner.tell(model, losses);
        }
        CHECK(same_bits(model.weights(), once));
      });
}

TEST_CASE("full tuning: weights are as they were while losses are evaluated, and where these are of no use", "[nn]") {
  for_each_method([&](const char* method, auto make_tuner) {
    INFO(method);
    transformer model = fixture_model("qwen2_f32", {.weights = dtype::bf16});
    const std::vector<float> before = model.weights();
    auto tuner = make_tuner(model.weights_layout());
    CHECK_THROWS_AS(tuner.step(model, [](const auto&, std::span<double>) { throw 1; }), int);
    CHECK(same_bits(model.weights(), before));
    const zoft::step_report report = tuner.step(model, [&](const auto&, std::span<double> losses) {
      CHECK(same_bits(model.weights(), before));
      std::fill(losses.begin(), losses.end(), 1.0);
      losses.back() = std::numeric_limits<double>::quiet_NaN();
    });
    CHECK(report.status == zoft::status::not_finite);
    CHECK(same_bits(model.weights(), before));
  });
}

TEST_CASE("full tuning: only what is trained moves, and noise is made for nothing else", "[nn]") {
  const auto check = [](const auto& sampler, bool tied, bool (*trains)(const zoft::tensor&)) {
    zoft::nn::config shape = odd_shape();
    shape.tied_head = tied;
    transformer model = random_model(shape, {true, true, true}, 83, {});
    const batch b = some_text(model.shape().vocabulary);
    const zoft::layout layout = model.weights_layout();
    zoft::engine tuner{sampler, zoft::two_point{.epsilon = epsilon, .queries = 2}, zoft::subset{layout, trains},
                       zoft::sgd{.learning_rate = rate}, zoft::seed{13}};
    auto in_place = tuner;
    const std::vector<float> before = model.weights();
    std::vector<float> buffer = before;
    transformer other = random_model(shape, {true, true, true}, 83, {});
    for (int step = 0; step < steps; ++step) {
      tuner.step(model, stacked(model, b));
      in_place.step(std::span(buffer), [&](std::span<const float> w) {
        other.assign(w);
        return other.loss(b);
      });
    }
    const std::vector<float> after = model.weights();
    CHECK(distance(after, buffer) < relative * distance(after, before));
    for (const zoft::tensor& t : layout) {
      INFO(t.name);
      const auto of = [&](const std::vector<float>& w) {
        return std::vector<float>(w.begin() + static_cast<std::ptrdiff_t>(t.offset),
                                  w.begin() + static_cast<std::ptrdiff_t>(t.offset + t.size()));
      };
      CHECK(same_bits(of(after), of(before)) != trains(t));
    }
  };
  for (const bool tied : {true, false})
    for (const auto trains : {zoft::vectors, zoft::biases, is_embedding, is_query_or_gain}) {
      check(zoft::low_rank_gaussian{}, tied, trains);
      check(zoft::gaussian{}, tied, trains);
    }
}

TEST_CASE("full tuning: blocks that take turns move in theirs", "[nn]") {
  transformer model = fixture_model("llama_untied_f32");
  const batch b = some_text(model.shape().vocabulary);
  const zoft::layout layout = model.weights_layout();
  zoft::engine tuner{zoft::low_rank_gaussian{}, zoft::two_point{.epsilon = epsilon}, zoft::blocks{.layout = layout},
                     zoft::sgd{.learning_rate = rate}, zoft::seed{14}};
  for (int step = 0; step < steps; ++step) {
    const std::vector<float> before = model.weights();
    REQUIRE(tuner.step(model, stacked(model, b)).status == zoft::status::ok);
    const std::vector<float> after = model.weights();
    const auto moves = zoft::trained(zoft::blocks{.layout = layout}, layout, tuner.direction(tuner.steps() - 1, 0));
    for (std::size_t i = 0; i < moves.size(); ++i) {
      const zoft::tensor& t = layout.tensors()[i];
      CHECK(std::equal(before.begin() + static_cast<std::ptrdiff_t>(t.offset),
                       before.begin() + static_cast<std::ptrdiff_t>(t.offset + t.size()),
                       after.begin() + static_cast<std::ptrdiff_t>(t.offset)) != moves[i]);
    }
  }
}

TEST_CASE("full tuning: a model learns, and keeps no activations of its earlier weights", "[nn]") {
  transformer model = fixture_model("llama_tied_f32", {.activation_cache = 1 << 20});
  batch b;
  for (const std::int32_t first : {1, 9, 17, 25})
    b.add(std::vector<std::int32_t>{first, first + 1, first + 2, first + 3, first + 4, first + 5, first + 6});
  const zoft::layout layout = model.weights_layout();
  const double before = model.loss(b);
  auto tuner = zoft::lozo({.rank = 2, .epsilon = 1e-3, .learning_rate = 1e-3, .queries = 4, .seed = 3}, layout);
  for (int step = 0; step < 300; ++step) REQUIRE(tuner.step(model, stacked(model, b)).status == zoft::status::ok);
  INFO("from " << before << " to " << model.loss(b));
  CHECK(model.loss(b) < 0.8 * before);

  // Only the last block moves, and what enters it is kept: then all move.
  zoft::engine last{zoft::low_rank_gaussian{}, zoft::two_point{.epsilon = epsilon},
                    zoft::subset{layout, [](const zoft::tensor& t) { return t.name.find("layers.1") != t.name.npos; }},
                    zoft::sgd{.learning_rate = rate}, zoft::seed{15}};
  for (int step = 0; step < 2; ++step) last.step(model, stacked(model, b));
  REQUIRE(model.activations().count().misses > 0);
  tuner.step(model, stacked(model, b));
  transformer fresh = fixture_model("llama_tied_f32");
  fresh.assign(model.weights());
  CHECK(model.loss(b) == fresh.loss(b));
  const auto candidates = last.ask(model);
  std::vector<double> kept(2), anew(2);
  model.losses(b, candidates, kept);
  fresh.losses(b, candidates, anew);
  CHECK(same_bits(kept, anew));
}

TEST_CASE("full tuning: what cannot be tuned is refused in a line", "[nn]") {
  transformer coded = fixture_model("llama_tied_f32", {.weights = dtype::i8});
  auto tuner = zoft::lozo({}, coded.weights_layout());
  CHECK(message([&] {
          tuner.tell(coded, std::vector<double>{1, 2});
        }) ==
        "zoft: transformer: 'model.embed_tokens.weight' is kept as I8, and must be F32 or BF16 to be trained: load the "
        "model so");
  auto dense = zoft::mezo({});
  CHECK(message([&] { dense.step(coded, stacked(coded, some_text(32))); }).find("is kept as I8") != std::string::npos);
  transformer narrow = fixture_model("llama_tied_f32", {.weights = dtype::bf16});
  const batch b = some_text(32);
  auto too_near = zoft::mezo({.epsilon = 1e-7});
  CHECK(message([&] { too_near.step(narrow, stacked(narrow, b)); }).find("must be larger: rounding") !=
        std::string::npos);
  zoft::engine vectors{zoft::gaussian{}, zoft::two_point{.epsilon = 1e-7},
                       zoft::subset{narrow.weights_layout(), zoft::vectors}, zoft::sgd{}};
  CHECK(vectors.step(narrow, stacked(narrow, b)).status == zoft::status::ok);
  auto beside = zoft::lozo({.epsilon = 1e-7}, narrow.weights_layout());
  CHECK(beside.step(narrow, stacked(narrow, b)).status == zoft::status::ok);
  transformer other = fixture_model("llama_untied_f32");
  CHECK(message([&] { tuner.ask(other); }).find("the model's weights are not those of the layout") !=
        std::string::npos);
}

namespace {

/// Calls f(name, make), where make(layout) is a tuner, for methods whose directions are of no low rank.
template <class F>
void for_each_dense_method(F f) {
  const auto with = [&](const char* name, auto sampler, auto estimator) {
    f(name, [=](const zoft::layout& l) {
      return zoft::engine{sampler, estimator, zoft::full{l}, zoft::sgd{.learning_rate = rate, .decay = 0.1},
                          zoft::seed{16}};
    });
  };
  with("mezo", zoft::gaussian{}, zoft::two_point{.epsilon = epsilon});
  with("mezo, 3 queries", zoft::gaussian{}, zoft::two_point{.epsilon = epsilon, .queries = 3});
  with("rademacher", zoft::rademacher{}, zoft::two_point{.epsilon = epsilon, .queries = 2});
  with("one sided", zoft::gaussian{}, zoft::one_sided{.epsilon = epsilon, .queries = 2});
  f("sphere", [](const zoft::layout& l) {
    return zoft::engine{zoft::sphere{l.size()}, zoft::two_point{.epsilon = epsilon}, zoft::full{l},
                        zoft::sgd{.learning_rate = rate}, zoft::seed{17}};
  });
}

}  // namespace

TEST_CASE("full tuning: each example of a batch along directions of its own", "[nn]") {
  transformer model = random_model(odd_shape(), {true, true, true}, 82, {.threads = 2});
  const batch b = some_text(model.shape().vocabulary);
  const auto check = [&](const auto& sampler) {
    zoft::engine tuner{
        sampler, zoft::per_example<zoft::one_sided>{.each = {.epsilon = epsilon, .queries = 2}, .examples = b.size()},
        zoft::full{.layout = model.weights_layout()}, zoft::sgd{.learning_rate = rate}};
    std::vector<double> losses(3 * b.size());
    model.example_losses(b, tuner.ask(model), losses);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      batch one;
      one.add(b[i % b.size()].tokens, b[i % b.size()].labels);
      if (one.predicted() == 0) {
        CHECK(losses[i] == 0);
        continue;
      }
      const double weight = static_cast<double>(one.predicted() * b.size()) / static_cast<double>(b.predicted());
      CHECK(losses[i] == weight * model.loss(one, tuner.ask(model, i, 1)));
    }
  };
  check(zoft::low_rank_gaussian{.layout = model.weights_layout(), .rank = 2});
  check(zoft::low_rank_product{.layout = model.weights_layout(), .rank = 2});
}

TEST_CASE("full tuning: a layer at a time is as in place, bit for bit", "[nn]") {
  for (const dtype type : {dtype::f32, dtype::bf16})
    for (const auto& [name, make_model] : makers())
      for_each_dense_method([&, &of = name, &make = make_model](const char* method, auto make_tuner) {
        INFO(of << ", " << method << ", " << name_of(type));
        transformer other = make({.weights = type});
        const std::vector<float> before = other.weights();
        const batch b = some_text(other.shape().vocabulary);
        auto in_place = make_tuner(other.weights_layout());
        std::vector<zoft::step_report> wanted;
        for (int step = 0; step < 3; ++step) {
          std::vector<float> buffer = other.weights();
          const std::uint32_t now = in_place.steps();
          wanted.push_back(in_place.step(std::span(buffer), [&](std::span<const float> w) {
            other.assign(w);
            return other.loss(b);
          }));
          round(buffer, other, in_place.direction(now, 0));
          other.assign(buffer);
        }
        const auto check = [&](std::size_t threads, auto functor_on) {
          transformer model = make({.weights = type, .threads = threads});
          auto layerwise = make_tuner(model.weights_layout());
          for (const zoft::step_report& w : wanted) {
            const zoft::step_report r = layerwise.step(model, functor_on(model, b));
            REQUIRE(r.status == zoft::status::ok);
            CHECK(r.probe_loss == w.probe_loss);
            CHECK(same_bits(r.projected_gradients, w.projected_gradients));
          }
          CHECK(same_bits(model.weights(), other.weights()));
          CHECK(!same_bits(model.weights(), before));
        };
        for (const std::size_t threads : sizes{1, 2, 7})
          check(threads, [](const transformer& m, const batch& x) { return stacked(m, x); });
        check(2, [](const transformer& m, const batch& x) { return alone(m, x); });
      });
}

}  // namespace nn_full_tuning_tests
