// The bits of z: the same whole, in pieces and on threads. tests/bits has them under other flags.
#include <cstring>
#include <limits>
#include <thread>
#include <zoft/engine/directions/parallel.hpp>

#include "core_support.hpp"
#include "noise_hash.hpp"

using namespace core_test;
using noise_hash::fixed;
using noise_hash::many;

namespace {

// An executor whose threads take every `workers`-th task.
struct interleaved {
  std::size_t threads;
  std::size_t workers() const { return threads; }
  template <class F>
  void run(std::size_t count, F&& f) const {
    std::vector<std::thread> pool;
    for (std::size_t w = 0; w < threads; ++w)
      pool.emplace_back([&, w] {
        for (std::size_t task = w; task < count; task += threads) f(task, w);
      });
    for (auto& t : pool) t.join();
  }
};
static_assert(zoft::executor<interleaved>);

// The same elements in pieces whose lengths and offsets are odd, even, short and long.
template <class T, class Sampler>
std::vector<T> in_pieces(const Sampler& sampler, std::size_t n, zoft::arithmetic_t<T> a, std::vector<T> x,
                         std::uint64_t first) {
  const auto z = zoft::at(sampler, fixed);
  const std::size_t lengths[] = {1, 63, 3, 2, 64, 17, 1001, 128, 31, 4099, 5, 2048, 65537};
  for (std::size_t from = 0, k = 0; from < n; ++k) {
    const std::size_t length = std::min(lengths[k % std::size(lengths)], n - from);
    z.axpy(std::span<T>(x).subspan(from, length), a, first + from);
    from += length;
  }
  return x;
}

}  // namespace

TEST_CASE("samplers: ten million elements have the recorded bits", "[noise]") {
  noise_hash::for_each(noise_hash::all, [](const auto& r) {
    INFO(r.name);
    const auto whole = noise<float>(r.sampler, fixed, many);
    CHECK(noise_hash::of(std::span<const float>(whole)) == r.hash);
    // Bits are compared, as hashing them again takes longer than making them.
    const auto is_whole = [&](const std::vector<float>& z) {
      return z.size() == many && std::memcmp(z.data(), whole.data(), many * sizeof(float)) == 0;
    };
    CHECK(is_whole(in_pieces<float>(r.sampler, many, 1.0f, std::vector<float>(many, 0.0f), 0)));
    for (const std::size_t threads : {1u, 2u, 7u}) {
      INFO(threads << " threads");
      std::vector<float> z(many, 0.0f);
      zoft::axpy(interleaved{threads}, r.sampler, std::span(z), 1.0f, fixed);
      CHECK(is_whole(z));
    }
  });
}

