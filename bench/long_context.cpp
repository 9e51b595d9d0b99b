// One long sequence: what threads and token patterns save, and the memory of a forward. Models have random weights in
// bf16. Where tokens are left out, a seed chooses 40 % of the blocks of 64, the same in all layers, and the labels that
// a dropped token predicts do not count. Ratios of times are measured in turn: see ratios.hpp.
#include <memory>
#include <string>
#include <zoft/prge.hpp>

#include "peak_memory.hpp"
#include "ratios.hpp"

namespace {

using bench::measured, bench::bound, bench::beside, bench::add;

constexpr double kept_share = 0.4;

bench::shape lengthened(const bench::shape& s, std::size_t tokens) {
  bench::shape result = s;
  result.config.context = tokens;
  return result;
}

/// The batch's only sequence with a pattern.
zoft::nn::batch with_pattern(const zoft::nn::config& c, const zoft::nn::batch& dense) {
  const auto one = dense[0];
  const auto pattern = std::make_shared<const zoft::nn::token_pattern>(
      zoft::nn::pattern_by_seed(1, 0, c.layers, one.labels, zoft::nn::ignored, {.share = kept_share}));
  zoft::nn::batch result;
  result.add(one.tokens, zoft::nn::labels_of_kept(*pattern, one.labels, zoft::nn::ignored), pattern);
  return result;
}

auto tuner_of(const zoft::nn::transformer& model) {
  auto tuner = zoft::prge({.queries = 1, .learning_rate = 0, .seed = 42}, zoft::lora_fa{.rank = 8, .alpha = 16});
  tuner.attach(model);
  return tuner;
}

template <class Tuner>
void step(const zoft::nn::transformer& model, const zoft::nn::batch& batch, Tuner& tuner) {
  tuner.step([&](const auto& adapters, std::span<double> losses) { model.losses(batch, adapters, losses); });
}

measured dense_over_sparse(const bench::shape& s) {
  const auto& model = bench::kept_model(s, zoft::nn::dtype::bf16, 1);
  const auto dense = bench::random_batch(s.config, 1, s.config.context), sparse = with_pattern(s.config, dense);
  auto tuner = tuner_of(model), other = tuner_of(model);
  const auto [with_all, with_some] = beside([&] { step(model, dense, tuner); }, [&] { step(model, sparse, other); });
  return {with_all / with_some, with_some};
}

measured one_thread_over_two(const bench::shape& s) {
  const auto &alone = bench::kept_model(s, zoft::nn::dtype::bf16, 1),
             &shared = bench::kept_model(s, zoft::nn::dtype::bf16, 2);
  const auto batch = bench::random_batch(s.config, 1, s.config.context);
  const auto [two, one] = beside([&] { benchmark::DoNotOptimize(shared.loss(batch)); },
                                 [&] { benchmark::DoNotOptimize(alone.loss(batch)); });
  return {one / two, two};
}

/// What is allocated for the forward of both candidates with all tokens, over that with some.
measured memory_of_dense_over_sparse(const bench::shape& s) {
  const auto grown = [&](bool sparse) {
    const bench::peak_memory m = bench::peak_of(
        s, 1, s.config.context,
        [](const zoft::nn::transformer& model) {
          auto tuner = std::make_unique<decltype(tuner_of(model))>(tuner_of(model));
          tuner->ask();
          return tuner;
        },
        [&](zoft::nn::transformer& model, const zoft::nn::batch& batch, const auto& tuner) {
          std::vector<double> losses(2);
          model.losses(sparse ? with_pattern(s.config, batch) : batch, tuner->ask(), losses);
        });
    return m.peak - m.before;
  };
  return {grown(false) / grown(true), 0};
}

/// The peak of a forward over weights, stream, and one layer's keys and values.
measured memory_of_forward(const bench::shape& s) {
  const bench::peak_memory m = bench::peak_of(
      s, 1, s.config.context,
      [](zoft::nn::transformer& model, const zoft::nn::batch& batch) { benchmark::DoNotOptimize(model.loss(batch)); });
  const zoft::nn::config& c = s.config;
  const double least =
      m.before + static_cast<double>(c.context * (c.dim * sizeof(float) + 4 * c.kv_heads * c.head_dim));
  return {m.peak / least, 0};
}

const bool registered = [] {
  for (const std::size_t tokens : {std::size_t{4096}, std::size_t{16384}})
    for (const bench::shape* of : {&bench::stories, &bench::smol}) {
      const bench::shape s = lengthened(*of, tokens);
      const std::string name = std::string("/") + s.name + "/1x" + std::to_string(tokens);
      const int times = tokens > 4096 ? 1 : 3;
      add("P-RGE q=1" + name, "all tokens / 40 %", times, {.at_least = tokens > 4096 ? 1.8 : 1.5},
          [=] { return dense_over_sparse(s); });
      if (tokens == 4096)
        add("forward" + name, "1 thread / 2 threads", 3, {.at_least = 1.8}, [=] { return one_thread_over_two(s); });
      if (tokens == 4096) continue;
      add("activations of P-RGE q=1" + name, "all tokens / 40 %", 1, {.at_least = 1.9},
          [=] { return memory_of_dense_over_sparse(s); });
      add("memory of a forward" + name, "peak / weights, stream, keys and values", 1, {.at_most = 1.25},
          [=] { return memory_of_forward(s); });
    }
  return true;
}();

}  // namespace
