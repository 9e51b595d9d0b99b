// Tiny random models of each family, saved by transformers with the logits that it computes: tests/fixtures.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <zoft/io/family/families.hpp>
#include <zoft/nn/transformer.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace io_test;
using zoft::io::json;
using zoft::nn::transformer;

namespace {

namespace fs = std::filesystem;

/// The largest |a − b| over rows of numbers in JSON.
double family_distance(const std::vector<float>& a, const json& rows) {
  double result = 0;
  std::size_t i = 0;
  for (const json& row : rows)
    for (const json& value : row) result = std::max(result, std::abs(a.at(i++) - value.get<double>()));
  return i == a.size() ? result : std::numeric_limits<double>::infinity();
}

void check_family_outputs(const transformer& model, const json& expected) {
  const auto ids = expected.at("ids").get<std::vector<std::int32_t>>();
  if (model.shape().has_head) CHECK(family_distance(model.logits(ids), expected.at("logits")) < 1e-4);
  if (expected.contains("hidden")) CHECK(family_distance(model.hidden(ids), expected.at("hidden")) < 1e-4);
}

/// Calls f(name, model, expected) for each fixture that has logits.
template <class F>
void for_each_family_fixture(F f) {
  std::vector<fs::path> places;
  for (const auto& place : fs::directory_iterator(ZOFT_FIXTURES))
    if (fs::exists(place.path() / "expected.json") && fs::exists(place.path() / "config.json"))
      places.push_back(place.path());
  std::sort(places.begin(), places.end());
  for (const fs::path& place : places) {
    const std::string name = place.filename().string();
    if (name.ends_with("16")) continue;  // those of 16 bits have a tolerance of their own, in nn_transformer.cpp
    INFO(name);
    const json expected = json::parse(read_file((place / "expected.json").string()));
    // A variant is a config.json for another fixture's weights.
    const scratch variant;
    std::string folder = place.string();
    if (expected.contains("weights")) {
      folder = variant.path();
      fs::copy_file(place / "config.json", folder + "/config.json");
      fs::copy_file(fixture(expected["weights"].get<std::string>()) + "/model.safetensors",
                    folder + "/model.safetensors");
    }
    transformer model = zoft::nn::load(folder, {.threads = 2});
    f(model, expected);
  }
}

/// Some sequences of which most tokens are to be predicted, and the first of none.
zoft::nn::batch family_batch(const transformer& model, draws& d) {
  zoft::nn::batch result;
  for (const std::size_t length : sizes{7, 2, 11}) {
    const std::vector<std::int32_t> tokens = d.tokens(length, model.shape().vocabulary);
    std::vector<std::int32_t> labels = d.tokens(length, model.shape().vocabulary);
    if (length > 2) labels[length / 2] = zoft::nn::ignored;
    result.add(tokens, labels);
  }
  return result;
}

}  // namespace

TEST_CASE("families: logits and hidden states of every family's fixtures", "[nn]") {
  std::set<std::string> seen;
  for_each_family_fixture([&](const transformer& model, const json& expected) {
    seen.insert(model.shape().family);
    check_family_outputs(model, expected);
  });
  for (const zoft::io::family& known : zoft::io::families()) {
    INFO(known.name);
    CHECK(seen.contains(std::string(known.name)));
  }
}

TEST_CASE("families: a stack of adapters is a model with merged weights", "[nn]") {
  for_each_family_fixture([&](transformer& model, const json&) {
    if (!model.shape().has_head) return;
    draws d(91);
    constexpr std::size_t groups = 3, rank = 2;
    const zoft::nn::batch b = family_batch(model, d);
    const std::vector<float> weights = model.weights();
    std::vector<std::vector<float>> merged(groups, weights), storage;
    const zoft::layout all = model.weights_layout();
    zoft::adapter_stack stack(groups);
    for (const zoft::tensor& linear : model.layout()) {
      storage.push_back(d.numbers(groups * rank * linear.columns, 0.3f));
      storage.push_back(d.numbers(groups * linear.rows * rank, 0.3f));
      const float *a = storage[storage.size() - 2].data(), *c = storage.back().data();
      stack.linears.add(linear.name, {.a = a,
                                      .b = c,
                                      .a_stride = rank * linear.columns,
                                      .b_stride = linear.rows * rank,
                                      .rank = rank,
                                      .in = linear.columns,
                                      .out = linear.rows,
                                      .scale = 0.5f});
      const auto in_all =
          std::find_if(all.begin(), all.end(), [&](const auto& t) { return t.name == linear.name + ".weight"; });
      REQUIRE(in_all != all.end());
      for (std::size_t g = 0; g < groups; ++g)
        for (std::size_t o = 0; o < linear.rows; ++o)
          for (std::size_t i = 0; i < linear.columns; ++i)
            for (std::size_t r = 0; r < rank; ++r)
              merged[g][in_all->offset + o * linear.columns + i] +=
                  0.5f * c[(g * linear.rows + o) * rank + r] * a[(g * rank + r) * linear.columns + i];
    }
    std::vector<double> losses(groups);
    const double plain = model.loss(b);
    model.losses(b, stack, losses);
    for (std::size_t g = 0; g < groups; ++g) {
      model.assign(merged[g]);
      const double expected = model.loss(b);
      CHECK(std::abs(losses[g] - expected) < 2e-4);
      CHECK(std::abs(plain - expected) > 4e-4);
    }
  });
}

TEST_CASE("families: points around the weights are models with moved weights, bit for bit", "[nn]") {
  for_each_family_fixture([&](transformer& model, const json&) {
    if (!model.shape().has_head) return;
    draws d(92);
    const zoft::nn::batch b = family_batch(model, d);
    const std::vector<float> weights = model.weights(), z = d.numbers(weights.size());
    const std::vector<float> other = d.numbers(weights.size());
    const zoft::weight_points<float> points{.points = {{0, 0.02}, {0, -0.02}, {1, 0.03}},
                                            .moves = std::vector<bool>(model.weights_layout().tensors().size(), true),
                                            .noise = [&](std::size_t query, std::uint64_t first, std::span<float> to) {
                                              std::copy_n((query == 0 ? z : other).data() + first, to.size(),
                                                          to.data());
                                            }};
    std::vector<double> losses(points.size());
    model.losses(b, points, losses);
    for (std::size_t i = 0; i < points.size(); ++i) {
      std::vector<float> moved = weights;
      zoft::random::axpy<float>(moved, static_cast<float>(points.points[i].scale),
                                (points.points[i].query == 0 ? z : other).data());
      model.assign(moved);
      CHECK(losses[i] == model.loss(b));
    }
    CHECK(losses[0] != losses[1]);
  });
}

TEST_CASE("families: generation with cached keys writes what whole forwards say", "[nn]") {
  for_each_family_fixture([&](const transformer& model, const json& expected) {
    if (!model.shape().causal || !model.shape().scaling.long_divisors.empty()) return;
    std::vector<std::int32_t> tokens = expected.at("ids").get<std::vector<std::int32_t>>();
    const std::size_t most = std::min<std::size_t>(8, model.shape().context - tokens.size());
    const auto written = model.generate(tokens, most, -1);
    for (std::size_t i = 0; i < most; ++i) {
      const std::vector<float> logits = model.logits(tokens);
      const auto last = std::span(logits).last(model.shape().vocabulary);
      tokens.push_back(static_cast<std::int32_t>(std::max_element(last.begin(), last.end()) - last.begin()));
    }
    CHECK(written == tokens);
  });
}
