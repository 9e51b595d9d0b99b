// What the rounding of updates costs a run in 16 bits: how far the loss falls, beside float.
//
//     bench_rounding                              MeZO on 20,000 numbers near 1, Σx²/2
//     bench_rounding MODEL TOKENIZER TEXT [RATE]  LOZO on all weights of a llama2.c model, 300 steps on a text
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>
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
    functions();
  else if (count == 4 || count == 5)
    model(arguments[1], arguments[2], arguments[3], count == 5 ? std::atof(arguments[4]) : 1e-4);
  else
    return std::fprintf(stderr, "usage: %s [MODEL TOKENIZER TEXT [RATE]]\n", arguments[0]), 2;
}
