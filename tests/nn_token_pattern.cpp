#include <array>
#include <zoft/adapter/prefix.hpp>
#include <zoft/nn/token_thresholds.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>

#include "nn_reference.hpp"
#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

namespace {

using ids = std::vector<std::int32_t>;

/// Of a loss: in F32, logits are within this of those in double. What is left out changes losses by far more.
constexpr double rounding = 1e-4;
constexpr std::size_t length = 300;  // 5 blocks, of which the last is not full

/// A model of 4 blocks, whose context is long enough for some blocks of tokens.
transformer long_model(const zoft::nn::load_options& o = {}, std::size_t window = 0) {
  config shape = odd_shape();
  shape.layers = 4;
  shape.context = 400;
  if (window > 0) shape.pattern.assign(shape.layers, {.window = window});
  return random_model(shape, {true, false, true}, 91, o);
}

/// Labels of every token, of some here and there, or of the last ones.
ids labels_of(const ids& tokens, std::size_t kind) {
  ids labels = tokens;
  draws d(93);
  for (std::size_t t = 0; t < labels.size(); ++t)
    if ((kind == 1 && d.word() % 11 > 0) || (kind == 2 && t < 270)) labels[t] = ignored;
  return labels;
}

token_pattern some_pattern(std::size_t layers, dropped_tokens dropped) {
  token_pattern result{.dropped = dropped, .kept = {}};
  for (std::size_t i = 0; i < layers; ++i)
    result.kept.push_back(i % 3 == 0   ? std::vector<std::uint32_t>{0, 2, 4}
                          : i % 3 == 1 ? std::vector<std::uint32_t>{1, 2}
                                       : std::vector<std::uint32_t>{0, 3, 4});
  return result;
}

batch one(const ids& tokens, const ids& labels, token_pattern pattern) {
  batch result;
  result.add(tokens, labels, std::make_shared<const token_pattern>(std::move(pattern)));
  return result;
}

/// The loss of group g in double, with the pattern.
double exact_loss(const reference_model& exact, const ids& tokens, const ids& labels, const zoft::adapter_stack& groups,
                  std::size_t g, const token_pattern& pattern) {
  std::vector<bool> wanted(tokens.size());
  for (std::size_t t = 1; t < tokens.size(); ++t) wanted[t - 1] = labels[t] != ignored;
  const auto logits = exact.logits(tokens, groups, g, &pattern, wanted);
  double sum = 0, predicted = 0;
  for (std::size_t t = 0; t + 1 < tokens.size(); ++t) {
    if (!wanted[t]) continue;
    double total = 0;
    for (const double logit : logits[t]) total += std::exp(logit);
    sum += std::log(total) - logits[t][static_cast<std::size_t>(labels[t + 1])];
    ++predicted;
  }
  return sum / predicted;
}

}  // namespace

TEST_CASE("token patterns: the losses of a forward in double that leaves out the same tokens, in each group", "[nn]") {
  const transformer model = long_model({.threads = 1});
  const ids tokens = draws(92).tokens(length, 51);
  auto tuner = zoft::prge({.queries = 2, .epsilon = 0.2, .learning_rate = 0.1, .seed = 5}, zoft::lora{.rank = 2});
  tuner.attach(model);
  tuner.ask();
  tuner.tell(std::vector<double>{1.5, 0.5, 2.0, 1.0});
  const auto groups = tuner.ask();
  const reference_model exact(model);
  for (const dropped_tokens dropped : {dropped_tokens::seen, dropped_tokens::unseen})
    for (const std::size_t kind : sizes{0, 1, 2}) {
      const ids labels = labels_of(tokens, kind);
      const token_pattern pattern = some_pattern(4, dropped);
      const batch b = one(tokens, labels, pattern);
      batch dense;
      dense.add(tokens, labels);
      std::vector<double> losses(groups.size()), dense_losses(groups.size());
      model.losses(b, groups, losses);
      model.losses(dense, groups, dense_losses);
      for (std::size_t g = 0; g < groups.size(); ++g) {
        INFO("dropped tokens are " << (dropped == dropped_tokens::seen ? "seen" : "unseen") << ", labels " << kind);
        CHECK(std::abs(losses[g] - exact_loss(exact, tokens, labels, groups, g, pattern)) < rounding);
        CHECK(std::abs(losses[g] - dense_losses[g]) > 10 * rounding);
      }
    }
}

