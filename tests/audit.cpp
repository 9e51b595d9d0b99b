#include <zoft/audit.hpp>

#include "autotune_support.hpp"

using namespace core_test;
using autotune_test::start;
using autotune_test::waves;

namespace {

/// A linear of 6 × 8 with a bias behind tanh, on 5 inputs; the mean squared distance to targets. x is W (6, 8), row-
/// major, and b (6).
struct small_network {
  static constexpr std::size_t out = 6, in = 8;
  static zoft::layout layout() {
    zoft::layout l;
    l.add("W", out, in);
    l.add("b", out);
    return l;
  }

  double operator()(std::span<const float> x) const {
    double sum = 0;
    for (std::size_t k = 0; k < 5; ++k)
      for (std::size_t o = 0; o < out; ++o) {
        double y = double(x[out * in + o]);
        for (std::size_t i = 0; i < in; ++i) y += double(x[o * in + i]) * std::sin(double(3 * k + 5 * i + 1));
        const double off = std::tanh(y) - std::cos(double(k + 7 * o));
        sum += off * off / 30;
      }
    return sum;
  }
};

/// f for each of the candidates.
template <class F>
auto each(F f) {
  return [f](zoft::candidates<float> c, std::span<double> losses) {
    for (std::size_t i = 0; i < c.size(); ++i) losses[i] = f(c[i]);
  };
}

double to_bf16(double v) { return double(float(zoft::bfloat16(float(v)))); }

std::string findings(const zoft::audit_report& r) {
  std::string all;
  for (const std::string& s : r.findings) all += s + "\n";
  return all;
}
bool has(const std::string& all, const std::string& part) { return all.find(part) != std::string::npos; }

const std::vector<float> at = start<float>(54);
const std::span<const float> theta(at);

}  // namespace

TEST_CASE("audit: nothing is found in a function that is right", "[audit]") {
  const auto r = zoft::audit(each(small_network{}), small_network{}, theta, {.layout = small_network::layout()});
  CAPTURE(r.why());
  CHECK(r.findings.empty());
  CHECK(r.loss == small_network{}(theta));
  CHECK(r.spread == 0);
  CHECK(r.candidates == 8);
  CHECK(r.group_difference == 0);
  CHECK(r.order_difference == 0);
  CHECK(r.noise.value < 1e-6);
  REQUIRE(r.radii.size() == 6);
  CHECK(r.radii[0].epsilon == 1e-2 / 64);
  CHECK(r.radii[3].epsilon == 1e-2);
  CHECK(r.radii[3].trainable);
  CHECK(r.radii[3].agreement > 0.999);
  REQUIRE(r.reference);
  CHECK(r.reference->correlation > 0.9999999);
  CHECK(r.reference->ratio == Approx(1));
  CHECK(has(r.why(), "nothing was found to be wrong"));

  // The same, of a function of one point, of doubles, and of two bytes.
  const auto alone = zoft::audit(small_network{}, theta);
  CAPTURE(alone.why());
  CHECK(alone.findings.empty());
  CHECK(alone.candidates == 1);
  CHECK(!alone.reference);
  const auto wide = start<double>(30);
  CHECK(zoft::audit(waves<double>{}, std::span(wide)).findings.empty());
  const auto narrow = start<zoft::half>(30);
  CHECK(findings(zoft::audit(waves<zoft::half>{}, std::span(narrow), {.epsilon = 0.1, .radii = {0.05, 0.2}})) == "");
}

TEST_CASE("audit: the slopes are those along the named directions, and the count of losses is right", "[audit]") {
  std::size_t calls = 0, losses = 0;
  const auto f = [&](zoft::candidates<float> c, std::span<double> to) {
    ++calls;
    losses += c.size();
    each(small_network{})(c, to);
  };
  const auto r = zoft::audit(f, theta, {.epsilon = 0.05, .radii = {0.1}, .directions = 3, .seed = 4});
  CHECK(r.evaluations == losses);
  REQUIRE(r.radii.size() == 2);
  double squares = 0;
  for (std::uint32_t i = 0; i < 3; ++i) {
    std::vector<float> up = at, down = at;
    zoft::gaussian{}.axpy(std::span(up), 0.05f, {4, 3, i});
    zoft::gaussian{}.axpy(std::span(down), -0.05f, {4, 3, i});
    squares += std::pow((small_network{}(up)-small_network{}(down)) / 0.1, 2) / 3;
  }
  CHECK(r.radii[0].slope == Approx(std::sqrt(squares)).epsilon(1e-6));
}

