// The peak of physical memory while fine-tuning on a batch, divided by that of the batch's plain forward. Each is
// measured in a process of its own, from after the model was made, with weights in bf16, on one thread.
#include <string>
#include <zoft/lozo.hpp>
#include <zoft/mezo.hpp>
#include <zoft/prge.hpp>

#include "peak_memory.hpp"
// The order is zoft's first, for GCC 12's sake.
#include <benchmark/benchmark.h>

namespace {

constexpr std::size_t sequences = 8, tokens = 64;

using work = void (*)(zoft::nn::transformer&, const zoft::nn::batch&);

void inference(zoft::nn::transformer& model, const zoft::nn::batch& batch) {
  benchmark::DoNotOptimize(model.loss(batch));
}

void prge(zoft::nn::transformer& model, const zoft::nn::batch& batch) {
  auto tuner = zoft::prge({.queries = 4, .seed = 42}, zoft::lora_fa{.rank = 8, .alpha = 16});
  tuner.attach(model);
  tuner.step([&](const auto& adapters, std::span<double> losses) { model.losses(batch, adapters, losses); });
}

template <class Tuner>
void full_tuning(zoft::nn::transformer& model, const zoft::nn::batch& batch, Tuner tuner) {
  tuner.step(model, [&](const auto& candidates, std::span<double> losses) { model.losses(batch, candidates, losses); });
}

void lozo(zoft::nn::transformer& model, const zoft::nn::batch& batch) {
  full_tuning(model, batch, zoft::lozo({.rank = 2, .queries = 4, .seed = 42}, model.weights_layout()));
}

void mezo(zoft::nn::transformer& model, const zoft::nn::batch& batch) {
  full_tuning(model, batch, zoft::mezo({.seed = 42}));
}

void compare(benchmark::State& state, const bench::shape& s, work tuning, double at_most) try {
  for (auto _ : state) {
    const double plain = bench::peak_of(s, sequences, tokens, inference).peak,
                 tuned = bench::peak_of(s, sequences, tokens, tuning).peak;
    state.counters["ratio"] = tuned / plain;
    state.counters["at_most"] = at_most;
    state.counters["MB"] = 1e-6 * tuned;
    state.counters["MB_of_inference"] = 1e-6 * plain;
  }
} catch (const std::exception& e) {
  state.SkipWithError(e.what());
}

const bool registered = [] {
  for (const bench::shape* s : {&bench::stories, &bench::smol}) {
    const auto add = [s](const char* name, work tuning, double at_most) {
      benchmark::RegisterBenchmark((std::string(name) + "/" + s->name + "/8x64").c_str(), compare, *s, tuning, at_most)
          ->Iterations(1)
          ->Repetitions(1)
          ->Unit(benchmark::kMillisecond);
    };
    add("P-RGE q=4 LoRA-FA", prge, 1.10);
    add("LOZO q=4 of all weights", lozo, 1.10);
    add("MeZO of all weights", mezo, 1.05);
  }
  return true;
}();

}  // namespace
