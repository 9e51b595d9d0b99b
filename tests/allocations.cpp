// Memory: what a step allocates, counted by replacing the program's operator new, which only this file may do.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <zoft/adapter/quantised.hpp>
#include <zoft/lozo.hpp>
#include <zoft/method/adamezo.hpp>
#include <zoft/method/fzoo.hpp>
#include <zoft/method/kerzoo.hpp>
#include <zoft/method/lozo_m.hpp>
#include <zoft/method/meazo.hpp>
#include <zoft/method/mezo_bcd.hpp>
#include <zoft/method/mezo_momentum.hpp>
#include <zoft/method/one_point.hpp>
#include <zoft/method/openes.hpp>
#include <zoft/method/sparse_mezo.hpp>
#include <zoft/method/spsa.hpp>
#include <zoft/method/subzero.hpp>
#include <zoft/method/tezo.hpp>
#include <zoft/method/zo_conservative.hpp>
#include <zoft/method/zo_muon.hpp>
#include <zoft/method/zo_sign.hpp>
#include <zoft/mezo.hpp>
#include <zoft/sampler/flipout.hpp>
#include <zoft/sampler/low_rank_product.hpp>
#if __has_include(<unsupported/Eigen/CXX11/ThreadPool>)
#define HAS_TRANSFORMER
#include "nn_support.hpp"
#endif

#include "core_support.hpp"

using core_test::value;