TEST_CASE("audit: a loss rounded to bfloat16 is trained through at large radii only", "[audit]") {
  const auto rounded = each([](std::span<const float> x) { return to_bf16(small_network{}(x)); });
  const auto r = zoft::audit(rounded, theta, {.epsilon = 1e-3, .radii = {1e-4, 1e-2, 3e-2, 0.1, 0.3}});
  CAPTURE(r.why());
  REQUIRE(r.findings.size() == 1);
  CHECK(has(r.findings[0], "at epsilon 0.001, slopes of "));
  CHECK(has(r.findings[0], "should be at least 0.9; take an epsilon from "));
  // Losses from 1 to 2 are 2⁻⁷ apart; the error is uniform, up to half of that.
  autotune_test::check_factor(r.noise.value, 0x1p-7 / std::sqrt(12.0), 3);
  CHECK(r.radii[0].predicted == 0);  // nothing moves
  CHECK(!r.radii[0].trainable);
  CHECK(!r.radii[1].trainable);
  const auto [from, to] = r.trainable();
  CHECK(from >= 1e-2);
  CHECK(to >= 3e-2);

  // What is predicted from the noise is what the slopes without rounding show.
  for (const double epsilon : {3e-3, 1e-2, 3e-2, 0.1}) {
    const auto exact =
        zoft::audit(rounded, small_network{}, theta, {.epsilon = epsilon, .radii = {0.2}, .directions = 400});
    CAPTURE(epsilon, exact.why());
    REQUIRE(exact.reference);
    CHECK(exact.reference->correlation == Approx(exact.radii[0].predicted).margin(0.15));
  }

  CHECK(zoft::audit(rounded, theta, {.epsilon = 0.1}).findings.empty());
}

TEST_CASE("audit: one radius alone is judged by the noise", "[audit]") {
  const auto rounded = [](std::span<const float> x) { return to_bf16(small_network{}(x)); };
  for (const double epsilon : {3e-3, 0.3}) {
    const auto r = zoft::audit(rounded, theta, {.epsilon = epsilon, .radii = {epsilon}});
    CAPTURE(r.why());
    REQUIRE(r.radii.size() == 1);
    CHECK(r.radii[0].trainable == (epsilon == 0.3));
    CHECK(r.findings.size() == (epsilon == 0.3 ? 0 : 1));
    CHECK(has(findings(r), "there is no epsilon to train with among the 1 that were tried") == (epsilon != 0.3));
  }
}

TEST_CASE("audit: a radius at which curvature hides the slope", "[audit]") {
  const auto r = zoft::audit(waves<float>{}, theta, {.epsilon = 5, .radii = {0.01, 0.1, 1}});
  CAPTURE(r.why());
  REQUIRE(r.findings.size() == 1);
  CHECK(has(r.findings[0], "at epsilon 5, slopes are correlated "));
  CHECK(has(r.findings[0], " with those at epsilon 0.01"));
  CHECK(r.trainable().first == 0.01);
  CHECK(r.trainable().second < 5);
}

TEST_CASE("audit: parameters that are laid out otherwise", "[audit]") {
  // W is read as its transpose, which at W = 0 does not show in the loss.
  const auto transposed = each([](std::span<const float> x) {
    std::vector<float> y(x.begin(), x.end());
    for (std::size_t o = 0; o < 6; ++o)
      for (std::size_t i = 0; i < 8; ++i) y[o * 8 + i] = x[i * 6 + o];
    return small_network{}(y);
  });
  const std::vector<float> zero(54);
  const auto r = zoft::audit(transposed, small_network{}, std::span(zero), {.layout = small_network::layout()});
  CAPTURE(r.why());
  REQUIRE(r.findings.size() == 2);
  CHECK(has(r.findings[0], "1 of 2 parts of x do not do what they do in the reference"));
  CHECK(has(r.findings[0], "moving 'W' changes the loss by "));
  CHECK(has(r.findings[1], "slopes along 100 directions are correlated "));
  CHECK(r.reference->loss == r.loss);
  CHECK(r.reference->correlation < 0.99);

  // Two tensors of one shape in each other's places.
  zoft::layout pair;
  for (const char* name : {"A", "B", "C"}) pair.add(name, 18);
  const auto swapped = [](std::span<const float> x) {
    std::vector<float> y(x.begin(), x.end());
    std::swap_ranges(y.begin(), y.begin() + 18, y.begin() + 18);
    return small_network{}(y);
  };
  CHECK(has(findings(zoft::audit(swapped, small_network{}, std::span(zero), {.layout = pair})),
            "2 of 3 parts of x do not do what they do in the reference"));
}

