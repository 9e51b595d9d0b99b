// What a step costs in forwards, on the model of examples/finetune/default, batches of 16 sequences of 48 tokens, q =
// 4: the plain forward of the batch, a P-RGE step with all 2q candidates stacked, the same step with one forward after
// another. And a MeZO step in place on a buffer of the user's, without a functor: what perturbing, restoring and
// updating cost. Arguments: range(0) is the number of threads.
#include <benchmark/benchmark.h>

#include <vector>
#include <zoft/mezo.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>

#include "models.hpp"

namespace {

constexpr std::size_t sequences = 16, tokens = 48;

zoft::nn::transformer load(const benchmark::State& state) {
  return zoft::nn::load(ZOFT_DEFAULT_TASK, {.threads = static_cast<std::size_t>(state.range(0))});
}

zoft::nn::batch example(const zoft::nn::transformer& model) {
  return bench::random_batch(model.shape(), sequences, tokens);
}

auto tuner_for(const zoft::nn::transformer& model) {
  auto tuner = zoft::prge({.queries = 4, .learning_rate = 0, .seed = 42}, zoft::lora_fa{});
  tuner.attach(model);
  return tuner;
}

void forward(benchmark::State& state) {
  const auto model = load(state);
  const auto batch = example(model);
  for (auto _ : state) benchmark::DoNotOptimize(model.loss(batch));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch.tokens()));
}

void prge_stacked(benchmark::State& state) {
  const auto model = load(state);
  const auto batch = example(model);
  auto tuner = tuner_for(model);
  for (auto _ : state)
    tuner.step([&](const auto& adapters, std::span<double> losses) { model.losses(batch, adapters, losses); });
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(tuner.evaluations() * batch.tokens()));
}

void prge_one_after_another(benchmark::State& state) {
  const auto model = load(state);
  const auto batch = example(model);
  auto tuner = tuner_for(model);
  for (auto _ : state) tuner.step([&](const auto& adapter) { return model.loss(batch, adapter); });
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(tuner.evaluations() * batch.tokens()));
}

template <class T>
void mezo_in_place(benchmark::State& state) {
  std::vector<T> weights(std::size_t{16} << 20, T(0.02f));
  auto tuner = zoft::mezo({.seed = 42});
  for (auto _ : state) tuner.step(std::span(weights), [](std::span<const T>) { return 1.0; });
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(weights.size()));
}

}  // namespace

BENCHMARK(forward)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(prge_stacked)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(prge_one_after_another)->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_TEMPLATE(mezo_in_place, float)->Unit(benchmark::kMillisecond);
BENCHMARK_TEMPLATE(mezo_in_place, zoft::bfloat16)->Unit(benchmark::kMillisecond);
