#include <zoft/nn/layer/cross_entropy.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

namespace {

/// The score of logits that come in blocks of so many: of `sizes` in turn.
token_score in_blocks(std::span<const float> logits, std::size_t label, std::span<const std::size_t> lengths) {
  running_cross_entropy running(label);
  for (std::size_t first = 0, i = 0; first < logits.size(); first += lengths[i++ % lengths.size()])
    running.add(logits.subspan(first, std::min(lengths[i % lengths.size()], logits.size() - first)), first);
  return running.result();
}

const std::vector<std::vector<std::size_t>> block_lengths{{1},  {2},         {3},   {7},   {16},   {17},     {31, 1},
                                                          {64}, {100, 3, 1}, {255}, {257}, {1024}, {1, 1023}};

}  // namespace

TEST_CASE("cross_entropy: −ln p of the label and the greatest logit's place", "[nn]") {
  draws d(15);
  for (std::size_t n = 1; n <= 150; ++n) {
    const float size = n % 4 == 0 ? 60.0f : n % 4 == 1 ? 1e-3f : 5.0f;
    const std::vector<float> logits = d.numbers(n, size, n % 5 == 0 ? 1000.0f : 0.0f);
    const std::size_t label = d.size(0, n - 1);
    INFO("n " << n << ", label " << label);
    const token_score score = cross_entropy(logits, label), reference = cross_entropy_reference(logits, label);
    const auto greatest = std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float x : logits) sum += std::exp(double{x} - *greatest);
    const double exact = std::log(sum) + (double{*greatest} - logits[label]);
    // Relative error of the sum: the rounding of x − max counts |t|·e^−|t| < 1 times, exp twice, the lanes' sum.
    CHECK(std::abs(score.nll - exact) <= unit * (4 + lanes));
    CHECK(std::abs(reference.nll - exact) <= 1e-12 * (1 + std::abs(*greatest)));
    CHECK(score.best == greatest - logits.begin());
    CHECK(reference.best == greatest - logits.begin());
  }
}

TEST_CASE("cross_entropy: of equal logits the first is best", "[nn]") {
  for (const std::size_t n : sizes{1, 2, 5, 16, 33}) {
    std::vector<float> logits(n, 2.0f);
    CHECK(cross_entropy(logits, n - 1).best == 0);
    CHECK(cross_entropy(logits, n - 1).nll == Approx(std::log(static_cast<double>(n))).margin(1e-6));
    CHECK(cross_entropy_reference(logits, n - 1).best == 0);
    if (n < 3) continue;
    logits[n - 2] = logits[n - 1] = 3.0f;
    CHECK(cross_entropy(logits, 0).best == static_cast<std::int32_t>(n - 2));
  }
}

TEST_CASE("cross_entropy: huge logits are exact, −∞ is no token, NaN is NaN and no best", "[nn]") {
  for (const std::size_t n : sizes{3, 16, 37}) {
    std::vector<float> logits(n, -1e30f);
    logits[1] = 1e30f;
    CHECK(cross_entropy(logits, 1).nll == 0);
    CHECK(cross_entropy(logits, 0).nll == Approx(2e30));
    logits.assign(n, -infinity);
    logits[2] = 4;
    CHECK(cross_entropy(logits, 2).nll == 0);
    CHECK(cross_entropy(logits, 0).nll == std::numeric_limits<double>::infinity());
    CHECK(cross_entropy(logits, 0).best == 2);
    for (std::size_t at = 0; at < n; ++at) {
      logits.assign(n, 1.0f);
      logits[at] = not_a_number;
      CHECK(std::isnan(cross_entropy(logits, 0).nll));
      CHECK(cross_entropy(logits, 0).best == -1);
    }
  }
}

