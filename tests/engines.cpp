#include <zoft/engines/graph_loss.hpp>
#include <zoft/engines/padded_batch.hpp>
#include <zoft/prge.hpp>

#include "core_support.hpp"

using namespace core_test;
using zoft::engines::padded_batch;

namespace {

using ids = std::vector<std::int32_t>;
using whole = std::vector<std::int64_t>;

whole all(std::span<const std::int64_t> v) { return {v.begin(), v.end()}; }

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
  CHECK(all(b.labels()) == whole{-1, 9, -1});
  b.add(ids{1, 2, 3, 4, 5});
  b.add(ids{6}, ids{6});
  CHECK(b.size() == 3);
  CHECK(b.length() == 5);
  CHECK(b.predicted() == 5);
  CHECK(all(b.tokens()) == whole{7, 8, 9, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0});
  CHECK(all(b.labels()) == whole{-1, 9, -1, -1, -1, 2, 3, 4, 5, -1, -1, -1, -1, -1, -1});
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
