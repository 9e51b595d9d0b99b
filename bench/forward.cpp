// Tokens a second of a forward that ends in losses, and what a P-RGE step costs in forwards, on models of known shapes.
// Arguments: the shape's index, 1 for weights in bfloat16, sequences, tokens of each, threads, and q.
#include <benchmark/benchmark.h>

#include <optional>
#include <tuple>
#include <zoft/prge.hpp>

#include "models.hpp"

namespace {

struct setting {
  const zoft::nn::transformer& model;
  zoft::nn::batch batch;
};

// The model of the last benchmark is kept for the next.
setting set(benchmark::State& state) {
  static std::optional<std::tuple<std::int64_t, std::int64_t, std::int64_t>> made;
  static std::optional<zoft::nn::transformer> model;
  const bench::shape& s = bench::shapes[state.range(0)];
  const std::tuple wanted{state.range(0), state.range(1), state.range(4)};
  if (made != wanted) {
    model.reset();
    model.emplace(
        bench::random_model(s.config, {.weights = state.range(1) != 0 ? zoft::nn::dtype::bf16 : zoft::nn::dtype::f32,
                                       .threads = static_cast<std::size_t>(state.range(4))}));
    made = wanted;
  }
  state.SetLabel(std::string(s.name) + (state.range(1) != 0 ? " bf16" : " f32"));
  return {*model, bench::random_batch(s.config, static_cast<std::size_t>(state.range(2)),
                                      static_cast<std::size_t>(state.range(3)))};
}

void count(benchmark::State& state, const zoft::nn::batch& batch, std::size_t forwards) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(forwards * batch.tokens()));
}

void forward(benchmark::State& state) {
  const auto [model, batch] = set(state);
  for (auto _ : state) benchmark::DoNotOptimize(model.loss(batch));
  count(state, batch, 1);
}

auto tuner_for(const zoft::nn::transformer& model, benchmark::State& state) {
  auto tuner = zoft::prge({.queries = static_cast<std::size_t>(state.range(5)), .learning_rate = 0, .seed = 42},
                          zoft::lora_fa{.rank = 8, .alpha = 16});
  tuner.attach(model);
  return tuner;
}

void prge_stacked(benchmark::State& state) {
  const auto s = set(state);
  auto tuner = tuner_for(s.model, state);
  for (auto _ : state)
    tuner.step([&](const auto& adapters, std::span<double> losses) { s.model.losses(s.batch, adapters, losses); });
  count(state, s.batch, tuner.evaluations());
}

void prge_one_after_another(benchmark::State& state) {
  const auto s = set(state);
  auto tuner = tuner_for(s.model, state);
  for (auto _ : state) tuner.step([&](const auto& adapter) { return s.model.loss(s.batch, adapter); });
  count(state, s.batch, tuner.evaluations());
}

}  // namespace

#define ZOFT_FORWARD(function) BENCHMARK(function)->Unit(benchmark::kMillisecond)->UseRealTime()
ZOFT_FORWARD(forward)->Args({0, 0, 8, 64, 1, 0})->Args({0, 1, 8, 64, 1, 0})->Args({0, 1, 8, 64, 2, 0});
ZOFT_FORWARD(prge_stacked)->Args({0, 1, 8, 64, 1, 4});
ZOFT_FORWARD(prge_one_after_another)->Args({0, 1, 8, 64, 1, 4});
ZOFT_FORWARD(forward)->Args({1, 0, 8, 64, 1, 0})->Args({1, 1, 8, 64, 1, 0})->Args({1, 1, 8, 64, 2, 0});
ZOFT_FORWARD(prge_stacked)->Args({1, 1, 8, 64, 1, 4});
ZOFT_FORWARD(prge_stacked)->Args({1, 1, 1, 8, 1, 8})->Args({1, 1, 1, 32, 1, 8});
ZOFT_FORWARD(prge_one_after_another)->Args({1, 1, 1, 8, 1, 8})->Args({1, 1, 1, 32, 1, 8});
ZOFT_FORWARD(forward)->Args({2, 1, 8, 64, 2, 0});