TEST_CASE("token patterns: tokens that no layer keeps, and that predict nothing, are left out", "[nn]") {
  const transformer model = long_model({.threads = 1});
  const ids tokens = draws(92).tokens(length, 51);
  const zoft::prge_options o{.queries = 1, .epsilon = 0.2, .learning_rate = 0.1, .seed = 5};
  auto linears = zoft::prge(o, zoft::lora{.rank = 2});
  auto prefixes = zoft::prge(o, zoft::prefix{.length = 3});
  linears.attach(model);
  prefixes.attach(model);
  linears.ask();
  linears.tell(std::vector<double>{1.5, 0.5});
  const zoft::adapter_stack plain = linears.ask();
  zoft::adapter_stack behind_prefix = plain;
  behind_prefix.prefixes = prefixes.ask().prefixes;
  const reference_model exact(model);
  using blocks = std::vector<std::uint32_t>;
  for (const auto& kept : {std::vector(4, blocks{0, 2, 4}), std::vector(4, blocks{1, 3}),
                           std::vector{blocks{0, 4}, blocks{2, 4}, blocks{0}, blocks{2, 4}}}) {
    const token_pattern pattern{.dropped = dropped_tokens::unseen, .kept = kept};
    const ids labels = labels_of_kept(pattern, tokens, ignored);
    const batch b = one(tokens, labels, pattern);
    // What is left out is not computed: other tokens there change nothing.
    ids others = tokens;
    for (std::size_t t = 0; t < length; ++t)
      if (std::none_of(kept.begin(), kept.end(), [&](const blocks& layer) {
            return std::find(layer.begin(), layer.end(), t / 64) != layer.end();
          }))
        others[t] = (others[t] + 1) % 51;
    REQUIRE(others != tokens);
    for (const zoft::adapter_stack& groups : {plain, behind_prefix}) {
      std::vector<double> losses(groups.size());
      model.losses(b, groups, losses);
      for (std::size_t g = 0; g < groups.size(); ++g)
        CHECK(std::abs(losses[g] - exact_loss(exact, tokens, labels, groups, g, pattern)) < rounding);
      CHECK(model.loss(one(others, labels, pattern), groups.every(2, 0)) == losses[0]);
    }
    const std::vector<task> tasks = tasks_of(b, 512, true);
    CHECK(tasks[0].tokens.size() < (kept[0].size() == 2 ? 200 : 180));
  }
}

TEST_CASE("token patterns: labels that no kept token predicts are ignored, unless that is all of them", "[nn]") {
  const token_pattern pattern{.dropped = dropped_tokens::unseen, .kept = {{1, 2}, {1, 3}}};
  const ids labels = draws(3).tokens(250, 51);
  const ids left = labels_of_kept(pattern, labels, ignored);
  for (std::size_t t = 1; t < labels.size(); ++t) {
    const std::size_t from = (t - 1) / 64;
    CHECK(left[t] == (from == 1 || from == 3 ? labels[t] : ignored));
  }
  ids few(250, ignored);
  few[10] = 7;
  CHECK(labels_of_kept(pattern, few, ignored) == few);
  CHECK(labels_of_kept({.dropped = dropped_tokens::unseen, .kept = {{1, 3, 99}}}, labels, ignored) == left);
  io_test::check_refused([&] { labels_of_kept({}, labels, ignored); }, {"token pattern: it is for 0 layers"});
}

