#include <limits>
#include <zoft/engines/graph_loss.hpp>
#include <zoft/engines/in_graph_prge.hpp>
#include <zoft/engines/padded_batch.hpp>
#include <zoft/prge.hpp>
#include <zoft/schedule/linear.hpp>

#include "core_support.hpp"

using namespace core_test;
using zoft::engines::padded_batch;

namespace {

using ids = std::vector<std::int32_t>;
using whole = std::vector<std::int64_t>;

whole listed(std::span<const std::int64_t> v) { return {v.begin(), v.end()}; }

zoft::layout two_linears() {
  zoft::layout l;
  l.add("q", 3, 4);
  l.add("up", 5, 4);
  return l;
}

}  // namespace

TEST_CASE("padded_batch: sequences are padded at their ends, and labels stand where they are predicted", "[engines]") {
  padded_batch b;
  CHECK(b.size() == 0);
  b.add(ids{7, 8, 9}, ids{-100, -100, 9});
  CHECK(listed(b.labels()) == whole{-1, 9, -1});
  b.add(ids{1, 2, 3, 4, 5});
  b.add(ids{6}, ids{6});
  CHECK(b.size() == 3);
  CHECK(b.length() == 5);
  CHECK(b.predicted() == 5);
  CHECK(listed(b.tokens()) == whole{7, 8, 9, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0});
  CHECK(listed(b.labels()) == whole{-1, 9, -1, -1, -1, 2, 3, 4, 5, -1, -1, -1, -1, -1, -1});
  CHECK(message([&] { b.add(ids{}); }) ==
        "zoft: padded_batch: a sequence has 0 tokens and 0 labels, and must have as many of each, at least 1");
  CHECK(message([&] {
          b.add(ids{1, 2}, ids{1});
        }) == "zoft: padded_batch: a sequence has 2 tokens and 1 labels, and must have as many of each, at least 1");
}

TEST_CASE("theta_of: the candidates of an adapter are the tuner's own, not copied", "[engines]") {
  const auto check = [](auto kind, std::size_t dimension) {
    auto tuner = zoft::prge({.queries = 3, .epsilon = 0.5, .learning_rate = 0.1, .seed = 1}, kind);
    tuner.attach(two_linears());
    tuner.step([&](const zoft::low_rank_stack& adapters, std::span<double> losses) {
      const auto theta = zoft::engines::theta_of(adapters);
      REQUIRE(theta.size() == 6);
      REQUIRE(theta.dimension() == dimension);
      for (std::size_t i = 0; i < 6; ++i) {
        std::vector<float> expected(tuner.adapter().parameters().begin(), tuner.adapter().parameters().end());
        const zoft::point p = tuner.estimator().at(i);
        tuner.sampler().axpy(std::span(expected), static_cast<float>(p.scale),
                             tuner.direction(0, static_cast<std::uint32_t>(p.query)));
        CHECK(bits(std::vector<float>(theta[i].begin(), theta[i].end())) == bits(expected));
      }
      CHECK(adapters.find("up")->b == theta.stack().data() + dimension - 5 * 2);
      std::fill(losses.begin(), losses.end(), 1.0);
    });
    const auto now = zoft::engines::theta_of(tuner.adapter().stack());
    CHECK(now.size() == 1);
    CHECK(now.stack().data() == tuner.adapter().parameters().data());
    CHECK(now.dimension() == dimension);
  };
  check(zoft::lora_fa{.rank = 2, .alpha = 4}, (3 + 5) * 2);
  check(zoft::lora{.rank = 2, .alpha = 4}, (3 + 5 + 4 + 4) * 2);
  CHECK(message([] { zoft::engines::theta_of(zoft::low_rank_stack(2)); }) ==
        "zoft: theta_of: the adapter has no linears");
}

TEST_CASE("graph_loss: losses in the candidates' order, and the mean over labels of what is held out", "[engines]") {
  // The loss of a candidate is its first number times the number of labels.
  std::vector<const float*> seen;
  zoft::engines::graph_loss loss([&](const padded_batch& b, zoft::candidates<float> theta, std::span<float> to) {
    seen.push_back(theta.stack().data());
    for (std::size_t i = 0; i < theta.size(); ++i) to[i] = theta[i][0] * float(b.predicted());
  });
  std::vector<padded_batch> batches(2);
  batches[0].add(ids{1, 2});
  batches[1].add(ids{1, 2, 3, 4});
  const std::vector<float> stack{1, 0, 2, 0, -3, 0};
  std::vector<double> losses(3);
  loss.losses(batches[1], zoft::candidates<float>(stack.data(), 3, 2), losses);
  CHECK(losses == std::vector<double>{3, 6, -9});
  CHECK(seen == std::vector<const float*>{stack.data()});

  auto tuner =
      zoft::prge({}, zoft::lora_fa{.rank = 2, .alpha = 4, .start = {{"q", std::vector<float>(8), {2, 0, 0, 0, 0, 0}}}});
  tuner.attach(two_linears());
  CHECK(loss.loss(batches, tuner.adapter().stack()) == (2.0 * 1 * 1 + 2.0 * 3 * 3) / 4);

  CHECK(message([&] {
          loss.losses(batches[0], zoft::candidates<float>(stack.data(), 3, 2), std::span(losses).first(2));
        }) == "zoft: graph_loss: there is room for 2 losses, and there are 3 candidates");
  CHECK(message([&] { loss.losses(padded_batch(), zoft::candidates<float>(stack.data(), 3, 2), losses); }) ==
        "zoft: graph_loss: the batch has no labels, and must have at least one");
  CHECK(message([&] { loss.loss({}, tuner.adapter().stack()); }) == "zoft: graph_loss: there are no batches");
}

