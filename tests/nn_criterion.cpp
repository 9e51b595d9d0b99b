// Criteria that have no gradient: accuracy and exact match.
#include <zoft/mezo.hpp>
#include <zoft/nn/model/criterion.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>

#include "nn_reference.hpp"
#include "nn_support.hpp"

namespace nn_criterion_tests {

using namespace nn_test;
using namespace zoft::nn;

namespace {

using ids = std::vector<std::int32_t>;
constexpr criterion all_criteria[] = {criterion::loss, criterion::accuracy, criterion::exact_match};

/// Prompts and what a model writes behind them, of which some tokens are then changed: labels that are partly right.
batch partly_right(const transformer& model, std::uint64_t seed) {
  draws d(seed);
  batch result;
  for (int i = 0; i < 8; ++i) {
    const std::size_t given = d.size(1, 6), made = d.size(1, 8);
    ids tokens = model.generate(d.tokens(given, model.shape().vocabulary), made, -1);
    ids labels = tokens;
    std::fill_n(labels.begin(), given, ignored);
    if (d.word() % 2 == 0) labels.back() = ignored;
    if (d.word() % 2 == 0) labels[d.size(given, labels.size() - 1)] = 1;
    result.add(tokens, labels);
  }
  result.add(ids{3}, ids{3});  // nothing to predict
  return result;
}

/// The two by their definition, of logits in double.
struct tally {
  std::size_t labels = 0, right = 0, sequences = 0, all_right = 0;
};
tally by_hand(const reference_model& exact, const batch& b, const zoft::adapter_stack& stack, std::size_t g) {
  tally result;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const auto logits = exact.logits({b[i].tokens.begin(), b[i].tokens.end()}, stack, g);
    std::size_t labels = 0, right = 0;
    for (std::size_t t = 1; t < b[i].labels.size(); ++t) {
      if (b[i].labels[t] == ignored) continue;
      ++labels;
      right += std::max_element(logits[t - 1].begin(), logits[t - 1].end()) - logits[t - 1].begin() == b[i].labels[t];
    }
    result.labels += labels;
    result.right += right;
    result.sequences += labels > 0;
    result.all_right += labels > 0 && right == labels;
  }
  return result;
}

}  // namespace

TEST_CASE("criterion: of scores, by definition", "[nn]") {
  batch b;
  b.add(ids{1, 2, 3}, ids{9, 2, 3});              // two labels
  b.add(ids{4}, ids{4});                          // none
  b.add(ids{5, 6, 7}, ids{ignored, 6, ignored});  // one
  b.add(ids{1, 1}, ids{1, ignored});              // none
  b.add(ids{8, 0, 1, 2}, ids{8, 0, 1, 2});        // three
  const auto value = [&](criterion c, const std::vector<std::int32_t>& best) {
    std::vector<token_score> scores;
    for (std::size_t i = 0; i < best.size(); ++i) scores.push_back({static_cast<double>(i + 1), best[i]});
    return value_of(c, b, scores);
  };
  const ids right{2, 3, 6, 0, 1, 2};
  CHECK(value(criterion::loss, right) == 3.5);
  CHECK(value(criterion::accuracy, right) == 0);
  CHECK(value(criterion::exact_match, right) == 0);
  CHECK(value(criterion::accuracy, {2, 4, 6, 0, 1, 2}) == 1.0 / 6);
  CHECK(value(criterion::exact_match, {2, 4, 6, 0, 1, 2}) == 1.0 / 3);
  CHECK(value(criterion::accuracy, {0, 0, 6, 0, 1, 1}) == 0.5);
  CHECK(value(criterion::exact_match, {0, 0, 6, 0, 1, 1}) == 2.0 / 3);
  CHECK(value(criterion::accuracy, {0, 0, 0, 1, 0, 0}) == 1);
  CHECK(value(criterion::exact_match, {0, 0, 0, 1, 0, 0}) == 1);
  // Logits that are not numbers are no mistake but a failure.
  for (const criterion c : all_criteria) CHECK(std::isnan(value(c, {2, 3, 6, 0, -1, 2})));
}

TEST_CASE("criterion: of equal logits the lowest token is the answer", "[nn]") {
  const zoft::nn::config shape = odd_shape();
  transformer model = random_model(shape, {}, 91);
  // A final norm of gains 0 makes all logits 0.
  std::vector<float> weights = model.weights();
  for (const zoft::tensor& t : model.weights_layout())
    if (t.name == "model.norm.weight")
      std::fill_n(weights.begin() + static_cast<std::ptrdiff_t>(t.offset), t.size(), 0.0f);
  model.assign(weights);
  batch b;
  b.add(ids{7, 0, 1, 0});
  CHECK(model.loss(b, zoft::adapter_stack(1), criterion::accuracy) == 1.0 / 3);
  CHECK(model.loss(b, zoft::adapter_stack(1), criterion::exact_match) == 1);
  batch zeros;
  zeros.add(ids{7, 0, 0});
  CHECK(model.loss(zeros, zoft::adapter_stack(1), criterion::exact_match) == 0);
}