TEST_CASE("token patterns: the same bits on any number of threads, alone and in a stack, and from a copy", "[nn]") {
  for (const dtype type : {dtype::f32, dtype::bf16}) {
    const transformer model = long_model({.weights = type, .threads = 1});
    const ids tokens = draws(92).tokens(length, 51), labels = labels_of(tokens, 1);
    auto tuner = zoft::prge({.queries = 3, .epsilon = 0.2, .learning_rate = 0.1, .seed = 5}, zoft::lora_fa{.rank = 2});
    tuner.attach(model);
    const auto groups = tuner.ask();
    for (const dropped_tokens dropped : {dropped_tokens::seen, dropped_tokens::unseen}) {
      const batch b = one(tokens, labels, some_pattern(4, dropped));
      std::vector<double> stacked(groups.size());
      model.losses(b, groups, stacked);
      for (const std::size_t threads : sizes{2, 3}) {
        std::vector<double> shared(groups.size());
        long_model({.weights = type, .threads = threads}).losses(b, groups, shared);
        CHECK(same_bits(shared, stacked));
      }
      for (std::size_t g = 0; g < groups.size(); ++g)
        CHECK(model.loss(b, groups.every(groups.size(), g)) == stacked[g]);
    }
  }
}

TEST_CASE("token patterns: all tokens kept are the bits of none", "[nn]") {
  for (const std::size_t kind : sizes{0, 1, 2}) {
    const transformer model = long_model({.weights = dtype::bf16, .threads = 2});
    const ids tokens = draws(92).tokens(length, 51), labels = labels_of(tokens, kind);
    batch dense;
    dense.add(tokens, labels);
    for (const dropped_tokens dropped : {dropped_tokens::seen, dropped_tokens::unseen})
      CHECK(model.loss(dense) ==
            model.loss(one(tokens, labels, pattern_by_seed(1, 2, 4, labels, ignored, {1.0, dropped}))));
  }
}

TEST_CASE("token patterns: two candidates of a direction are computed on the same tokens", "[nn]") {
  // The pattern is a part of the batch, so what depends on the weights is the loss alone: without a perturbation, the
  // two are the same bits, and with one of opposite signs the slope changes its sign.
  const transformer model = long_model();
  const ids tokens = draws(92).tokens(length, 51);
  const batch b = one(tokens, tokens, some_pattern(4, dropped_tokens::unseen));
  auto tuner = zoft::prge({.queries = 1, .epsilon = 0.1, .learning_rate = 0.1, .seed = 5}, zoft::lora_fa{.rank = 2});
  tuner.attach(model);
  std::vector<double> losses(2);
  model.losses(b, tuner.ask(), losses);
  CHECK(losses[0] != losses[1]);
  CHECK(b[0].pattern->name() == some_pattern(4, dropped_tokens::unseen).name());
  CHECK(b[0].pattern->name() != some_pattern(4, dropped_tokens::seen).name());
  CHECK(b[0].pattern->name() != some_pattern(3, dropped_tokens::unseen).name());
}

TEST_CASE("token patterns: the blocks of greatest score, and those that must be kept", "[nn]") {
  ids labels(6 * 64, ignored);
  labels[130] = 7;  // of block 2, which its predecessor in block 2 predicts
  const std::vector<double> scores{0, 5, 1, 9, 2, 0, /**/ 9, 1, 1, 2, 5, 0};
  const auto kept = [&](const pattern_options& o) { return pattern_by_scores(scores, 2, labels, ignored, o).kept; };
  using blocks = std::vector<std::uint32_t>;
  const auto unseen = dropped_tokens::unseen;
  CHECK(kept({.share = 4.0 / 6, .dropped = unseen, .same = false}) == std::vector{blocks{0, 2, 3, 5}, {0, 2, 4, 5}});
  CHECK(kept({.share = 5.0 / 6, .dropped = unseen, .same = false}) ==
        std::vector{blocks{0, 1, 2, 3, 5}, {0, 2, 3, 4, 5}});
  CHECK(kept({.share = 4.0 / 6, .dropped = unseen, .same = true}) == std::vector{blocks{0, 2, 3, 5}, {0, 2, 3, 5}});
  CHECK(kept({.share = 0.5, .dropped = unseen, .first_layer = 1}) == std::vector{blocks{0, 1, 2, 3, 4, 5}, {0, 2, 5}});
  labels.assign(labels.size(), 3);  // of every token: they decide nothing
  CHECK(kept({.share = 0.5, .dropped = unseen, .same = false}) == std::vector{blocks{0, 3, 5}, {0, 4, 5}});
  // Sums of the same numbers in another order differ in their last bit.
  const std::vector<double> alike{0, 0.3, 0.1, 0, 0, 0, /**/ 0, 0.2, 0.2, 0, 0, 0, /**/ 0, 0.1, 0.3, 0, 0, 0};
  const auto the_same = pattern_by_scores(alike, 3, labels, ignored, {.share = 0.5}).kept;
  CHECK(the_same[1] == the_same[0]);
  CHECK(the_same[2] == the_same[0]);
  const auto by_seed = [&](std::uint64_t seed, std::uint32_t step) {
    return pattern_by_seed(seed, step, 40, labels, ignored, {.share = 0.5, .same = false});
  };
  CHECK(by_seed(1, 1).kept == by_seed(1, 1).kept);
  CHECK(by_seed(1, 1).kept != by_seed(1, 2).kept);
  CHECK(by_seed(1, 1).kept != by_seed(2, 1).kept);
  // One of the blocks 1 to 4 is kept beside the first and the last: each in 10 of 40 layers, give or take 5σ.
  std::array<std::size_t, 6> times{};
  for (const blocks& one : by_seed(1, 1).kept)
    for (const std::uint32_t b : one) ++times[b];
  CHECK(times[0] == 40);
  CHECK(times[5] == 40);
  for (std::size_t b = 1; b < 5; ++b)
    CHECK(std::abs(static_cast<double>(times[b]) - 10) < 5 * std::sqrt(40 * 0.25 * 0.75));
}

