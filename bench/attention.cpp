// Attention by blocks of keys on the unit of the products, beside the most that the unit can do, measured in the same
// run. One sequence, causal, heads of 64. Work is counted once: 4·d FLOP for each query and each key that it sees. A
// row's name says the type of keys and values, query heads on key heads, and tokens. One thread.
#include <numeric>
#include <string>
#include <zoft/nn/layer/attention.hpp>

#include "products.hpp"

namespace {

void attend(benchmark::State& state, zoft::nn::dtype type, std::size_t heads, std::size_t kv_heads, std::size_t rows) {
  using namespace zoft::nn;
  constexpr std::size_t d = 64;
  const attention_shape shape{heads, kv_heads, d};
  const std::vector<float> q = bench::operands::numbers(rows * heads * d, 0),
                           k = bench::operands::numbers(rows * kv_heads * d, 1),
                           v = bench::operands::numbers(rows * kv_heads * d, 2);
  std::vector<float> y(q.size());
  std::vector<std::size_t> last(rows);
  std::iota(last.begin(), last.end(), std::size_t{0});
  key_values keys(kv_heads, d, type);
  for (auto _ : state) {
    keys.reshape(kv_heads, d, type);
    keys.resize(rows);
    keys.write(0, {k.data(), kv_heads * d}, {v.data(), kv_heads * d}, rows);
    attention(rows_of<const float>{q.data(), heads * d}, keys, last, shape, rows_of<float>{y.data(), heads * d});
    benchmark::ClobberMemory();
  }
  const double pairs = 0.5 * static_cast<double>(rows) * static_cast<double>(rows + 1);
  const double flop = 4.0 * static_cast<double>(heads * d) * pairs;
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["GFLOP/s"] = {1e-9 * flop, rate};
  state.counters["of_peak"] = {flop / bench::peak_of(type), rate};
}

const bool registered = [] {
  using zoft::nn::dtype;
  using shape = std::pair<std::size_t, std::size_t>;
  for (const auto& [name, type] : {std::pair{"bf16", dtype::bf16}, std::pair{"f32", dtype::f32}})
    for (const auto& [heads, kv_heads] : {shape{9, 3}, shape{4, 4}})
      for (const std::size_t rows : {std::size_t{512}, std::size_t{2048}, std::size_t{8192}}) {
        const std::string row = std::string("attention/") + name + "/" + std::to_string(heads) + "x" +
                                std::to_string(kv_heads) + "/" + std::to_string(rows);
        benchmark::RegisterBenchmark(row.c_str(), attend, type, heads, kv_heads, rows)->Unit(benchmark::kMillisecond);
      }
  return true;
}();

}  // namespace
