// Gradients that a transformer shows beside its linears' rows, exact where it says so; and training along them.
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/method/observed.hpp>
#include <zoft/method/per_example_lozo.hpp>
#include <zoft/schedule/linear.hpp>

#include "nn_observed_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

namespace {

/// The cosine of Σ gradient⊗input over all slots with the derivative of labels·loss by some weights of that tensor, and
/// the ratio of their lengths. Rows of a head are those of tokens that no input has.
std::pair<double, double> observed_agreement(transformer& model, const batch& b, bool each, const std::string& name) {
  const observations seen = observed_at(model, b, each, 1, 20).seen;
  const auto found = seen.find(name);
  REQUIRE(found);
  const std::size_t in = found.of->in, out = found.which->out;
  const observed_weights all(model);
  const std::vector<float>& weights = all.values;
  const std::size_t at = all.tensors.at(name).offset;
  std::vector<bool> read(model.shape().vocabulary);
  for (std::size_t i = 0; i < b.size(); ++i)
    for (const std::int32_t token : b[i].tokens) read[static_cast<std::size_t>(token)] = true;
  draws d(17);
  double product = 0, shown = 0, exact = 0;
  for (int i = 0; i < 60; ++i) {
    std::size_t o = d.word() % out;
    while (out == read.size() && read[o]) o = d.word() % out;
    const std::size_t j = d.word() % in, element = at + o * in + j;
    double sum = 0;
    for (std::size_t s = 0; s < seen.slots(); ++s)
      sum += double{(*found.of->gradients)[s * found.of->out + found.which->first + o]} *
             double{found.of->inputs[s * in + j]};
    std::vector<float> moved = weights;
    double difference = 0, width = 0;
    for (const float step : {0x1p-7f, -0x1p-7f}) {
      moved[element] = weights[element] + step;
      model.assign(moved);
      difference += (step > 0 ? 1 : -1) * model.loss(b);
      width += std::abs(double{moved[element]} - double{weights[element]});
    }
    const double slope = difference / width * static_cast<double>(b.predicted());
    product += sum * slope;
    shown += sum * sum;
    exact += slope * slope;
  }
  model.assign(weights);
  return {product / std::sqrt(shown * exact), std::sqrt(shown / exact)};
}

/// Sequences that count upwards by one: what comes next is easy to learn.
batch observed_task(std::size_t sequences, std::size_t length, std::size_t vocabulary) {
  batch result;
  for (std::size_t i = 0; i < sequences; ++i) {
    std::vector<std::int32_t> ids;
    for (std::size_t t = 0; t < length; ++t) ids.push_back(static_cast<std::int32_t>((5 * i + t) % vocabulary));
    result.add(ids);
  }
  return result;
}

}  // namespace

TEST_CASE("observed linears: gradients of the last block's MLP and of the head are exact", "[nn][observed]") {
  transformer model = observed_model();
  const auto check = [](transformer& of, const batch& b, bool each, const std::string& name, bool length = true) {
    INFO(name);
    const auto [cosine, ratio] = observed_agreement(of, b, each, name);
    CHECK(cosine > 0.999);
    if (length) CHECK(ratio == Approx(1).epsilon(0.01));
  };
  batch one, among;
  one.add(draws(46).tokens(9, 51));
  const batch several = observed_batch(model, 47);
  std::vector<std::int32_t> some;
  for (std::int32_t t = 0; t < 51; t += t % 2 + 1) some.push_back(t);
  among.add(std::vector<std::int32_t>{0, 1, 3, 5, 7, 9, 11});
  among.among(some);
  for (const std::string name : {"model.layers.2.mlp.down_proj.weight", "model.layers.2.mlp.gate_proj.weight",
                                 "model.layers.2.mlp.up_proj.weight", "lm_head.weight"}) {
    check(model, one, true, name);
    check(model, one, false, name);
    check(model, among, true, name);
    check(model, several, false, name);
  }
  const observations seen = observed_at(model, among, true, 1, 16).seen;
  for (std::size_t s = 0; s < seen.slots(); ++s)
    for (std::size_t t = 0; t < 51; ++t)
      if (!std::binary_search(some.begin(), some.end(), static_cast<std::int32_t>(t)))
        CHECK((*seen.find("lm_head").of->gradients)[s * 51 + t] == 0);

  // What attention adds reaches the loss through the MLP, too, unless that adds nothing.
  observed_weights weights(model);
  const zoft::tensor& down = weights.tensors.at("model.layers.2.mlp.down_proj.weight");
  std::fill_n(weights.values.begin() + static_cast<std::ptrdiff_t>(down.offset), down.size(), 0.0f);
  model.assign(weights.values);
  check(model, one, true, "model.layers.2.self_attn.o_proj.weight");

  // Scales change the length alone.
  config scaled = odd_shape();
  scaled.residual_scale = 0.6;
  scaled.logit_scale = 0.4;
  scaled.logit_cap = 1.5;
  transformer scales = random_model(scaled, {}, 32, {.threads = 1});
  for (const std::string name :
       {"model.layers.2.mlp.down_proj.weight", "model.layers.2.mlp.up_proj.weight", "lm_head.weight"})
    check(scales, one, true, name, false);

  const std::pair<const char*, const char*> others[] = {{"gpt2", "mlp.c_fc"},
                                                        {"gpt2", "mlp.c_proj"},
                                                        {"gpt2", "wte"},
                                                        {"gpt_neox", "dense_h_to_4h"},
                                                        {"gpt_neox", "dense_4h_to_h"},
                                                        {"gpt_neox", "attention.dense"},
                                                        {"gpt_neox", "embed_out"},
                                                        {"phi", "mlp.fc1"},
                                                        {"phi", "mlp.fc2"},
                                                        {"phi", "self_attn.dense"},
                                                        {"phi", "lm_head"},
                                                        {"opt", "fc1"},
                                                        {"opt", "fc2"},
                                                        {"gemma2", "embed_tokens"}};
  for (const auto& [fixture, suffix] : others) {
    INFO(fixture);
    transformer of = fixture_model(fixture, {.threads = 1});
    batch b;
    b.add(draws(48).tokens(6, of.shape().vocabulary));
    std::string last;
    for (const zoft::tensor& t : of.weights_layout())
      if (t.name.ends_with(std::string(suffix) + ".weight")) last = t.name;
    check(of, b, true, last, false);
  }
}