TEST_CASE("running_cross_entropy: in blocks of any lengths, the score of all logits at once", "[nn]") {
  draws d(20);
  enum order { any, ascending, descending, far_apart };
  for (const auto& lengths : block_lengths)
    for (const std::size_t n : sizes{1, 2, 50, 1000, 2500})
      for (const order kind : {any, ascending, descending, far_apart}) {
        INFO("blocks of " << lengths[0] << ", n " << n << ", order " << kind);
        // Where a later block has a greater logit, what was summed must be scaled: each time, and once by e^-200.
        std::vector<float> logits = d.numbers(n, kind == far_apart ? 100.0f : 6.0f);
        if (kind == ascending || kind == descending) std::sort(logits.begin(), logits.end());
        if (kind == descending) std::reverse(logits.begin(), logits.end());
        double rescalings = 0, sum = 0, greatest = logits[0];
        for (const float x : logits) {
          rescalings += x > greatest;
          greatest = std::max(greatest, double{x});
        }
        for (const float x : logits) sum += std::exp(x - greatest);
        // The rounding of x − max counts |t|·e^−|t| < 1 times, exp twice, and up to 16 of a lane are summed, and lanes.
        // All of a block's terms are rounded beside the greatest then, of which rescaling in double leaves the parts.
        const double bound = unit * (4 + 16 + lanes) + 1e-15 * (rescalings + static_cast<double>(n));
        for (const std::size_t label : {std::size_t{0}, n / 2, n - 1}) {
          const token_score score = in_blocks(logits, label, lengths),
                            reference = cross_entropy_reference(logits, label);
          CHECK(std::abs(score.nll - (std::log(sum) + greatest - double{logits[label]})) <= bound);
          CHECK(std::abs(score.nll - reference.nll) <= bound + 1e-12);
          CHECK(score.best == reference.best);
        }
      }
}

TEST_CASE("running_cross_entropy: a last block of some tokens counts them as the vector's lanes do", "[nn]") {
  draws d(22);
  // The greatest, then few: what does not fill a vector must count beside it.
  for (std::size_t n = 1; n <= 40; ++n) {
    std::vector<float> logits = d.numbers(64 + n, 1e-3f);
    const std::size_t lengths[] = {64};
    const token_score score = in_blocks(logits, 3, lengths), whole = cross_entropy_reference(logits, 3);
    CHECK(std::abs(score.nll - whole.nll) <= unit * (20 + lanes));
    logits.back() = 5;
    CHECK(in_blocks(logits, 3, lengths).best == static_cast<std::int32_t>(logits.size() - 1));
    CHECK(std::abs(in_blocks(logits, 3, lengths).nll - cross_entropy_reference(logits, 3).nll) <= unit * (20 + lanes));
  }
}

TEST_CASE("running_cross_entropy: −∞ is no token in any block, NaN is NaN from then on, the first of equals is best",
          "[nn]") {
  for (const auto& lengths : block_lengths) {
    INFO("blocks of " << lengths[0]);
    for (const std::size_t n : sizes{40, 300}) {
      // Whole blocks of −∞ first, and last.
      for (const std::size_t at : {std::size_t{0}, n / 2, n - 1}) {
        std::vector<float> logits(n, -infinity);
        logits[at] = -3;
        CHECK(in_blocks(logits, at, lengths).nll == 0);
        CHECK(in_blocks(logits, at, lengths).best == static_cast<std::int32_t>(at));
        CHECK(in_blocks(logits, at == 0 ? 1 : 0, lengths).nll == infinity);
      }
      for (const std::size_t at : {std::size_t{0}, n / 2, n - 1}) {
        std::vector<float> logits(n, 1.0f);
        logits[at] = not_a_number;
        for (const float other : {1.0f, 9.0f}) {
          logits[n / 3] = other;
          CHECK(std::isnan(in_blocks(logits, 0, lengths).nll));
          CHECK(in_blocks(logits, 0, lengths).best == -1);
        }
      }
      std::vector<float> logits(n, 1.0f);
      CHECK(in_blocks(logits, n - 1, lengths).best == 0);
      logits[n / 5] = logits[n / 5 + 1] = logits[n - 1] = 2;
      CHECK(in_blocks(logits, 0, lengths).best == static_cast<std::int32_t>(n / 5));
      CHECK(std::abs(in_blocks(logits, n - 1, lengths).nll - cross_entropy_reference(logits, n - 1).nll) <=
            unit * (20 + lanes));
    }
  }
}
