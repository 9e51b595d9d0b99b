// What the rounding of updates costs a run in 16 or 8 bits: how far the loss falls, beside float.
//
//     bench_rounding                              MeZO on 20,000 numbers near 1, Σx²/2; a regression on 8-bit codes
//     bench_rounding MODEL TOKENIZER TEXT [RATE]  LOZO on all weights of a llama2.c model, 300 steps on a text
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>
#include <zoft/adapter/quantised.hpp>
#include <zoft/io/tokenizer/llama2c.hpp>
#include <zoft/lozo.hpp>
#include <zoft/mezo.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/sampler/rademacher.hpp>

namespace {

constexpr int seeds = 10;

struct summary {
  double mean, deviation;

  explicit summary(const std::vector<double>& values) : mean(0), deviation(0) {
    for (const double v : values) mean += v / static_cast<double>(values.size());
    for (const double v : values)
      deviation += (v - mean) * (v - mean) / static_cast<double>(std::max<std::size_t>(1, values.size() - 1));
    deviation = std::sqrt(deviation);
  }
};

template <class T>
double half_square(std::span<const T> x) {
  double sum = 0;
  for (const T v : x) {
    const auto value = static_cast<double>(static_cast<zoft::arithmetic_t<T>>(v));
    sum += value * value / 2;
  }
  return sum;
}

/// The fall of Σx²/2 in 500 steps at a rate of 1e-6, x (20,000) of mean 1 and deviation 0.1, with q directions a step.
template <class T, class Sampler>
double fall(Sampler sampler, zoft::rounding how, std::size_t queries, std::uint64_t seed) {
  std::vector<float> z(20'000);
  zoft::gaussian{}.axpy(std::span(z), 0.1f, {seed, 1'000'000, 0});
  std::vector<T> x;
  for (const float v : z) x.push_back(T(static_cast<float>(zoft::bfloat16(1 + v))));
  zoft::engine tuner{sampler, zoft::two_point{.epsilon = 0x1p-6, .queries = queries}, zoft::full{.rounding = how},
                     zoft::sgd{.learning_rate = 1e-6}, zoft::seed{seed}};
  const double before = half_square<T>(x);
  for (int step = 0; step < 500; ++step) tuner.step(std::span(x), half_square<T>);
  return before - half_square<T>(x);
}

template <class T, class Sampler>
void print_falls(const char* type, const char* of, Sampler sampler, std::size_t queries) {
  std::printf("%-9s %-11s q = %-3zu", type, of, queries);
  for (const auto how : {zoft::rounding::stochastic, zoft::rounding::nearest}) {
    std::vector<double> ratios;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed)
      ratios.push_back(fall<T>(sampler, how, queries, seed) / fall<float>(sampler, how, queries, seed));
    const summary s(ratios);
    std::printf("   %6.3f ± %.3f", s.mean, s.deviation);
  }
  std::printf("\n");
}

void functions() {
  std::printf("Fall of the loss over that in float, mean and deviation of %d seeds:\n\n%34s%17s\n", seeds, "stochastic",
              "to nearest");
  for (const std::size_t queries : {1u, 32u}) {
    print_falls<zoft::bfloat16>("bfloat16", "gaussian", zoft::gaussian{}, queries);
    print_falls<zoft::bfloat16>("bfloat16", "rademacher", zoft::rademacher{}, queries);
    print_falls<zoft::half>("half", "gaussian", zoft::gaussian{}, queries);
    print_falls<zoft::half>("half", "rademacher", zoft::rademacher{}, queries);
  }
}

/// 100 points in 24 dimensions that a linear map puts into 6 classes, and the loss of softmax regression on them. The
/// weights are row-major (6, 24), then 6 biases: scale·w.
class regression {
 public:
  static constexpr std::size_t inputs = 24, outputs = 6, points = 100;

  explicit regression(std::uint64_t seed) : x_(points * inputs), labels_(points) {
    std::vector<float> map(outputs * inputs);
    zoft::gaussian{}.axpy(std::span(x_), 1.0f, {seed, 0, 0});
    zoft::gaussian{}.axpy(std::span(map), 1.0f, {seed, 1, 0});
    map.resize(layout().size());
    for (std::size_t i = 0; i < points; ++i) {
      const auto logits = outputs_of(std::span<const float>(map), 1, i);
      labels_[i] = static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    }
  }

  static zoft::layout layout() {
    zoft::layout of;
    of.add("weight", outputs, inputs);
    of.add("bias", outputs);
    return of;
  }

  template <class T>
  double loss(std::span<const T> w, double scale) const {
    double sum = 0;
    for (std::size_t i = 0; i < points; ++i) {
      double all = 0;
      const std::vector<double> logits = outputs_of(w, scale, i);
      for (const double logit : logits) all += std::exp(logit);
      sum += std::log(all) - logits[labels_[i]];
    }
    return sum / points;
  }