namespace {

/// The share of its loss that a tiny model has left after so many steps; f(model) makes one, from θ or an adapter.
template <class Tuner, bool Weights>
double observed_training(Tuner tuner, int steps, std::bool_constant<Weights>) {
  transformer model = fixture_model("llama_tied_f32", {.threads = 1});
  const batch b = observed_task(8, 12, 32);
  const double before = model.loss(b);
  const auto functor = [&] {
    if constexpr (requires { tuner.seen(); })
      return [&](const auto& c, zoft::example_losses losses, observations& seen) {
        model.example_losses(b, c, losses, seen);
      };
    else
      return [&](const auto& c, zoft::example_losses losses) { model.example_losses(b, c, losses); };
  }();
  if constexpr (!Weights) tuner.attach(model);
  for (int step = 0; step < steps; ++step) {
    const auto report = [&] {
      if constexpr (Weights)
        return tuner.step(model, functor);
      else
        return tuner.step(functor);
    }();
    REQUIRE(report.status == zoft::status::ok);
  }
  if constexpr (Weights)
    return model.loss(b) / before;
  else
    return model.loss(b, tuner.adapter()) / before;
}

}  // namespace

TEST_CASE("observed linears: training needs fewer forwards than blind directions", "[nn][observed]") {
  const auto observed = [](auto adapter) {
    return zoft::observed({.examples = 8, .rank = 4, .schedule = zoft::linear(60), .seed = 6}, adapter);
  };
  const auto blind = [](auto adapter) {
    return zoft::per_example_lozo(
        {.examples = 8, .rank = 4, .learning_rate = 1e-2, .schedule = zoft::linear(30), .seed = 6}, adapter);
  };
  constexpr std::true_type weights;
  constexpr std::false_type adapted;
  const zoft::lora_fa adapter{.rank = 4};
  // 120 forwards each.
  const double full = observed_training(observed(zoft::full{}), 60, weights),
               blind_full = observed_training(blind(zoft::full{}), 30, weights),
               lora = observed_training(observed(adapter), 60, adapted),
               blind_lora = observed_training(blind(adapter), 30, adapted);
  INFO("shares of the loss: " << full << " and " << blind_full << " of weights, " << lora << " and " << blind_lora
                              << " of an adapter");
  CHECK(1 - full > 1.5 * (1 - blind_full));
  CHECK(1 - lora > 1.5 * (1 - blind_lora));
}

TEST_CASE("observed linears: points beside the weights are models with moved weights", "[nn][observed]") {
  transformer model = observed_model();
  const batch b = observed_task(3, 8, 51);
  auto tuner = zoft::observed({.examples = 3, .queries = 2, .rank = 2, .epsilon = 0.1, .seed = 6});
  std::vector<double> losses(3), around(6), expected(6);
  model.example_losses(b, tuner.ask(model), losses, tuner.seen());
  const zoft::adapter_stack points = tuner.ask(model, std::span<const double>(losses));
  model.example_losses(b, points, around, tuner.seen());
  const std::vector<float> weights = model.weights();
  for (std::uint32_t i = 0; i < 6; ++i) {
    std::vector<float> moved = weights;
    tuner.sampler().axpy(std::span(moved), 0.1f, tuner.direction(0, i));
    model.assign(moved);
    std::vector<double> all(3);
    model.example_losses(b, zoft::adapter_stack(3), all);
    expected[i] = all[i % 3];
    CHECK(std::abs(expected[i] - losses[i % 3]) > 1e-2);
  }
  CHECK(distance(around, expected) < 1e-4);
}

TEST_CASE("observed linears: a functor that throws leaves no trace in a model's points", "[nn][observed]") {
  const auto trained = [](int fails_at) {
    transformer model = observed_model();
    const batch b = observed_batch(model, 49), other = observed_batch(model, 50);
    auto tuner = zoft::observed({.examples = 4, .rank = 2, .seed = 6});
    if (fails_at >= 0) {
      int call = 0;
      const auto failing = [&](const auto& c, zoft::example_losses losses, observations& seen) {
        model.example_losses(other, c, losses, seen);
        if (call++ == fails_at) throw 1;
      };
      CHECK_THROWS_AS(tuner.step(model, failing), int);
    }
    for (int step = 0; step < 2; ++step)
      tuner.step(model, [&](const auto& c, zoft::example_losses losses, observations& seen) {
        model.example_losses(b, c, losses, seen);
      });
    return model.weights();
  };
  const std::vector<float> expected = trained(-1);
  for (const int fails_at : {0, 1}) {
    INFO("it throws in call " << fails_at);
    const bool same = same_bits(trained(fails_at), expected);
    CHECK(same);
  }
}