TEST_CASE("axpy on threads: any piece has the bits of the whole", "[noise]") {
  const auto whole = noise<float>(zoft::gaussian{}, fixed, 300'000, 1000);
  for (const std::size_t first : {0u, 1u, 64'535u, 64'536u, 64'537u, 200'000u})
    for (const std::size_t n : {0u, 1u, 65'536u, 70'001u}) {
      std::vector<float> z(n, 0.0f);
      zoft::axpy(interleaved{3}, zoft::gaussian{}, std::span(z), 1.0f, fixed, 1000 + first);
      CAPTURE(first, n);
      CHECK(std::equal(z.begin(), z.end(), whole.begin() + static_cast<std::ptrdiff_t>(first)));
    }
}

TEST_CASE("storage: stored numbers have the recorded bits", "[noise]") {
  noise_hash::for_each(noise_hash::storages, []<class T>(const noise_hash::recorded_storage<T>& r) {
    INFO(r.name);
    CHECK(noise_hash::of_storage<T>() == r.hash);
  });
}

TEST_CASE("rademacher: the sign of element i is bit i mod 32 of word i / 32", "[noise]") {
  const auto z = noise<float>(zoft::rademacher{}, fixed, 5000, 1000);
  for (std::size_t i = 0; i < z.size(); ++i) {
    const std::uint64_t at = 1000 + i;
    const bool up = (zoft::random::word(fixed, zoft::random::stream::perturbation, at / 32) >> at % 32 & 1) != 0;
    REQUIRE(z[i] == (up ? 1.0f : -1.0f));
  }
}

TEMPLATE_TEST_CASE("axpy: every storage is moved by the one float z", "[noise]", float, double, zoft::bfloat16,
                   zoft::half) {
  using T = TestType;
  using A = zoft::arithmetic_t<T>;
  constexpr std::size_t n = 10'007;
  const std::uint64_t first = GENERATE(0u, 37u);
  const auto check = [&](const auto& sampler) {
    const auto z = noise<float>(sampler, fixed, n, first);
    std::vector<T> start, expected;
    const A a = A(0.037);
    for (std::size_t i = 0; i < n; ++i) {
      start.push_back(T(A(0.02) * static_cast<A>(z[(i * 7 + 1) % n])));
      expected.push_back(moved<T>(start[i], a, static_cast<A>(z[i])));
    }
    auto x = start;
    sampler.axpy(std::span<T>(x), a, fixed, first);
    CHECK(bits(x) == bits(expected));
    CHECK(bits(in_pieces<T>(sampler, n, a, start, first)) == bits(expected));
    CHECK(bits(x) != bits(start));
  };
  check(zoft::gaussian{});
  check(zoft::rademacher{});
  check(zoft::uniform{});
  check(zoft::sphere{n + 37});
}

TEMPLATE_TEST_CASE("draw: a piece is what axpy makes of zeros", "[noise]", float, double) {
  const zoft::direction d{5, 6, 7};
  const auto check = [&](const auto& z) {
    for (const std::size_t n : {std::size_t{1}, std::size_t{31}, std::size_t{64}, std::size_t{65}, std::size_t{4099}})
      for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{13}, (std::uint64_t{1} << 38) - 70}) {
        std::vector<TestType> drawn(n, TestType(9)), added(n);
        z.axpy(std::span(added), TestType(1), first);
        zoft::draw(z, std::span(drawn), first);
        CHECK(drawn == added);
      }
  };
  check(zoft::gaussian{}.at(d));
  check(zoft::rademacher{}.at(d));
  check(zoft::uniform{}.at(d));
  check(zoft::at(zoft::sparse<zoft::gaussian>{.density = 0.5}, d));
}

TEST_CASE("axpy: a piece far into a direction has the bits of the whole", "[noise]") {
  // Element 2³⁶ is where the gaussian's block counter crosses 2³².
  const std::uint64_t far = (std::uint64_t{1} << 36) - 1000;
  const auto check = [&](const auto& sampler) {
    const auto whole = noise<float>(sampler, fixed, 5000, far);
    std::vector<float> single(5000, 0.0f);
    for (std::size_t i = 0; i < single.size(); ++i)
      sampler.axpy(std::span<float>(single).subspan(i, 1), 1.0f, fixed, far + i);
    CHECK(whole == single);
    CHECK(whole != noise<float>(sampler, fixed, 5000, 0));
  };
  check(zoft::gaussian{});
  check(zoft::rademacher{});
  check(zoft::uniform{});
  check(zoft::sparse{zoft::gaussian{}, 0.5});
}

TEST_CASE("axpy: where there is nothing to do, every bit stays", "[noise]") {
  noise_hash::for_each(noise_hash::all, [](const auto& r) {
    INFO(r.name);
    std::vector<float> none, x{-0.0f, 2.0f, std::bit_cast<float>(0x7f800001u), 1e-45f};
    for (int i = 0; i < 100; ++i) x.push_back(-0.0f);
    const auto before = bits(x);
    r.sampler.axpy(std::span<float>(none), 1.0f, fixed);
    r.sampler.axpy(std::span<float>(x), 0.0f, fixed);
    CHECK(bits(x) == before);
    r.sampler.axpy(std::span<float>(x), -0.0f, fixed, 3);
    CHECK(bits(x) == before);
    r.sampler.axpy(std::span<float>(x), 1.0f, fixed);
    CHECK(bits(x) != before);
  });
}

TEST_CASE("axpy: the signs of zeros do not depend on the pieces", "[noise]") {
  // a·z underflows to a zero with z's sign, and −0 + −0 stays −0.
  const std::vector<float> zeros(5000, -0.0f);
  noise_hash::for_each(noise_hash::all, [&](const auto& r) {
    INFO(r.name);
    auto x = zeros;
    r.sampler.axpy(std::span<float>(x), 1e-45f, fixed);
    auto expected = bits(x);
    CHECK(bits(in_pieces<float>(r.sampler, zeros.size(), 1e-45f, zeros, 0)) == expected);
    auto y = zeros;
    zoft::axpy(interleaved{2}, r.sampler, std::span(y), 1e-45f, fixed);
    CHECK(bits(y) == expected);
  });
}

