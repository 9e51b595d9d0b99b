// Elements a second of x += a·z for each sampler and storage type, beside what the memory allows: a plain axpy of two
// arrays and a read-modify-write without any z. The standard library's normal distribution is there for scale. The
// buffers are far larger than cache (64 Mi elements), and once small enough to stay in it. One thread, except in the
// last rows.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>
#include <zoft/engine/directions/parallel.hpp>
#include <zoft/nn/kernel/thread_pool.hpp>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/sampler/sparse.hpp>
#include <zoft/sampler/sphere.hpp>
#include <zoft/sampler/uniform.hpp>

namespace {

constexpr std::int64_t in_memory = std::int64_t{64} << 20, in_cache = std::int64_t{16} << 10;

void count(benchmark::State& state) { state.SetItemsProcessed(state.iterations() * state.range(0)); }

template <class Sampler, class T>
void noise(benchmark::State& state) {
  std::vector<T> x(static_cast<std::size_t>(state.range(0)), T(0.5f));
  Sampler sampler;
  if constexpr (std::is_same_v<Sampler, zoft::sphere>) sampler.size = x.size();
  std::uint32_t step = 0;
  for (auto _ : state) {
    sampler.template axpy<T>(x, zoft::arithmetic_t<T>(1e-3), {42, step++, 0});
    benchmark::ClobberMemory();
  }
  count(state);
}

template <class Sampler, class T>
void noise_on_threads(benchmark::State& state) {
  std::vector<T> x(static_cast<std::size_t>(state.range(0)), T(0.5f));
  const zoft::nn::thread_pool threads;
  std::uint32_t step = 0;
  for (auto _ : state) {
    zoft::axpy(threads, Sampler{}, std::span(x), zoft::arithmetic_t<T>(1e-3), {42, step++, 0});
    benchmark::ClobberMemory();
  }
  count(state);
  state.SetLabel(std::to_string(threads.workers()) + " threads");
}

template <class T>
void plain_axpy(benchmark::State& state) {
  std::vector<T> x(static_cast<std::size_t>(state.range(0)), T(0.5f));
  const std::vector<float> z(x.size(), 1.0f);
  for (auto _ : state) {
    zoft::random::axpy<T>(x, zoft::arithmetic_t<T>(1e-3), z.data());
    benchmark::ClobberMemory();
  }
  count(state);
}

void read_modify_write(benchmark::State& state) {
  std::vector<float> x(static_cast<std::size_t>(state.range(0)), 0.5f);
  for (auto _ : state) {
    for (float& value : x) value += 1e-3f;
    benchmark::ClobberMemory();
  }
  count(state);
}

void standard_normal(benchmark::State& state) {
  std::vector<float> x(static_cast<std::size_t>(state.range(0)), 0.5f);
  std::mt19937 generator(42);
  std::normal_distribution<float> normal;
  for (auto _ : state) {
    for (float& value : x) value += 1e-3f * normal(generator);
    benchmark::ClobberMemory();
  }
  count(state);
}

}  // namespace

#define ZOFT_BENCH(...) BENCHMARK_TEMPLATE(__VA_ARGS__)->Arg(in_cache)->Arg(in_memory)->Unit(benchmark::kMillisecond)
BENCHMARK(read_modify_write)->Arg(in_cache)->Arg(in_memory)->Unit(benchmark::kMillisecond);
ZOFT_BENCH(plain_axpy, float);
ZOFT_BENCH(plain_axpy, zoft::bfloat16);

#define ZOFT_STORAGES(...)                 \
  ZOFT_BENCH(__VA_ARGS__, float);          \
  ZOFT_BENCH(__VA_ARGS__, double);         \
  ZOFT_BENCH(__VA_ARGS__, zoft::bfloat16); \
  ZOFT_BENCH(__VA_ARGS__, zoft::half)
ZOFT_STORAGES(noise, zoft::gaussian);
ZOFT_STORAGES(noise, zoft::rademacher);
ZOFT_STORAGES(noise, zoft::uniform);
ZOFT_BENCH(noise, zoft::sphere, float);
ZOFT_BENCH(noise, zoft::sparse<zoft::gaussian>, float);
#define ZOFT_BENCH_THREADS(...) \
  BENCHMARK_TEMPLATE(__VA_ARGS__)->Arg(in_memory)->Unit(benchmark::kMillisecond)->UseRealTime()
ZOFT_BENCH_THREADS(noise_on_threads, zoft::gaussian, float);
ZOFT_BENCH_THREADS(noise_on_threads, zoft::gaussian, zoft::bfloat16);
ZOFT_BENCH_THREADS(noise_on_threads, zoft::rademacher, float);
BENCHMARK(standard_normal)->Arg(in_cache)->Unit(benchmark::kMillisecond);
