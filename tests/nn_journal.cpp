// Runs on the transformer that are stopped and made again from their journal: an adapter, all weights, and directions
// that are made from what a forward shows.
#include <zoft/lozo.hpp>
#include <zoft/method/observed.hpp>
#include <zoft/mezo.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>

#include "journal_support.hpp"
#include "nn_support.hpp"

using namespace nn_test;
using zoft::nn::transformer;

namespace {

zoft::nn::batch text_of_step(const transformer& model, std::uint32_t step) {
  draws d(300 + step);
  zoft::nn::batch result;
  for (const std::size_t length : sizes{9, 5, 12}) result.add(d.tokens(length, model.shape().vocabulary));
  return result;
}

constexpr std::uint32_t stopped_at = 6, in_all = 10;

/// steps(tuner, until, after) makes steps, and calls after(report) behind each; again(log, tuner) resumes.
/// state(tuner) is what was trained.
template <class Make, class Steps, class Again, class State>
void check_adapter_run(Make make, Steps steps, Again again, State state) {
  const journal_test::folder here;
  auto never = make();
  const auto start = state(never);
  steps(never, in_all, [](const auto&) {});
  const auto truth = state(never);
  CHECK((truth != start));
  {
    auto tuner = make();
    zoft::journal log(here / "run", {.check_every = 2});
    again(log, tuner);
    steps(tuner, stopped_at, [&](const zoft::step_report& made) { log.append(made); });
  }
  auto tuner = make();
  zoft::journal log(here / "run", {.check_every = 2});
  again(log, tuner);
  CHECK(tuner.steps() == stopped_at);
  steps(tuner, in_all, [&](const zoft::step_report& made) { log.append(made); });
  CHECK((state(tuner) == truth));
}

template <class Tuner>
std::vector<std::uint32_t> adapter_bits(const Tuner& tuner) {
  const auto all = tuner.adapter().parameters();
  return core_test::bits(std::vector<float>(all.begin(), all.end()));
}

}  // namespace

TEST_CASE("journal: P-RGE on LoRA-FA", "[nn][journal]") {
  const transformer model = fixture_model("llama_tied_f32");
  check_adapter_run(
      [&] {
        auto tuner =
            zoft::prge({.queries = 2, .epsilon = 1e-2, .learning_rate = 1e-2, .seed = 3}, zoft::lora_fa{.rank = 4});
        tuner.attach(model);
        return tuner;
      },
      [&](auto& tuner, std::uint32_t until, auto after) {
        while (tuner.steps() < until)
          after(tuner.step([&, b = text_of_step(model, tuner.steps())](const auto& shown, std::span<double> losses) {
            model.losses(b, shown, losses);
          }));
      },
      [](zoft::journal& log, auto& tuner) { log.resume(tuner); },
      [](const auto& tuner) { return adapter_bits(tuner); });
}