TEST_CASE("axpy: what cannot be done is refused before anything is written", "[noise]") {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::uint64_t end = std::uint64_t{1} << 56, top = ~std::uint64_t{0};
  const auto check = [&](const auto& sampler) {
    std::vector<float> x(200, 1.0f);
    const std::span<float> span(x);
    const auto of = [&](float a, std::uint64_t first) {
      const auto alone = message([&] { sampler.axpy(span, a, fixed, first); });
      CHECK(message([&] { zoft::axpy(interleaved{2}, sampler, span, a, fixed, first); }) == alone);
      return alone;
    };
    CHECK(of(nan, 0) == "zoft: axpy: the scale is nan, and must be finite");
    CHECK(of(inf, 0) == "zoft: axpy: the scale is inf, and must be finite");
    CHECK(of(-inf, 7) == "zoft: axpy: the scale is -inf, and must be finite");
    for (const std::uint64_t first : {end - 199, end, end + 1, top - 198, top})
      CHECK(of(1.0f, first) == "zoft: axpy: 200 elements from element " + std::to_string(first) +
                                   " on were asked, and a direction has 72057594037927936");
    // Only its length is looked at.
    const std::span<float> long_span(x.data(), (std::size_t{1} << 40) + 1);
    CHECK(message([&] { sampler.axpy(long_span, 1.0f, fixed); }) ==
          "zoft: axpy: the span has 1099511627777 elements, and may have 2^40");
    CHECK(message([&] { zoft::axpy(interleaved{2}, sampler, long_span, 1.0f, fixed); }) ==
          "zoft: axpy: the span has 1099511627777 elements, and may have 2^40");
    CHECK(x == std::vector<float>(200, 1.0f));
    // The last elements there are.
    sampler.axpy(span, 1.0f, fixed, end - 200);
    CHECK(x != std::vector<float>(200, 1.0f));
  };
  check(zoft::gaussian{});
  check(zoft::rademacher{});
  check(zoft::uniform{});
  check(zoft::sparse{zoft::rademacher{}, 0.5});
}

TEST_CASE("sphere and sparse: what they cannot be is refused", "[noise]") {
  std::vector<float> x(200, 1.0f);
  const auto of = [&](const auto& sampler, std::uint64_t first = 0) {
    const auto alone = message([&] { sampler.axpy(std::span(x), 1.0f, fixed, first); });
    CHECK(message([&] { zoft::axpy(zoft::serial{}, sampler, std::span(x), 1.0f, fixed, first); }) == alone);
    return alone;
  };
  CHECK(of(zoft::sphere{}) == "zoft: sphere: the size is 0, and must be the number of parameters, 1 to 2^40");
  CHECK(of(zoft::sphere{(std::uint64_t{1} << 40) + 1}) ==
        "zoft: sphere: the size is 1099511627777, and must be the number of parameters, 1 to 2^40");
  for (const double density : {0.0, -0.1, 1.0000001, std::numeric_limits<double>::infinity()})
    CHECK(of(zoft::sparse{zoft::gaussian{}, density}) ==
          "zoft: sparse: the density is " + zoft::text(density) + ", and must be in (0, 1]");
  CHECK(of(zoft::sparse{zoft::gaussian{}, std::nan("")}) == "zoft: sparse: the density is nan, and must be in (0, 1]");
  CHECK(message([&] { zoft::sphere{100}.axpy(std::span(x), 1.0f, fixed); }) ==
        "zoft: axpy: 200 elements from element 0 on were asked, and a direction has 100");
  CHECK(message([&] { zoft::axpy(interleaved{2}, zoft::sphere{100}, std::span(x), 1.0f, fixed); }) ==
        "zoft: axpy: 200 elements from element 0 on were asked, and a direction has 100");
  const zoft::sparse<zoft::sphere> both{{100}, 0.5};
  CHECK(message([&] { both.axpy(std::span(x), 1.0f, fixed); }) ==
        "zoft: axpy: 200 elements from element 0 on were asked, and a direction has 100");
  CHECK(x == std::vector<float>(200, 1.0f));
}
