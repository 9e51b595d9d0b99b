// The kernel for AMX on any machine with AVX512_BF16's conversions, with arrays for tiles.
#include <array>
#include <zoft/nn/kernel/matmul.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

#if defined(ZOFT_HAS_AMX) || defined(ZOFT_HAS_BF16_DOT)

namespace {

struct tile {
  std::uint32_t pairs[16][16];

  void load(const std::uint32_t* from, std::size_t stride) {
    for (std::size_t r = 0; r < 16; ++r) std::copy_n(from + r * stride, 16, pairs[r]);
  }
  float at(std::size_t row, std::size_t pair, int half) const {
    return static_cast<float>(std::bit_cast<zoft::bfloat16>(static_cast<std::uint16_t>(pairs[row][pair] >> 16 * half)));
  }
};

struct emulated_tiles {
  static inline float sums[32][32];
  static inline tile x[2], w[2];

  static void clear() { std::fill_n(&sums[0][0], 32 * 32, 0.0f); }
  static void load_x(const std::uint32_t* upper, const std::uint32_t* lower, std::size_t stride) {
    x[0].load(upper, stride);
    x[1].load(lower, stride);
  }
  static void load_w(const std::uint32_t* left, const std::uint32_t* right, std::size_t stride) {
    w[0].load(left, stride);
    w[1].load(right, stride);
  }
  // The even inputs' products are summed, and the odd ones', and both are added to what was.
  static void add_products() {
    for (std::size_t r = 0; r < 32; ++r)
      for (std::size_t c = 0; c < 32; ++c) {
        float sum[2] = {0, 0};
        for (std::size_t pair = 0; pair < 16; ++pair)
          for (const int half : {0, 1})
            sum[half] = std::fma(x[r / 16].at(r % 16, pair, half), w[c / 16].at(pair, c % 16, half), sum[half]);
        sums[r][c] += sum[0] + sum[1];
      }
  }
  static void store(float* to) { std::copy_n(&sums[0][0], 32 * 32, to); }
};

using amx = kernel::bf16_amx<zoft::simd::arch, emulated_tiles>;

void multiply(rows_of<const float> x, std::size_t rows, const packed_matrix& w, rows_of<float> y, bool accumulate) {
  kernel::for_each_block<amx>(x, rows, w.in(), [&](const kernel::gathered<amx>& block) {
    for (std::size_t p = 0; p < w.panels(); ++p)
      block.multiply_panel(0, block.rows, w, p, y.at(block.row, p * w.width()), accumulate);
  });
}

}  // namespace

TEST_CASE("AMX: products of odd shapes", "[nn]") {
  draws d(61);
  const dtype types[] = {dtype::bf16, dtype::i8, dtype::i4, dtype::nf4};
  for (int trial = 0; trial < 60; ++trial) {
    const std::size_t rows = trial % 10 == 0 ? 290 : d.size(1, 50),
                      in = trial % 6 == 0 ? d.size(2000, 2200) : d.size(1, 90),
                      out = d.size(1, trial % 3 == 0 ? 70 : 30);
    const dtype type = types[trial % 4];
    const bool accumulate = d.word() % 2 == 0;
    INFO("rows " << rows << ", in " << in << ", out " << out << ", " << name_of(type) << ", accumulate " << accumulate);
    const packed_matrix w = pack(d.numbers(out * in), out, in, type);
    const spaced x(rows, in, d.size(0, 5), d);
    spaced y(rows, out, d.size(0, 5), d);
    const spaced before = y;
    multiply(x.read(), rows, w, y.write(), accumulate);
    double worst = 0;
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t o = 0; o < out; ++o) {
        double sum = accumulate ? before.at(row, o) : 0.0, size = std::abs(sum);
        for (std::size_t i = 0; i < in; ++i) {
          const double term = double{static_cast<float>(zoft::bfloat16(x.at(row, i)))} * w.at(o, i);
          sum += term;
          size += std::abs(term);
        }
        const double of_codes = bits_of(type) == 4 ? 0x1p-8 : 0;
        const double bound = (static_cast<double>(in + in / 16 + 3) * unit + of_codes) * size * 1.0001;
        const double error = std::abs(y.at(row, o) - sum);
        worst = error <= worst * bound ? worst : std::isnan(error) ? 1e30 : error / bound;
      }
    CHECK(worst <= 1);
    CHECK(y.gaps_are_untouched());
  }
}