 private:
  template <class T>
  std::vector<double> outputs_of(std::span<const T> w, double scale, std::size_t point) const {
    std::vector<double> result(outputs);
    for (std::size_t c = 0; c < outputs; ++c) {
      result[c] = scale * w[outputs * inputs + c];
      for (std::size_t j = 0; j < inputs; ++j) result[c] += scale * w[c * inputs + j] * x_[point * inputs + j];
    }
    return result;
  }

  std::vector<float> x_;
  std::vector<std::size_t> labels_;
};

/// The loss after 600 steps at a rate of 0.005, from 1.79, in float and on codes of 0.02 each.
void codes() {
  constexpr float scale = 0.02f;
  const zoft::two_point estimator{.epsilon = scale, .queries = 2};
  const zoft::sgd optimizer{.learning_rate = 0.005};
  const zoft::layout shape = regression::layout();
  const auto print = [&]<class T>(const char* name, const auto& adapter, T, double of_one) {
    std::vector<double> losses;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      const regression problem(seed);
      const auto loss = [&](std::span<const T> w) { return problem.loss(w, of_one); };
      zoft::engine tuner{zoft::rademacher{}, estimator, adapter, optimizer, zoft::seed{seed}};
      std::vector<T> x(shape.size(), T{0});
      for (int step = 0; step < 600; ++step) tuner.step(std::span(x), loss);
      losses.push_back(loss(x));
    }
    const summary s(losses);
    std::printf("%-22s %.3f ± %.3f\n", name, s.mean, s.deviation);
  };
  std::printf("\nLoss of a regression after 600 steps, mean and deviation of %d seeds:\n\n", seeds);
  print("float", zoft::full{shape}, float{}, 1.0);
  for (const std::size_t history : {0u, 1u, 2u, 4u, 8u, 16u, 32u, 64u})
    print(history == 0 ? "codes, stored residual" : ("codes, history " + std::to_string(history)).c_str(),
          zoft::quantised{shape, std::vector<float>(2 * regression::outputs, scale), history}, std::int8_t{}, scale);
}

void model(const std::string& path, const std::string& tokenizer, const std::string& text, double rate) {
  std::ifstream file(text, std::ios::binary);
  const std::string all((std::istreambuf_iterator<char>(file)), {});
  const std::vector<std::int32_t> ids = zoft::io::llama2c_tokenizer(tokenizer).encode(all.substr(0, 200'000));
  constexpr std::size_t length = 64, sequences = 16, steps = 300, tested = 64;
  const auto add = [&](zoft::nn::batch& b, std::size_t index) {
    b.add(std::vector<std::int32_t>(ids.begin() + static_cast<std::ptrdiff_t>(index * length),
                                    ids.begin() + static_cast<std::ptrdiff_t>((index + 1) * length)));
  };
  zoft::nn::batch heldout;
  for (std::size_t i = 0; i < tested; ++i) add(heldout, i);
  const auto run = [&](zoft::nn::dtype type, zoft::rounding how, std::uint64_t seed) {
    auto of = zoft::nn::load(path, {.weights = type});
    auto tuner = zoft::lozo({.rank = 2, .learning_rate = rate, .seed = seed, .rounding = how}, of.weights_layout());
    const double before = of.loss(heldout);
    double moved = 0;
    for (std::size_t step = 0; step < steps; ++step) {
      zoft::nn::batch b;
      for (std::size_t i = 0; i < sequences; ++i)
        add(b, tested + (step * sequences + i) % (ids.size() / length - tested));
      moved += tuner.step(of, [&](const auto& c, std::span<double> losses) { of.losses(b, c, losses); }).moved / steps;
    }
    std::printf("  %s, seed %llu: %.4f -> %.4f nats, %.3f of the weights moved in a step\n",
                std::string(name_of(type)).c_str(), static_cast<unsigned long long>(seed), before, of.loss(heldout),
                moved);
    return before - of.loss(heldout);
  };
  for (const auto how : {zoft::rounding::stochastic, zoft::rounding::nearest}) {
    std::printf("%s\n", how == zoft::rounding::stochastic ? "stochastic" : "to nearest");
    std::vector<double> ratios;
    for (std::uint64_t seed = 1; seed <= 5; ++seed)
      ratios.push_back(run(zoft::nn::dtype::bf16, how, seed) / run(zoft::nn::dtype::f32, how, seed));
    const summary s(ratios);
    std::printf("  fall in bf16 over that in f32: %.3f ± %.3f\n", s.mean, s.deviation);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 1)
    functions(), codes();
  else if (count == 4 || count == 5)
    model(arguments[1], arguments[2], arguments[3], count == 5 ? std::atof(arguments[4]) : 1e-4);
  else
    return std::fprintf(stderr, "usage: %s [MODEL TOKENIZER TEXT [RATE]]\n", arguments[0]), 2;
}