namespace {

/// A quadratic of condition 100 with its minimum at 1, in float.
float valley(std::span<const float> x) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    sum += (1 + 99 * double(i) / double(x.size())) * std::pow(double(x[i]) - 1, 2) / double(x.size());
  return float(sum);
}

/// What the graph of zoft::io::onnx_prge computes, with valley for the model's loss.
struct graph_of_valley {
  double epsilon;

  void operator()(const padded_batch&, const zoft::engines::prge_run& r) const {
    const std::size_t q = r.queries, d = r.dimension;
    for (std::size_t k = 0; k < d; ++k) {
      float u = 0;
      for (std::size_t i = 0; i < q; ++i)
        u += r.coefficients[i] * (r.plus[i * d + k] - r.minus[i * d + k]) / 2 / float(epsilon);
      for (std::size_t i = 0; i < q; ++i) {
        const std::size_t at = i * d + k;
        const float n = (r.plus[at] - r.minus[at]) / 2, moved = float(epsilon) * r.noise[at];
        r.next_plus[at] = r.plus[at] - n - u + moved;
        r.next_minus[at] = r.minus[at] + n - u - moved;
      }
    }
    for (std::size_t i = 0; i < q; ++i) {
      r.loss[i] = valley(r.next_plus.subspan(i * d, d));
      r.loss[q + i] = valley(r.next_minus.subspan(i * d, d));
    }
  }
};

}  // namespace

TEST_CASE("in_graph_prge: after 500 steps the parameters are the tuner's", "[engines]") {
  padded_batch batch;
  batch.add(ids{1, 2});
  for (const std::size_t queries : {1u, 4u}) {
    CAPTURE(queries);
    const zoft::prge_options options{
        .queries = queries, .epsilon = 1e-2, .learning_rate = 2e-3, .schedule = zoft::linear(500, 20), .seed = 7};
    const std::vector<float> start(50, -0.5f);
    zoft::engines::in_graph_prge inside(options, start, graph_of_valley{1e-2});
    auto tuner = zoft::prge(options);
    std::vector<float> x = start;
    CHECK(inside.flush(batch) == start);
    for (std::uint32_t step = 0; step < 500; ++step) {
      const auto one = tuner.step(std::span(x), [](std::span<const float> at) { return double(valley(at)); });
      const auto other = inside.step(batch);
      if (step == 0) CHECK(other.projected_gradients == one.projected_gradients);
      if (step == 300) inside.flush(batch);  // changes nothing
      CHECK(other.step == step);
      CHECK(other.learning_rate == one.learning_rate);
      CHECK(other.evaluations == 2 * queries);
      CHECK(other.probe_loss == Approx(one.probe_loss).epsilon(1e-4));
    }
    CHECK(valley(x) < 0.5f * valley(start));
    const std::vector<float> flushed = inside.flush(batch);
    for (std::size_t i = 0; i < x.size(); ++i) CHECK(flushed[i] == Approx(x[i]).margin(1e-5));
  }
}

TEST_CASE("in_graph_prge: a step that is not finite changes nothing, and options are checked", "[engines]") {
  padded_batch batch;
  batch.add(ids{1, 2});
  bool broken = false;
  const auto run = [&](const padded_batch& b, const zoft::engines::prge_run& r) {
    graph_of_valley{1e-2}(b, r);
    if (broken) r.loss[0] = std::numeric_limits<float>::quiet_NaN();
  };
  const std::vector<float> start(8, -0.5f);
  zoft::engines::in_graph_prge inside({.queries = 2, .epsilon = 1e-2, .learning_rate = 1e-3}, start, run);
  inside.step(batch);
  const std::vector<float> before = inside.flush(batch);
  CHECK(before != start);
  broken = true;
  CHECK(inside.step(batch).status == zoft::status::not_finite);
  broken = false;
  const std::vector<float> after = inside.flush(batch);
  for (std::size_t i = 0; i < before.size(); ++i) CHECK(after[i] == Approx(before[i]).margin(1e-6));
  CHECK(inside.steps() == 2);

  const auto with = [&](const zoft::prge_options& o, std::vector<float> x = {1}) {
    return message([&] { zoft::engines::in_graph_prge(o, x, run); });
  };
  CHECK(with({.queries = 0}) == "zoft: in_graph_prge: queries is 0, and must be at least 1");
  CHECK(with({.epsilon = 0}) == "zoft: in_graph_prge: epsilon is 0, and must be above 0");
  CHECK(with({.learning_rate = -1}) == "zoft: in_graph_prge: learning_rate is -1, and must be at least 0");
  CHECK(with({.decay = 0.1}) == "zoft: in_graph_prge: decay is 0.1, and must be 0: the graph has none");
  CHECK(with({}, {}) == "zoft: in_graph_prge: there are no parameters");
}