TEST_CASE("key scores: what attention's scores are by hand, on any number of threads", "[nn]") {
  draws d(94);
  const attention_shape s{4, 2, 6};
  const std::size_t rows = 150;
  const spaced q(rows, 24, 1, d, 2), k(rows, 12, 0, d, 2), v(rows, 12, 0, d);
  for (const dtype type : {dtype::f32, dtype::bf16}) {
    key_values keys(2, 6, type);
    keys.resize(rows);
    keys.write(0, k.read(), v.read(), rows);
    spaced y(rows, 24, 0);
    std::vector<std::int64_t> counted_scores(3);
    attention(q.read(), keys, counted(0, rows), s, y.write(), counted_scores);
    std::vector<double> wanted(3);
    for (std::size_t row = 0; row < rows; ++row)
      for (std::size_t h = 0; h < 4; ++h)
        for (std::size_t b = 0; b * 64 <= row; ++b) {
          double greatest = 0;
          for (std::size_t j = 64 * b; j < std::min(row + 1, 64 * b + 64); ++j) {
            double score = 0;
            for (std::size_t i = 0; i < 6; ++i) score += double{q.at(row, h * 6 + i)} * k.at(j, h / 2 * 6 + i);
            greatest = std::max(greatest, score / std::sqrt(6.0));
          }
          wanted[b] += greatest;
        }
    // A score is rounded as attention's are, and to a whole number of units.
    for (std::size_t b = 0; b < 3; ++b)
      CHECK(static_cast<double>(counted_scores[b]) / score_unit ==
            Approx(wanted[b]).epsilon(type == dtype::f32 ? 1e-4 : 1e-2));
  }
  const ids tokens = draws(92).tokens(length, 51);
  const std::vector<double> scores = long_model({.threads = 1}).key_scores(tokens);
  CHECK(scores.size() == 4 * 5);
  CHECK(scores == long_model({.threads = 3}).key_scores(tokens));
}