namespace {

std::atomic<bool> counting{false};
std::atomic<std::size_t> counts{0}, largest{0}, live{0}, peak{0};

// Before each block lies in which count it was counted, so that what is freed in the same one is taken off again.
struct label {
  std::size_t count, size;
};
std::size_t before(std::size_t alignment) { return std::max(alignment, sizeof(label)); }

void* allocated(std::size_t size, std::size_t alignment) noexcept {
  const std::size_t header = before(alignment), all = (header + size + header - 1) / header * header;
  auto* const block = static_cast<char*>(alignment == 0 ? std::malloc(all) : std::aligned_alloc(header, all));
  if (block == nullptr) return nullptr;
  const label of_block{counts, counting ? size : 0};
  std::memcpy(block, &of_block, sizeof of_block);
  live += of_block.size;
  largest = std::max(largest.load(), of_block.size);
  peak = std::max(peak.load(), live.load());
  return block + header;
}

void freed(void* memory, std::size_t alignment) noexcept {
  if (memory == nullptr) return;
  char* const block = static_cast<char*>(memory) - before(alignment);
  label of_block;
  std::memcpy(&of_block, block, sizeof of_block);
  if (of_block.count == counts) live -= of_block.size;
  std::free(block);
}

void* or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Not inlined: GCC would then see free called on what new returned, and warn.
[[gnu::noinline]] void* operator new(std::size_t size) { return or_throw(allocated(size, 0)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return or_throw(allocated(size, static_cast<std::size_t>(alignment)));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocated(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return allocated(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { freed(memory, 0); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { freed(memory, 0); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t alignment) noexcept {
  freed(memory, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t alignment) noexcept {
  freed(memory, static_cast<std::size_t>(alignment));
}

namespace {

// Large enough for a buffer of its size to stand out: two matrices, 120,000 parameters, and a vector of 300.
zoft::layout shape() {
  zoft::layout result;
  result.add("up", 300, 200);
  result.add("bias", 300);
  result.add("down", 200, 300);
  return result;
}
const std::size_t n = shape().size();
constexpr std::size_t rank = 4;
// What r columns beside each matrix' rows and columns come to, in bytes of floats.
constexpr std::size_t factors = rank * 2 * (300 + 200) * sizeof(float);

struct memory {
  std::size_t largest, peak;  // bytes: of one allocation, and of those that there were at once
};

template <class F>
memory counted(F f) {
  ++counts;
  largest = live = peak = 0;
  counting = true;
  f();
  counting = false;
  return {largest, peak};
}

template <class T>
std::vector<T> gaussians(std::size_t size, float deviation) {
  std::vector<T> x;
  for (const float z : core_test::noise<float>(zoft::gaussian{}, {99, 0, 0}, size)) x.push_back(T(deviation * z));
  return x;
}

template <class Tuner>
std::vector<memory> steps(Tuner tuner) {
  auto x = gaussians<float>(n, 0.02f);
  std::vector<memory> result;
  for (int step = 0; step < 3; ++step)
    result.push_back(counted([&] {
      tuner.step(std::span(x), [](std::span<const float> w) { return static_cast<double>(w[0]) + w[w.size() - 1]; });
    }));
  return result;
}

struct method {
  const char* name;
  std::size_t first;  // bytes that the first step may allocate besides, for state and for a direction looked at
  std::size_t each;   // bytes that each step may allocate at once
  std::vector<memory> (*run)();
};

// A row a method. Small things (reports, coefficients, tables of tensors) are within `small`.
constexpr std::size_t small = 12288;
const method methods[] = {
    {"mezo", 0, 0, [] { return steps(zoft::mezo({.seed = 1})); }},
    {"mezo, 4 queries", 0, 0, [] { return steps(zoft::mezo({.queries = 4, .seed = 1})); }},
    {"mezo_momentum", 0, 0, [] { return steps(zoft::mezo_momentum({.seed = 1})); }},
    {"adamezo", 0, 0, [] { return steps(zoft::adamezo({.seed = 1})); }},
    {"meazo", 0, 0, [] { return steps(zoft::meazo({.seed = 1})); }},
    {"zo_sign", 0, 0, [] { return steps(zoft::zo_sign({.seed = 1})); }},
    {"zo_signsgd", 0, 0, [] { return steps(zoft::zo_signsgd({.seed = 1})); }},
    {"spsa", 0, 0, [] { return steps(zoft::spsa({.seed = 1})); }},
    {"one_point", 0, 0, [] { return steps(zoft::one_point({.seed = 1})); }},
    {"fzoo", 0, 0, [] { return steps(zoft::fzoo({.seed = 1})); }},
    {"openes", 0, 0, [] { return steps(zoft::openes({.seed = 1})); }},
    {"kerzoo", 0, 0, [] { return steps(zoft::kerzoo({.seed = 1})); }},
    {"zo_conservative", 0, 0, [] { return steps(zoft::zo_conservative({.seed = 1})); }},
    {"mezo_bcd", 0, 0, [] { return steps(zoft::mezo_bcd({.seed = 1}, shape())); }},
    // A bit a parameter.
    {"sparse_mezo", n / 8, 0, [] { return steps(zoft::sparse_mezo({.seed = 1})); }},
    // A direction's factors are made four times a step: for either point, to come back from them, and to be applied.
    {"lozo", factors, 4 * factors, [] { return steps(zoft::lozo({.rank = rank}, shape())); }},
    {"lozo_m", 2 * factors, 4 * factors, [] { return steps(zoft::lozo_m({.rank = rank, .interval = 2}, shape())); }},
    // Columns are made orthonormal in double.
    {"subzero", 4 * factors, 16 * factors, [] { return steps(zoft::subzero({.rank = rank, .interval = 2}, shape())); }},
    {"tezo", factors, 4 * factors, [] { return steps(zoft::tezo({.rank = rank}, shape())); }},
    {"tezo_m", 2 * factors, 4 * factors, [] { return steps(zoft::tezo_m({.rank = rank}, shape())); }},
    {"zo_muon", 4 * factors, 25 * factors, [] { return steps(zoft::zo_muon({.rank = rank, .interval = 2}, shape())); }},
    {"low_rank_product", factors, 4 * factors,
     [] {
       return steps(zoft::engine{zoft::low_rank_product{shape(), rank}, zoft::two_point{}, zoft::full{}, zoft::sgd{}});
     }},
    {"flipout", factors, 4 * factors,
     [] {
       return steps(zoft::engine{zoft::flipout{shape()}, zoft::two_point{}, zoft::full{}, zoft::sgd{}});
     }},
};

// By what an in-place buffer of such weights comes back: an eighth of it.
constexpr std::size_t comes_back(std::size_t bytes) { return bytes / 8; }

// The first step also allocates that, and looks at one more direction, to see that it moves what it should. At others,
// that may grow a little.
bool within(const method& m, const std::vector<memory>& seen) {
  bool result =
      seen[0].largest <= comes_back(4 * n) && seen[0].peak <= comes_back(4 * n) + m.first + m.each + m.each / 4 + small;
  for (std::size_t i = 1; i < seen.size(); ++i)
    result = result && seen[i].largest <= 2 * factors && seen[i].peak <= m.each + n / 8 + small;
  return result;
}

// The fault: a sampler that makes z whole.
struct dense {
  template <class T>
  void axpy(std::span<T> x, T a, zoft::direction d, std::uint64_t first = 0) const {
    std::vector<T> z(n, T{0});
    zoft::gaussian{}.axpy(std::span(z), a, d);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += z[first + i];
  }
};

}  // namespace

TEST_CASE("memory: no method that needs none has a buffer of the parameters' size", "[allocations]") {
  for (const method& m : methods) {
    INFO(m.name);
    const auto seen = m.run();
    CAPTURE(seen[0].largest, seen[0].peak, seen[1].peak, seen[2].peak, m.first, m.each);
    CHECK(within(m, seen));
  }
}

namespace {

// What four steps allocate at once, besides the weights, which they move.
template <class T, class Adapter>
memory of_steps(std::vector<T>& x, std::size_t queries, Adapter adapter) {
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.epsilon = 1e-3, .queries = queries}, adapter,
                     zoft::sgd{.learning_rate = 1e-9}, zoft::seed{42}};
  return counted([&] {
    for (int step = 0; step < 4; ++step)
      tuner.step(std::span(x), [](std::span<const T> w) { return value(w[0]) + value(w[w.size() - 1]); });
  });
}

constexpr std::size_t many = 400'003;

}  // namespace

TEMPLATE_TEST_CASE("memory: ordinary weights come back by an eighth of what they are", "[allocations]", float, double,
                   zoft::bfloat16, zoft::half) {
  auto x = gaussians<TestType>(many, 0.02f);
  for (const std::size_t queries : {1u, 3u}) {
    const memory seen = of_steps(x, queries, zoft::full{});
    CAPTURE(seen.peak, many * sizeof(TestType) / 8);
    CHECK(seen.peak <= comes_back(many * sizeof(TestType)));
    CHECK(seen.peak >= many / 8);
  }
  const memory none = of_steps(x, 1, zoft::full{.restore = zoft::restore::drifting});
  CHECK(none.peak <= small);
}

// The worst there is: nothing of a weight is left beside its perturbation, so that it must be kept as it is.
TEMPLATE_TEST_CASE("memory: tiny weights come back, too, by what misses promises at worst", "[allocations]", float,
                   double, zoft::bfloat16, zoft::half) {
  using T = TestType;
  // Of half, numbers below 1e-6 are so few that all of them are within a byte of another.
  auto x = gaussians<T>(many, std::is_same_v<T, zoft::half> ? 1e-5f : 1e-12f);
  const auto start = core_test::bits(x);
  zoft::in_place<T> buffer;
  const memory seen = counted([&] {
    for (const double scale : {1e-3, -1e-3, 1e-2}) buffer.move(std::span(x), zoft::gaussian{}, {0, scale}, {42, 0, 0});
    buffer.restore(std::span(x), zoft::gaussian{});
  });
  CHECK((core_test::bits(x) == start));
  CAPTURE(seen.peak, many);
  CHECK(seen.peak > many * sizeof(T) / 2);
  // While a list grows there are two of it, and a third of 1/8 of it.
  CHECK(seen.peak <= many / 8 + many + 2 * many * sizeof(T) + small);
}

// A bit, what the limits cut off, and half a byte of residual unless that is made again; a copy of the weights in float
// would be 4 bytes.
TEST_CASE("memory: codes are tuned without a copy of the weights", "[allocations]") {
  zoft::layout of;
  of.add("weight", 625, 640);
  std::vector<std::int8_t> x;
  for (const float z : gaussians<float>(of.size(), 0.25f))
    x.push_back(static_cast<std::int8_t>(std::clamp(128 * z, -127.0f, 127.0f)));
  const auto history = GENERATE(std::size_t{0}, std::size_t{16});
  zoft::engine tuner{zoft::gaussian{}, zoft::two_point{.epsilon = 1e-2},
                     zoft::quantised{of, std::vector<float>(625, 1e-2f), history}, zoft::sgd{}, zoft::seed{42}};
  const memory seen = counted([&] {
    for (int step = 0; step < 3; ++step)
      tuner.step(std::span(x), [](std::span<const std::int8_t> w) { return w[0] + 0.5; });
  });
  CAPTURE(history, seen.peak, x.size());
  if (history == 0) CHECK(seen.peak >= x.size() / 2);
  CHECK(seen.peak <= (history == 0 ? x.size() * 3 / 4 : x.size() / 5));
}

TEST_CASE("memory: a dense buffer is noticed", "[allocations]") {
  const method none{"", 0, 4 * factors, nullptr};
  CHECK(!within(none, steps(zoft::engine{zoft::gaussian{}, zoft::two_point{}, zoft::full{}, zoft::momentum{}})));
  CHECK(!within(none, steps(zoft::engine{dense{}, zoft::two_point{}, zoft::full{}, zoft::sgd{}})));
}

#if defined(HAS_TRANSFORMER)
namespace {

// Most of its weights are the embedding's, and its forwards are of few tokens: what is as large as the weights stands
// out.
const zoft::nn::config wide_vocabulary{.dim = 64,
                                       .hidden = 128,
                                       .layers = 2,
                                       .heads = 4,
                                       .kv_heads = 2,
                                       .head_dim = 16,
                                       .vocabulary = 30000,
                                       .context = 32};

template <class Make>
void check_full_tuning(const char* name, Make make) {
  for (const auto type : {zoft::nn::dtype::f32, zoft::nn::dtype::bf16}) {
    INFO(name << ", " << zoft::nn::name_of(type));
    auto model = nn_test::random_model(wide_vocabulary, {}, 5, {.weights = type, .threads = 1});
    zoft::nn::batch b;
    b.add(std::vector<std::int32_t>{1, 20, 300, 2999});
    const std::size_t weights = model.weights_layout().size() * zoft::nn::bits_of(type) / 8;
    auto tuner = make(model.weights_layout());
    model.loss(b);  // the thread's own memory for products is made once
    for (int step = 0; step < 3; ++step) {
      const memory seen = counted([&] {
        tuner.step(model,
                   [&](const auto& candidates, std::span<double> losses) { model.losses(b, candidates, losses); });
      });
      CAPTURE(seen.largest, seen.peak, weights);
      CHECK(seen.largest < weights / 8);
      CHECK(seen.peak < weights / 4);
    }
  }
}

}  // namespace

TEST_CASE("memory: tuning all of a transformer's weights makes no buffer of their size", "[allocations]") {
  check_full_tuning("mezo", [](const zoft::layout& l) { return zoft::mezo({.queries = 2}, l); });
  check_full_tuning("lozo", [](const zoft::layout& l) { return zoft::lozo({.rank = 1, .queries = 2}, l); });
  check_full_tuning("subzero", [](const zoft::layout& l) { return zoft::subzero({.rank = 1, .queries = 2}, l); });
  check_full_tuning("tezo_m", [](const zoft::layout& l) { return zoft::tezo_m({.rank = 1}, l); });
  check_full_tuning("eggroll", [](const zoft::layout& l) {
    return zoft::engine{zoft::low_rank_product{l, 1}, zoft::two_point{.queries = 2}, zoft::full{l}, zoft::sgd{}};
  });
}
#endif