TEST_CASE("audit: an engine that takes the first slice of stacked weights for all of them", "[audit]") {
  // Two blocks y = tanh((W + X)y), of which X is trained. At X = 0 a layout cannot be why losses differ.
  const auto network = [](std::array<int, 2> slices) {
    return [slices](std::span<const float> x) {
      std::array<double, 3> y{1, 0.5, -0.3};
      for (std::size_t block = 0; block < 2; ++block) {
        std::array<double, 3> next{};
        for (std::size_t o = 0; o < 3; ++o) {
          for (std::size_t i = 0; i < 3; ++i)
            next[o] += (std::sin(9.0 * slices[block] + double(3 * o + i)) + double(x[9 * block + 3 * o + i])) * y[i];
          next[o] = std::tanh(next[o]);
        }
        y = next;
      }
      return (y[0] - 1) * (y[0] - 1) + y[1] * y[1] + (y[2] + 1) * (y[2] + 1);
    };
  };
  const std::vector<float> zero(18);
  const auto audit = [&](std::array<int, 2> slices) {
    return findings(zoft::audit(network(slices), network({0, 1}), std::span(zero)));
  };
  CHECK(audit({0, 1}).empty());
  const std::string found = audit({0, 0});
  CAPTURE(found);
  CHECK(has(found, "x is 0, so its layout is not why; other weights or less precision may be"));
  CHECK(has(found, " parts of x do not do what they do in the reference: moving "));
}

TEST_CASE("audit: another function, or the same with steps of another size", "[audit]") {
  const auto shifted = [](std::span<const float> x) { return small_network{}(x) + 0.01; };
  CHECK(has(findings(zoft::audit(shifted, small_network{}, theta)),
            "these differ by 0.01, and should by at most 0.0001"));
  CHECK_FALSE(has(findings(zoft::audit(shifted, small_network{}, theta)), "x is 0"));

  const auto uphill =
      zoft::audit([](std::span<const float> x) { return 3 - small_network{}(x); }, small_network{}, theta);
  CHECK(uphill.reference->correlation < -0.999);
  CHECK(has(findings(uphill), "slopes along 100 directions are correlated -1 with the reference's"));

  const std::vector<float> zero(54);
  const std::string of_zero = findings(zoft::audit(shifted, small_network{}, std::span(zero)));
  CHECK(has(of_zero, "0.0001; x is 0, so its layout is not why; other weights or less precision may be"));

  const auto twice = [](std::span<const float> x) {
    std::vector<float> y;
    for (const float v : x) y.push_back(2 * v);
    return small_network{}(y);
  };
  const auto r = zoft::audit(twice, small_network{}, std::span(zero), {.epsilon = 1e-3});
  CHECK(r.reference->correlation > 0.999);
  CHECK(has(findings(r), "slopes are 2 times the reference's, and should be as large"));
}

TEST_CASE("audit: candidates that are mixed up, or change each other", "[audit]") {
  const auto rolled = [](zoft::candidates<float> c, std::span<double> losses) {
    for (std::size_t i = 0; i < c.size(); ++i) losses[i] = small_network{}(c[(i + 1) % c.size()]);
  };
  const auto r = zoft::audit(rolled, theta);
  CAPTURE(r.why());
  CHECK(has(findings(r), " gets the loss of candidate "));
  CHECK(r.group_difference > 0);

  const auto averaged = [](zoft::candidates<float> c, std::span<double> losses) {
    each(small_network{})(c, losses);
    double mean = 0;
    for (const double v : losses) mean += v / double(losses.size());
    for (double& v : losses) v += 0.01 * (mean - v);
  };
  for (const bool fixed : {false, true}) {
    const auto among = zoft::audit(averaged, theta, {.fixed = fixed});
    CAPTURE(among.why());
    CHECK(has(findings(among), "of 8 candidates in a call, candidate "));
    CHECK(has(findings(among), "these differ by "));
  }

  // Equal candidates get equal losses in all places but the last.
  const auto placed = [](zoft::candidates<float> c, std::span<double> losses) {
    each(small_network{})(c, losses);
    if (losses.size() == 8) losses[7] += 0.001;
  };
  CHECK(has(findings(zoft::audit(placed, theta)), "candidate "));
  CHECK(has(findings(zoft::audit(placed, theta, {.fixed = true})), "candidate "));
}