TEST_CASE("criterion: a model's accuracy and exact match are those of its logits in double, for each group", "[nn]") {
  std::vector<transformer> models;
  for (const std::size_t threads : sizes{1, 2})
    models.push_back(random_model(odd_shape(), {true, false, true}, 92, {.threads = threads}));
  const transformer& model = models[0];
  const reference_model exact(model);
  const batch b = partly_right(model, 93);
  auto tuner = zoft::prge({.queries = 6, .epsilon = 0.1, .seed = 94}, zoft::bias_only{});
  tuner.attach(model);
  std::size_t between = 0;
  for (const criterion c : {criterion::accuracy, criterion::exact_match}) {
    const auto shown = tuner.ask();
    std::vector<double> losses(12), by_two(12);
    model.losses(b, shown, losses, c);
    models[1].losses(b, shown, by_two, c);
    CHECK(same_bits(losses, by_two));
    for (std::size_t g = 0; g < 12; ++g) {
      const tally wanted = by_hand(exact, b, shown, g);
      const std::size_t right = c == criterion::accuracy ? wanted.right : wanted.all_right,
                        all = c == criterion::accuracy ? wanted.labels : wanted.sequences;
      CHECK(losses[g] == static_cast<double>(all - right) / static_cast<double>(all));
      between += losses[g] > 0 && losses[g] < 1;
    }
    for (std::size_t g = 0; g < 12; ++g) CHECK(same_bits(std::vector{model.loss(b, tuner.ask(g, 1), c)}, {losses[g]}));
  }
  CHECK(between > 12);  // of 24
}

TEST_CASE("criterion: labels that compete with some tokens alone, for each group and for points around the weights",
          "[nn]") {
  for (const std::size_t vocabulary : sizes{51, 2500}) {  // of which the head is made in one block, and in three
    config shape = odd_shape();
    shape.vocabulary = vocabulary;
    transformer model = random_model(shape, {true, false, true}, 95, {.threads = 2});
    const ids words{3, 40, static_cast<std::int32_t>(vocabulary) - 1};
    draws d(96);
    batch b;
    for (int i = 0; i < 5; ++i) {
      ids tokens = d.tokens(d.size(3, 9), vocabulary), labels(tokens.size(), ignored);
      labels.back() = words[d.size(0, 2)];
      b.add(tokens, labels);
    }
    b.among({words[2], words[0], words[1]});
    const auto by_hand = [&](const auto& logits_of) {
      double sum = 0;
      for (std::size_t i = 0; i < b.size(); ++i) {
        const auto logits = logits_of(ids(b[i].tokens.begin(), b[i].tokens.end()));
        const auto logit = [&](std::int32_t id) {
          return logits[(b[i].tokens.size() - 2) * vocabulary + static_cast<std::size_t>(id)];
        };
        double total = 0;
        for (const std::int32_t id : words) total += std::exp(logit(id));
        sum += std::log(total) - logit(b[i].labels.back());
      }
      return sum / static_cast<double>(b.size());
    };
    auto tuner = zoft::prge({.queries = 2, .epsilon = 0.1, .seed = 97}, zoft::lora{.rank = 2});
    tuner.attach(model);
    const auto groups = tuner.ask();
    std::vector<double> losses(groups.size()), of_each(groups.size() * b.size());
    model.losses(b, groups, losses);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const auto own = groups.every(groups.size(), g);
      CHECK(losses[g] == Approx(by_hand([&](const ids& tokens) { return model.logits(tokens, own); })).epsilon(1e-5));
      for (const token_score& score : model.score(b, own))
        CHECK(std::find(words.begin(), words.end(), score.best) != words.end());
    }
    const double plain = model.loss(b);
    auto whole = zoft::mezo({.epsilon = 1e-2, .learning_rate = 0, .seed = 98}, model.weights_layout());
    std::vector<double> seen;
    whole.step(model, [&](const auto& points, std::span<double> values) {
      model.losses(b, points, values);
      seen.assign(values.begin(), values.end());
    });
    REQUIRE(seen.size() > 0);
    CHECK(std::abs(seen[0] - plain) < 1);
    CHECK(plain == Approx(by_hand([&](const ids& tokens) { return model.logits(tokens); })).epsilon(1e-5));

    batch other = b;
    other.among({3, 40});
    io_test::check_refused([&] { model.loss(other); }, {"label", "is not among the 2 tokens"});
    other.among({3, static_cast<std::int32_t>(vocabulary)});
    io_test::check_refused([&] { model.loss(other); }, {"is not in the vocabulary"});
  }
}

TEST_CASE("criterion: training on accuracy and on exact match", "[nn]") {
  const transformer model = fixture_model("llama_tied_f32");
  draws d(95);
  batch b;
  for (int i = 0; i < 16; ++i) {
    const std::int32_t first = static_cast<std::int32_t>(d.word() % 32);
    b.add(ids{first, (first + 1) % 32, (first + 2) % 32});
  }
  auto tuner = zoft::prge({.queries = 16, .epsilon = 0.05, .learning_rate = 0.1, .seed = 96}, zoft::lora{});
  tuner.attach(model);
  // Where no sequence is right, none of a candidate's is as a rule, and exact match has no slope: accuracy comes first.
  for (const criterion c : {criterion::accuracy, criterion::exact_match}) {
    const double before = model.loss(b, tuner.adapter(), c);
    for (int step = 0; step < 300; ++step)
      tuner.step([&](const auto& adapters, std::span<double> losses) { model.losses(b, adapters, losses, c); });
    const double after = model.loss(b, tuner.adapter(), c);
    INFO("from " << before << " to " << after);
    CHECK(after < 0.8 * before);
  }
}

}  // namespace nn_criterion_tests
