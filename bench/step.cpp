// What a step costs, compared with forwards and with other ways to do the same: see ratios.hpp.
#include <string>
#include <zoft/lozo.hpp>
#include <zoft/mezo.hpp>
#include <zoft/prge.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "models.hpp"
#include "ratios.hpp"

namespace {

using bench::measured, bench::bound, bench::beside, bench::add;
using zoft::nn::dtype;

struct setting {
  const bench::shape& of;
  std::size_t sequences, tokens, queries = 1, threads = 1;
  std::size_t upper = of.config.layers;  // blocks that are adapted

  zoft::nn::transformer& model(std::size_t activation_cache = 0) const {
    return bench::kept_model(of, dtype::bf16, threads, activation_cache);
  }
  zoft::nn::batch batch() const { return bench::random_batch(of.config, sequences, tokens); }
  auto prge_tuner() const {
    std::vector<std::string> blocks;
    for (std::size_t i = of.config.layers - upper; i < of.config.layers; ++i)
      blocks.push_back("layers." + std::to_string(i));
    auto tuner = zoft::prge({.queries = queries, .learning_rate = 0, .seed = 42},
                            zoft::lora_fa{.rank = 8, .alpha = 16, .targets = blocks});
    tuner.attach(model());
    return tuner;
  }
};

template <class Tuner>
void stacked_step(const zoft::nn::transformer& model, const zoft::nn::batch& batch, Tuner& tuner) {
  tuner.step([&](const auto& adapters, std::span<double> losses) { model.losses(batch, adapters, losses); });
}

measured prge_in_forwards(const setting& s) {
  const auto batch = s.batch();
  auto tuner = s.prge_tuner();
  const auto [forward, step] =
      beside([&] { benchmark::DoNotOptimize(s.model().loss(batch)); }, [&] { stacked_step(s.model(), batch, tuner); });
  return {step / (static_cast<double>(2 * s.queries) * forward), step};
}

measured prge_one_after_another(const setting& s) {
  const auto batch = s.batch();
  auto tuner = s.prge_tuner(), other = s.prge_tuner();
  const auto [stacked, step] =
      beside([&] { stacked_step(s.model(), batch, tuner); },
             [&] { other.step([&](const auto& adapter) { return s.model().loss(batch, adapter); }); });
  return {step / stacked, stacked};
}

/// Upper blocks are adapted, and what enters them is kept.
measured prge_without_and_with_cache(const setting& s) {
  const auto batch = s.batch();
  const auto &plain = s.model(), &keeping = s.model(std::size_t{1} << 30);
  auto tuner = s.prge_tuner(), other = s.prge_tuner();
  stacked_step(keeping, batch, tuner);
  const auto [with, without] =
      beside([&] { stacked_step(keeping, batch, tuner); }, [&] { stacked_step(plain, batch, other); });
  return {without / with, with};
}

/// All weights are trained, and none is written while losses are evaluated. Over the forwards that a step asks for, or
/// over one.
template <class Tuner>
measured full_tuning(const setting& s, Tuner tuner, double forwards) {
  const auto batch = s.batch();
  zoft::nn::transformer& model = s.model();
  const auto [forward, step] = beside([&] { benchmark::DoNotOptimize(model.loss(batch)); },
                                      [&] {
                                        tuner.step(model, [&](const auto& candidates, std::span<double> losses) {
                                          model.losses(batch, candidates, losses);
                                        });
                                      });
  return {step / (forwards * forward), step};
}

measured lozo_in_forwards(const setting& s) {
  return full_tuning(
      s, zoft::lozo({.rank = 2, .learning_rate = 0, .queries = s.queries, .seed = 42}, s.model().weights_layout()),
      static_cast<double>(2 * s.queries));
}

template <class Sampler>
measured mezo_in_forwards(const setting& s) {
  return full_tuning(
      s, zoft::engine{Sampler{}, zoft::two_point{}, zoft::full{}, zoft::sgd{.learning_rate = 0}, zoft::seed{42}}, 1);
}

measured one_thread_over_two(const setting& s) {
  const auto batch = s.batch();
  const setting two{s.of, s.sequences, s.tokens, s.queries, 2};
  const zoft::nn::transformer &one_thread = s.model(), &two_threads = two.model();
  const auto [shared, alone] = beside([&] { benchmark::DoNotOptimize(two_threads.loss(batch)); },
                                      [&] { benchmark::DoNotOptimize(one_thread.loss(batch)); });
  return {alone / shared, shared};
}

const bool registered = [] {
  const auto add_model = [](const std::string& name, const char* ratio, int repetitions, bound wanted, setting s,
                            measured (*f)(const setting&)) {
    add(name + "/" + s.of.name + "/" + std::to_string(s.sequences) + "x" + std::to_string(s.tokens), ratio, repetitions,
        wanted, [=] { return f(s); });
  };
  using bench::small, bench::stories, bench::smol, bench::tiny;
  const bound no_more{.at_most = 1}, no_slower{.at_least = 1}, two_threads{.at_least = 1.85};
  const char* const in_forwards = "step / 8 forwards";
  const char* const stacked = "one after another / stacked";
  const char* const cached = "without activation cache / with";
  const char* const alone = "1 thread / 2 threads";
  add_model("P-RGE q=4", in_forwards, 5, no_more, {small, 16, 48, 4}, prge_in_forwards);
  add_model("P-RGE q=4", stacked, 5, no_slower, {small, 16, 48, 4}, prge_one_after_another);
  add_model("P-RGE q=4", in_forwards, 5, no_more, {stories, 8, 64, 4}, prge_in_forwards);
  add_model("P-RGE q=4", stacked, 3, no_slower, {stories, 8, 64, 4}, prge_one_after_another);
  add_model("forward", alone, 5, two_threads, {stories, 8, 64}, one_thread_over_two);
  add_model("P-RGE q=4", in_forwards, 3, no_more, {smol, 8, 64, 4}, prge_in_forwards);
  add_model("P-RGE q=4 15 blocks", cached, 3, no_slower, {smol, 8, 64, 4, 1, 15}, prge_without_and_with_cache);
  add_model("P-RGE q=1 upper 3 blocks", cached, 5, no_slower, {smol, 8, 64, 1, 1, 3}, prge_without_and_with_cache);
  add_model("P-RGE q=8", stacked, 5, {.at_least = 5}, {smol, 1, 8, 8}, prge_one_after_another);
  add_model("P-RGE q=8", stacked, 5, {.at_least = 2.5}, {smol, 1, 32, 8}, prge_one_after_another);
  add_model("forward", alone, 3, two_threads, {smol, 8, 64}, one_thread_over_two);
  add_model("LOZO q=4", in_forwards, 3, {.at_most = 1.15}, {smol, 8, 64, 4}, lozo_in_forwards);
  add_model("MeZO gaussian", "step / forward", 1, {.at_most = 2.7}, {smol, 16, 128}, mezo_in_forwards<zoft::gaussian>);
  add_model("MeZO rademacher", "step / forward", 1, {.at_most = 2.4}, {smol, 16, 128},
            mezo_in_forwards<zoft::rademacher>);
  add_model("P-RGE q=4", in_forwards, 1, no_more, {tiny, 1, 32, 4, 2}, prge_in_forwards);
  return true;
}();

}  // namespace
