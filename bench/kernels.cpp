// Matrix products by zoft and by other libraries, beside the most that the machine can do, measured in the same run.
// One thread. A row's name says what multiplies, and rows × in × out. FLOP/byte counts each byte of x, W and y once, W
// as it is stored. of_peak is the share of what the fastest unit for such numbers can do; of_read is the share of the
// bandwidth of reading memory.
#include <array>
#include <string>

#include "products.hpp"

namespace {

// From few FLOP a byte to many. One of them fits no register's width.
constexpr std::array<std::size_t, 3> shapes[] = {{1, 8192, 8192},   {8, 2048, 5632},    {256, 288, 288},
                                                 {512, 288, 768},   {257, 289, 771},    {1024, 576, 576},
                                                 {1024, 576, 1536}, {1024, 2048, 2048}, {1024, 2048, 5632}};

void count(benchmark::State& state, double flop, double bytes, double peak) {
  const auto rate = benchmark::Counter::kIsIterationInvariantRate;
  state.counters["GFLOP/s"] = {1e-9 * flop, rate};
  state.counters["GB/s"] = {1e-9 * bytes, rate};
  state.counters["FLOP/byte"] = flop / bytes;
  state.counters["of_peak"] = {flop / peak, rate};
  state.counters["of_read"] = {bytes / bench::read_bandwidth(), rate};
}

template <class Product>
void product(benchmark::State& state, std::size_t rows, std::size_t in, std::size_t out) try {
  Product multiply(rows, in, out);
  for (auto _ : state) {
    multiply();
    benchmark::ClobberMemory();
  }
  count(state, 2.0 * static_cast<double>(rows * in * out),
        static_cast<double>((rows * in + rows * out) * sizeof(float) + multiply.weight_bytes()),
        bench::peak_of(Product::type));
} catch (const std::exception& e) {
  state.SkipWithError(e.what());
}

/// What was measured already, in the place of a rate: 0 in it says that there is none.
void machine(benchmark::State& state, double flop_rate, double byte_rate) {
  for (auto _ : state) {
  }
  state.counters["GFLOP/s"] = 1e-9 * flop_rate;
  state.counters["GB/s"] = 1e-9 * byte_rate;
  state.counters["FLOP/byte"] = state.counters["of_peak"] = state.counters["of_read"] = 0;
}

const bool registered = [] {
  const auto add_peak = [](const char* name, double (*flop_rate)(), double (*byte_rate)()) {
    benchmark::RegisterBenchmark(name, [=](benchmark::State& state) {
      machine(state, flop_rate != nullptr ? flop_rate() : 0, byte_rate != nullptr ? byte_rate() : 0);
    })->Iterations(1);
  };
  add_peak("machine/fp32 multiply-add", bench::peak_fma, nullptr);
  add_peak("machine/bf16 dot by AVX-512", bench::peak_dot, nullptr);
  add_peak("machine/bf16 tiles by AMX", bench::peak_amx, nullptr);
  add_peak("machine/read", nullptr, bench::read_bandwidth);
  bench::for_each_product([]<class Product>(const char* name) {
    for (const auto& [rows, in, out] : shapes)
      benchmark::RegisterBenchmark(
          (std::string(name) + "/" + std::to_string(rows) + "x" + std::to_string(in) + "x" + std::to_string(out))
              .c_str(),
          product<Product>, rows, in, out);
  });
  return true;
}();

}  // namespace
