// Matrix products beside what the machine can do at most, measured in the same run: fused multiply-adds on registers,
// reading memory, and Eigen's product of the same shape. One thread. Arguments: rows, in, out.
// zoft comes before Eigen, as it includes <immintrin.h> in the way that keeps GCC 12 from a false warning.
// clang-format off
#include <zoft/nn/matmul.hpp>
#include <Eigen/Dense>
// clang-format on

#include <benchmark/benchmark.h>

#include <chrono>
#include <string>
#include <vector>
#include <zoft/sampler/uniform.hpp>

namespace {

using zoft::nn::dtype;
using floats = zoft::simd::floats<>;

template <class F>
double least_seconds(F f) {
  double least = 1e30;
  for (int turn = 0; turn < 7; ++turn) {
    const auto start = std::chrono::steady_clock::now();
    f();
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

/// FLOP/s of independent multiply-adds, as many as hide their latency.
double peak() {
  static const double measured = [] {
    constexpr std::size_t chains = zoft::simd::vector_registers == 32 ? 24 : 12;
    constexpr int turns = 2'000'000;
    return 2.0 * chains * floats::size * turns / least_seconds([] {
             floats sum[chains], x(1.0001f), y(0.0001f);
             for (floats& s : sum) s = y;
             for (int turn = 0; turn < turns; ++turn)
#pragma GCC unroll 24
               for (std::size_t i = 0; i < chains; ++i) sum[i] = xsimd::fma(sum[i], x, y);
             for (std::size_t i = 1; i < chains; ++i) sum[0] = sum[0] + sum[i];
             benchmark::DoNotOptimize(sum[0]);
           });
  }();
  return measured;
}

/// Bytes/s of reading far more than the cache holds.
double read_bandwidth() {
  static const double measured = [] {
    const std::vector<float> data(std::size_t{64} << 20, 1.0f);
    return static_cast<double>(data.size() * sizeof(float)) / least_seconds([&] {
             floats sum[8];
             for (floats& s : sum) s = floats(0.0f);
             for (std::size_t i = 0; i < data.size(); i += 8 * floats::size)
               for (std::size_t j = 0; j < 8; ++j)
                 sum[j] = sum[j] + floats::load_unaligned(&data[i + j * floats::size]);
             for (std::size_t j = 1; j < 8; ++j) sum[0] = sum[0] + sum[j];
             benchmark::DoNotOptimize(sum[0]);
           });
  }();
  return measured;
}

std::vector<float> numbers(std::size_t n, std::uint32_t query) {
  std::vector<float> result(n, 0.0f);
  zoft::uniform{}.axpy(std::span(result), 1.0f, {1, 2, query});
  return result;
}

void report(benchmark::State& state, std::size_t bytes) {
  const double flop = 2.0 * static_cast<double>(state.range(0) * state.range(1) * state.range(2));
  state.counters["GFLOP/s"] = {1e-9 * flop, benchmark::Counter::kIsIterationInvariantRate};
  state.counters["of_peak"] = {flop / peak(), benchmark::Counter::kIsIterationInvariantRate};
  if (bytes > 0)
    state.counters["of_read"] = {static_cast<double>(bytes) / read_bandwidth(),
                                 benchmark::Counter::kIsIterationInvariantRate};
}

template <dtype Type>
void matmul(benchmark::State& state) {
  const auto rows = static_cast<std::size_t>(state.range(0)), in = static_cast<std::size_t>(state.range(1)),
             out = static_cast<std::size_t>(state.range(2));
  const std::vector<float> x = numbers(rows * in, 0);
  const auto w = zoft::nn::pack(numbers(out * in, 1), out, in, Type);
  std::vector<float> y(rows * out);
  for (auto _ : state) {
    zoft::nn::matmul(x, rows, w, y);
    benchmark::ClobberMemory();
  }
  report(state, rows < 8 ? w.bytes() : 0);
}

void eigen(benchmark::State& state) {
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const matrix x = matrix::Random(state.range(0), state.range(1)), w = matrix::Random(state.range(2), state.range(1));
  matrix y(state.range(0), state.range(2));
  for (auto _ : state) {
    y.noalias() = x * w.transpose();
    benchmark::ClobberMemory();
  }
  report(state, 0);
}

void shapes(benchmark::internal::Benchmark* b) {
  for (const auto& [rows, in, out] : {std::array{1024, 576, 576},
                                      {1024, 576, 1536},
                                      {1024, 2048, 2048},
                                      {1024, 2048, 5632},
                                      {256, 288, 288},
                                      {512, 288, 768},
                                      {8, 2048, 5632},
                                      {1, 8192, 8192}})
    b->Args({rows, in, out});
}

}  // namespace

BENCHMARK_TEMPLATE(matmul, dtype::f32)->Apply(shapes);
BENCHMARK_TEMPLATE(matmul, dtype::bf16)->Apply(shapes);
BENCHMARK_TEMPLATE(matmul, dtype::i8)->Apply(shapes);
BENCHMARK_TEMPLATE(matmul, dtype::i4)->Apply(shapes);
BENCHMARK_TEMPLATE(matmul, dtype::nf4)->Apply(shapes);
BENCHMARK(eigen)->Apply(shapes);