TEST_CASE("token patterns: what does not fit is refused by name", "[nn]") {
  const transformer model = long_model();
  const ids tokens = draws(92).tokens(length, 51);
  const auto losses = [&](token_pattern pattern) {
    return [&model, b = one(tokens, tokens, std::move(pattern))] { model.loss(b); };
  };
  const auto changed = [](auto f) {
    token_pattern result = some_pattern(4, dropped_tokens::unseen);
    f(result);
    return result;
  };
  using io_test::check_refused;
  check_refused(losses(some_pattern(3, dropped_tokens::seen)), {"token pattern", "3 layers", "4"});
  check_refused(losses(changed([](auto& p) { p.kept[2].clear(); })), {"token pattern", "layer 2", "no tokens"});
  check_refused(losses(changed([](auto& p) { p.kept[1] = {0, 5}; })), {"layer 1", "block 5", "300 tokens", "5 blocks"});
  check_refused(losses(changed([](auto& p) { p.kept[1] = {2, 2}; })), {"layer 1", "ascend"});
  for (const double share : {0.0, -0.5, 1.5, std::nan("")})
    check_refused([&] { pattern_by_seed(1, 1, 4, tokens, ignored, {.share = share}); },
                  {"token pattern", "share", "(0, 1]"});
  check_refused([&] { pattern_by_scores(std::vector<double>(19), 4, tokens, ignored, {}); }, {"19 scores", "4 by 5"});

  const transformer windows = long_model({}, 16);
  const auto of_windows = [&](dropped_tokens dropped) {
    return [&windows, b = one(tokens, tokens, some_pattern(4, dropped))] { windows.loss(b); };
  };
  check_refused(of_windows(dropped_tokens::unseen), {"layer 0", "sliding window"});
  CHECK(io_test::message_of(of_windows(dropped_tokens::seen)).empty());
}

TEST_CASE("token patterns: by a threshold for each layer, in mean scores", "[nn]") {
  ids labels(4 * 64, ignored);
  labels[130] = 7;  // in block 2
  const std::vector<double> scores{1, 2, 3, 2, /**/ 10, 90, 10, 90};
  using blocks = std::vector<std::uint32_t>;
  const auto kept = [&](const std::vector<double>& thresholds, const pattern_options& o) {
    return pattern_by_thresholds(scores, thresholds, labels, o).kept;
  };
  const pattern_options own{.same = false}, same{};
  CHECK(kept({1.2, 1.2}, own) == std::vector{blocks{0, 2, 3}, {0, 1, 2, 3}});  // means: 2 and 50
  CHECK(kept({1, 1}, own) == std::vector{blocks{0, 1, 2, 3}, {0, 1, 2, 3}});
  CHECK(kept({9, 9}, own) == std::vector{blocks{0, 2, 3}, {0, 2, 3}});  // what is always kept
  CHECK(kept({1.4, 1.4}, same) == std::vector{blocks{0, 1, 2, 3}, {0, 1, 2, 3}});
  CHECK(kept({1.5, 1.5}, same) == std::vector{blocks{0, 2, 3}, {0, 2, 3}});
  CHECK(kept({-9, 1.5}, {.first_layer = 1}) == std::vector{blocks{0, 1, 2, 3}, {0, 1, 2, 3}});
  CHECK(kept({-9, 1.9}, {.first_layer = 1}) == std::vector{blocks{0, 1, 2, 3}, {0, 2, 3}});
  CHECK(pattern_by_thresholds(std::vector<double>(8), std::vector{1.0, 1.0}, labels, own).kept[0].size() == 4);
  io_test::check_refused([&] { kept({1, 1, 1}, own); }, {"there are 8 scores, and must be 3 by 4"});
  io_test::check_refused([&] { kept({}, own); }, {"there are 8 scores"});
}

TEST_CASE("token patterns: thresholds that are searched for cost less than those of the start", "[nn]") {
  const transformer model = long_model({.threads = 1});
  const ids tokens = draws(92).tokens(length, 51), labels = labels_of(tokens, 2);
  batch b;
  b.add(tokens, labels);
  for (const bool same : {true, false}) {
    const threshold_search how{.pattern = {.share = 0.4, .same = same}, .steps = 20, .learning_rate = 0.5, .seed = 4};
    const std::vector<double> found = find_thresholds(model, b, how);
    REQUIRE(found.size() == 4);
    const auto kept_of = [&](const std::vector<double>& thresholds) {
      const auto pattern = pattern_by_thresholds(model.key_scores(tokens), thresholds, labels, how.pattern);
      std::size_t kept = 0;
      for (const auto& layer : pattern.kept) kept += layer.size();
      return kept;
    };
    CHECK(kept_of(found) < kept_of(std::vector(4, 1.0)));
    CHECK(same_bits(found, find_thresholds(model, b, how)));
  }
}
