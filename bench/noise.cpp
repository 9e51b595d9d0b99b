// Elements a second of x += a·z for each sampler and storage type, beside what the memory allows: a plain axpy from
// memory, a read-modify-write without any z, and the standard library's normal distribution for scale. One thread; the
// buffers are far larger than cache (64 Mi elements), and once small enough to stay in it.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>
#include <zoft/sampler/gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>

namespace {

constexpr std::int64_t in_memory = std::int64_t{64} << 20, in_cache = std::int64_t{16} << 10;

void count(benchmark::State& state) { state.SetItemsProcessed(state.iterations() * state.range(0)); }

template <class Sampler, class T>
void noise(benchmark::State& state) {
  std::vector<T> x(static_cast<std::size_t>(state.range(0)), T(0.5f));
  std::uint32_t step = 0;
  for (auto _ : state) {
    Sampler{}.template axpy<T>(x, zoft::arithmetic_t<T>(1e-3), {42, step++, 0});
    benchmark::ClobberMemory();
  }
  count(state);
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
ZOFT_BENCH(noise, zoft::gaussian, float);
ZOFT_BENCH(noise, zoft::gaussian, double);
ZOFT_BENCH(noise, zoft::gaussian, zoft::bfloat16);
ZOFT_BENCH(noise, zoft::gaussian, zoft::half);
ZOFT_BENCH(noise, zoft::rademacher, float);
ZOFT_BENCH(noise, zoft::rademacher, double);
ZOFT_BENCH(noise, zoft::rademacher, zoft::bfloat16);
ZOFT_BENCH(noise, zoft::rademacher, zoft::half);
BENCHMARK(standard_normal)->Arg(in_cache)->Unit(benchmark::kMillisecond);