TEST_CASE("AMX: a row's bits do not depend on the rows beside it", "[nn]") {
  draws d(62);
  for (const dtype type : {dtype::bf16, dtype::i8, dtype::i4, dtype::nf4}) {
    const std::size_t in = 2100, out = 40, most = 70;
    const packed_matrix w = pack(d.numbers(out * in), out, in, type);
    const spaced x(most, in, 3, d);
    spaced all(most, out, 0);
    multiply(x.read(), most, w, all.write(), false);
    for (const std::size_t rows : sizes{1, 5, 11, 12, 16, 17, 33}) {
      const std::size_t first = d.size(0, most - rows);
      spaced some(rows, out, 2);
      multiply(x.read(first), rows, w, some.write(), false);
      for (std::size_t row = 0; row < rows; ++row) CHECK(same_bits(some.row(row), all.row(first + row)));
    }
  }
}

TEST_CASE("AMX: what adapters add", "[nn]") {
  draws d(63);
  for (int trial = 0; trial < 10; ++trial) {
    const std::size_t rank = sizes{1, 5, 8, 16, 33}.begin()[trial / 2];
    const bool split = trial % 2 == 1;
    const std::size_t rows = 19, columns = 29, steps = amx::steps_of(rank, split), padded = (steps + 15) / 16 * 16;
    const std::vector<float> u = d.numbers(rows * rank), b = d.numbers(columns * rank);
    std::vector<std::uint32_t> x(32 * padded), panel(padded * 32);
    for (std::size_t r = 0; r < rows; ++r) amx::expand_x(u.data() + r * rank, rank, split, x.data() + r * padded);
    amx::expand_w(b.data(), rank, columns, 1.5f, split, 32, panel.data());
    std::vector<float> y = d.numbers(rows * columns);
    const std::vector<float> before = y;
    amx::multiply_steps<2>({x.data(), padded}, rows, panel.data(), padded, {y.data(), columns}, columns, true);
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < columns; ++c) {
        double sum = before[r * columns + c], size = std::abs(sum);
        for (std::size_t k = 0; k < rank; ++k) {
          const float number = u[r * rank + k];
          const double term = 1.5 * (split ? number : static_cast<float>(zoft::bfloat16(number))) * b[c * rank + k];
          sum += term;
          size += std::abs(term);
        }
        // Of b, 2⁻¹⁶ is rounded away; of u too where it is split, and as much is the product of the lower parts.
        CHECK(std::abs(y[r * columns + c] - sum) <= size * ((split ? 3 : 1) * 0x1p-16 + 100 * unit));
      }
  }
}

#if defined(ZOFT_HAS_AMX)
TEST_CASE("AMX: tiles that another library has configured stay so", "[nn]") {
  { kernel::amx_tiles asks_for_permission; }
  using bytes = std::array<std::uint8_t, 64>;
  alignas(64) bytes others{1}, after{};
  others[16] = 32, others[48] = 8;
  // The intrinsics do not say that they read and write memory.
  const auto configured = [&] {
    _tile_storeconfig(after.data());
    asm volatile("" : "+m"(after)::"memory");
    return after;
  };
  asm volatile("" ::: "memory");
  _tile_loadconfig(others.data());
  { kernel::amx_tiles ours; }
  CHECK(configured() == others);
  _tile_release();
  { kernel::amx_tiles ours; }
  CHECK(configured() == bytes{});
}
#endif

#else

TEST_CASE("AMX: products of odd shapes", "[nn]") { WARN("SKIPPED: AMX's kernel, without AVX512_BF16's conversions"); }

#endif
