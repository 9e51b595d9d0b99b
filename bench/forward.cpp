// Tokens a second of a forward that ends in losses, on models of known shapes with random weights; and of its matrix
// products alone, by zoft and by other libraries, which is the most that a forward built on them could reach. The other
// libraries have one matrix of each shape, which stays in cache if it fits: that favours them. of_peak is the share of
// what the fastest units of as many cores as there are threads can do.
#include <memory>
#include <string>

#include "models.hpp"
#include "products.hpp"

namespace {

constexpr std::size_t sequences = 8, tokens = 64;

void count(benchmark::State& state, const bench::shape& s, zoft::nn::dtype type, std::size_t threads) {
  const double flop = bench::flop_of_forward(s.config, sequences * tokens);
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["tokens/s"] = {static_cast<double>(sequences * tokens), rate};
  state.counters["GFLOP/s"] = {1e-9 * flop, rate};
  state.counters["of_peak"] = {flop / (bench::peak_of(type) * static_cast<double>(threads)), rate};
}

void forward(benchmark::State& state, const bench::shape& s, zoft::nn::dtype type, std::size_t threads) {
  const auto& model = bench::kept_model(s, type, threads);
  const auto batch = bench::random_batch(s.config, sequences, tokens);
  for (auto _ : state) benchmark::DoNotOptimize(model.loss(batch));
  count(state, s, type, threads);
}

template <class Product>
void products(benchmark::State& state, const bench::shape& s) try {
  std::vector<std::pair<std::unique_ptr<Product>, std::size_t>> all;
  for (const auto& [in, out, n] : bench::products_of(s.config))
    all.emplace_back(std::make_unique<Product>(sequences * tokens, in, out), n);
  for (auto _ : state)
    for (const auto& [multiply, n] : all)
      for (std::size_t i = 0; i < n; ++i) {
        (*multiply)();
        benchmark::ClobberMemory();
      }
  count(state, s, Product::type, 1);
} catch (const std::exception& e) {
  state.SkipWithError(e.what());
}

const bool registered = [] {
  using zoft::nn::dtype;
  for (const bench::shape* s : {&bench::stories, &bench::smol, &bench::tiny}) {
    // One turn of the largest is long enough.
    const auto set = [&](benchmark::internal::Benchmark* b) {
      b->Unit(benchmark::kMillisecond)->UseRealTime();
      if (s == &bench::tiny) b->Iterations(1)->Repetitions(1);
    };
    const auto add = [&](const std::string& name, dtype type, std::size_t threads) {
      set(benchmark::RegisterBenchmark(
          (std::string("forward/") + s->name + "/" + name + "/" + std::to_string(threads)).c_str(), forward, *s, type,
          threads));
    };
    if (s != &bench::tiny) add("zoft_f32", dtype::f32, 1);
    if (s != &bench::tiny) add("zoft_bf16", dtype::bf16, 1);
    add("zoft_bf16", dtype::bf16, 2);
  }
  bench::for_each_product([]<class Product>(const std::string& name) {
    if (zoft::nn::bits_of(Product::type) < 16) return;
    for (const bench::shape* s : {&bench::stories, &bench::smol, &bench::tiny})
      benchmark::RegisterBenchmark((std::string("products/") + s->name + "/" + name + "/1").c_str(), products<Product>,
                                   *s)
          ->Unit(benchmark::kMillisecond);
  });
  return true;
}();

}  // namespace