TEST_CASE("audit: a candidate whose loss is not a number among others", "[audit]") {
  for (const std::size_t which : {0u, 3u, 7u}) {
    const auto r = zoft::audit(
        [which](zoft::candidates<float> c, std::span<double> losses) {
          each(small_network{})(c, losses);
          if (losses.size() == 8) losses[which] = std::nan("");
        },
        theta);
    CHECK(has(findings(r), "candidate " + zoft::text(which) + " has a loss of nan, and alone of "));
    CHECK(!r.radii[3].trainable);
  }
}

TEST_CASE("audit: a functor that takes a fixed number of candidates", "[audit]") {
  bool all = true;
  const auto f = [&](zoft::candidates<float> c, std::span<double> losses) {
    all = all && c.size() == 6;
    each(small_network{})(c, losses);
  };
  const auto r = zoft::audit(f, theta, {.directions = 10, .candidates = 6, .fixed = true});
  CHECK(r.findings.empty());
  CHECK(all);
}

TEST_CASE("audit: a functor that is not deterministic", "[audit]") {
  auto noisy = autotune_test::with_noise(small_network{}, 1e-3);
  const auto r = zoft::audit(noisy, theta, {.epsilon = 1e-3});
  CAPTURE(r.why());
  CHECK(has(findings(r), "the loss is not deterministic: four evaluations at x differ by up to "));
  CHECK(has(findings(r), "at epsilon 0.001, slopes of "));
  CHECK(!has(findings(r), "does not depend"));
  autotune_test::check_factor(r.noise.value, 1e-3, 4);
  CHECK(!r.radii[3].trainable);
}

TEST_CASE("audit: noise that is larger away from x than at x shows in how slopes grow", "[audit]") {
  auto near = autotune_test::with_noise(small_network{}, 1e-3, 5),
       far = autotune_test::with_noise(small_network{}, 3e-3, 6);
  const auto f = [&](std::span<const float> x) { return std::abs(x[0] - theta[0]) < 3e-3f ? near(x) : far(x); };
  const auto r = zoft::audit(f, small_network{}, theta, {.epsilon = 0.02, .radii = {0.08, 0.2}, .directions = 400});
  CAPTURE(r.why());
  autotune_test::check_factor(r.noise.value, 1e-3, 2);
  REQUIRE(r.reference);
  CHECK(r.reference->correlation < 0.93);
  CHECK(r.radii[0].predicted == Approx(r.reference->correlation).margin(0.05));
  CHECK(!has(findings(r), "does not depend"));
}

TEST_CASE("audit: parameters that are not used", "[audit]") {
  // The bias's last element, and all of it.
  for (const std::size_t first : {53u, 48u}) {
    const auto deaf = each([first](std::span<const float> x) {
      std::vector<float> y(x.begin(), x.end());
      std::fill(y.begin() + std::ptrdiff_t(first), y.end(), 0.1f);
      return small_network{}(y);
    });
    CHECK(has(findings(zoft::audit(deaf, theta)),
              "the loss does not depend on parameters " + zoft::text(first) + " to "));
    if (first == 48)
      CHECK(has(findings(zoft::audit(deaf, theta, {.layout = small_network::layout()})),
                "the loss does not depend on 'b', and should depend on all parameters"));
  }
  CHECK(has(findings(zoft::audit([](std::span<const float>) { return 3.0; }, theta)),
            "the loss is 3 wherever it was evaluated"));
  CHECK(
      has(findings(zoft::audit([](std::span<const float>) { return std::sqrt(-1.0); }, theta)), "and must be finite"));
}

TEST_CASE("audit: options that make no sense", "[audit]") {
  const auto with = [](const zoft::audit_options& o) {
    return message([&] { zoft::audit(small_network{}, theta, o); });
  };
  CHECK(with({.epsilon = 0}) == "zoft: audit: epsilon is 0, and must be above 0");
  CHECK(with({.radii = {-1}}) == "zoft: audit: a radius is -1, and must be above 0");
  CHECK(with({.directions = 1}) == "zoft: audit: directions is 1, and must be at least 2");
  CHECK(with({.candidates = 0}) == "zoft: audit: candidates is 0, and must be at least 1");
  zoft::layout other;
  other.add("w", 3);
  CHECK(with({.layout = other}) == "zoft: audit: the layout has 3 elements, and x has 54");
  CHECK(message([] { zoft::audit(small_network{}, std::span<const float>()); }) ==
        "zoft: audit: there are no parameters");
}