TEST_CASE("journal: observed directions of LoRA-FA ask for each step's batch again", "[nn][journal][observed]") {
  const transformer model = fixture_model("llama_tied_f32");
  const auto functor_of = [&](const auto& tuner) {
    return [&](const auto& shown, zoft::example_losses losses, zoft::observations& seen) {
      model.example_losses(text_of_step(model, tuner.steps()), shown, losses, seen);
    };
  };
  const auto make = [&] {
    auto tuner = zoft::observed({.examples = 3, .queries = 2, .rank = 2, .learning_rate = 0.3, .seed = 3},
                                zoft::lora_fa{.rank = 4});
    tuner.attach(model);
    return tuner;
  };
  const auto steps = [&](auto& tuner, std::uint32_t until, auto after) {
    while (tuner.steps() < until) after(tuner.step(functor_of(tuner)));
  };
  const auto state = [](const auto& tuner) { return adapter_bits(tuner); };
  check_adapter_run(
      make, steps, [&](zoft::journal& log, auto& tuner) { log.resume(tuner, functor_of(tuner)); }, state);

  SECTION("a snapshot spares the forwards before it") {
    const journal_test::folder here;
    auto tuner = make(), other = make();
    zoft::journal log(here / "run", {.snapshot_every = 4});
    log.resume(tuner, functor_of(tuner));
    steps(tuner, stopped_at, [&](const zoft::step_report& made) { log.append(made); });
    std::vector<std::uint32_t> asked;
    zoft::replay(here / "run", other, [&](const auto& shown, zoft::example_losses losses, zoft::observations& seen) {
      asked.push_back(other.steps());
      functor_of(other)(shown, losses, seen);
    });
    CHECK(asked == std::vector<std::uint32_t>{4, 5});
    CHECK(adapter_bits(other) == adapter_bits(tuner));
  }
  SECTION("the batches of other steps are noticed") {
    const journal_test::folder here;
    auto tuner = make(), other = make();
    zoft::journal log(here / "run", {.check_every = 2});
    log.resume(tuner, functor_of(tuner));
    steps(tuner, stopped_at, [&](const zoft::step_report& made) { log.append(made); });
    const std::string said = core_test::message([&] {
      zoft::replay(here / "run", other, [&](const auto& shown, zoft::example_losses losses, zoft::observations& seen) {
        model.example_losses(text_of_step(model, other.steps() + 1), shown, losses, seen);
      });
    });
    CHECK(said.starts_with("zoft: " + (here / "run") + ": the parameters before step 2 are not those of the run"));
  }
}

TEST_CASE("journal: all weights, where the model keeps them", "[nn][journal]") {
  for (const zoft::nn::dtype type : {zoft::nn::dtype::f32, zoft::nn::dtype::bf16}) {
    CAPTURE(type == zoft::nn::dtype::bf16);
    const zoft::nn::load_options kept{.weights = type};
    const zoft::layout shape = fixture_model("llama_tied_f32", kept).weights_layout();
    const auto check = [&](auto make_tuner, auto step, auto... functor) {
      const journal_test::folder here;
      transformer never = fixture_model("llama_tied_f32", kept), first = fixture_model("llama_tied_f32", kept),
                  second = fixture_model("llama_tied_f32", kept);
      const auto start = core_test::bits(never.weights());
      auto whole = make_tuner();
      while (whole.steps() < in_all) step(whole, never);
      {
        auto tuner = make_tuner();
        zoft::journal log(here / "run", {.check_every = 2});
        log.resume(tuner, first, functor(tuner, first)...);
        while (tuner.steps() < stopped_at) log.append(step(tuner, first));
      }
      auto tuner = make_tuner();
      zoft::journal log(here / "run", {.check_every = 2});
      log.resume(tuner, second, functor(tuner, second)...);
      CHECK((core_test::bits(second.weights()) == core_test::bits(first.weights())));
      while (tuner.steps() < in_all) log.append(step(tuner, second));
      CHECK((core_test::bits(second.weights()) == core_test::bits(never.weights())));
      CHECK((core_test::bits(never.weights()) != start));
    };
    const auto stacked_step = [](auto& tuner, transformer& model) {
      return tuner.step(model, [&, b = text_of_step(model, tuner.steps())](
                                   const auto& shown, std::span<double> losses) { model.losses(b, shown, losses); });
    };
    check([&] { return zoft::lozo({.interval = 4, .learning_rate = 1e-3, .queries = 2, .seed = 3}, shape); },
          stacked_step);
    check([&] { return zoft::mezo({.learning_rate = 1e-3, .seed = 3}, shape); }, stacked_step);
    const auto functor = [](auto& tuner, transformer& model) {
      return [&](const auto& shown, zoft::example_losses losses, zoft::observations& seen) {
        model.example_losses(text_of_step(model, tuner.steps()), shown, losses, seen);
      };
    };
    check([&] { return zoft::observed({.examples = 3, .rank = 2, .learning_rate = 0.3, .seed = 3}); },
          [&](auto& tuner, transformer& model) { return tuner.step(model, functor(tuner, model)); }, functor);
  }
}
