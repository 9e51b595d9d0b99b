#include "trainer.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/estimator/per_example.hpp>
#include <zoft/estimator/standardised.hpp>
#include <zoft/io/tokenizer/save.hpp>
#include <zoft/method/observed.hpp>
#include <zoft/method/per_example_lozo.hpp>
#include <zoft/method/zo_act.hpp>
#include <zoft/mezo.hpp>
#include <zoft/nn/save.hpp>
#include <zoft/optimizer/adam.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/prge.hpp>
#include <zoft/sampler/low_rank_gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "adapter_files.hpp"

namespace finetune {

namespace {

zoft::prge_options prge_of(const options& o, zoft::parallel loops) {
  return {.queries = o.queries,
          .epsilon = o.epsilon,
          .learning_rate = o.learning_rate,
          .decay = o.decay,
          .schedule = schedule_of(o),
          .loops = loops,
          .seed = o.seed};
}
zoft::two_point two_point_of(const options& o) { return {.epsilon = o.epsilon, .queries = o.queries}; }
zoft::one_sided one_sided_of(const options& o) { return {.epsilon = o.epsilon, .queries = o.queries}; }
zoft::sgd sgd_of(const options& o) {
  return {.learning_rate = o.learning_rate, .decay = o.decay, .schedule = schedule_of(o)};
}
/// On both example tasks β₁ = 0.8 came lower than 0.9 in the same forwards.
zoft::adam adam_of(const options& o) {
  return {.learning_rate = o.learning_rate, .beta1 = 0.8, .decay = o.decay, .schedule = schedule_of(o)};
}
zoft::momentum momentum_of(const options& o) {
  return {.learning_rate = o.learning_rate, .decay = o.decay, .schedule = schedule_of(o)};
}

/// A line of a table.
template <class Make>
struct choice {
  const char* name;
  const char* help;
  Make make;
};
template <class Make>
choice(const char*, const char*, Make) -> choice<Make>;

/// Every method of the program: a new one is one more line. (options, adapter) -> engine
const std::tuple methods{
    choice{"prge", "all 2 q candidates of a step in one stacked forward",
           [](const auto& o, auto a) { return zoft::prge(prge_of(o, zoft::parallel::outer_and_inner), a); }},
    choice{"prge-outer", "the same in two forwards of q candidates",
           [](const auto& o, auto a) { return zoft::prge(prge_of(o, zoft::parallel::outer), a); }},
    choice{"mezo", "the same, one candidate at a time: least memory",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::gaussian{}, two_point_of(o),    a,
                                 sgd_of(o),        zoft::seed{o.seed}, zoft::per_call{1}};
           }},
    choice{"one-sided", "forward differences, q + 1 candidates",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::gaussian{}, one_sided_of(o), a, sgd_of(o), zoft::seed{o.seed}};
           }},
    choice{"rademacher", "as prge, along random signs",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::rademacher{}, two_point_of(o), a, sgd_of(o), zoft::seed{o.seed}};
           }},
    choice{"momentum", "as prge, with a heavy ball of 0.9",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::gaussian{}, two_point_of(o), a, momentum_of(o), zoft::seed{o.seed}};
           }},
    choice{"adam", "as prge, with Adam",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::gaussian{}, two_point_of(o), a, adam_of(o), zoft::seed{o.seed}};
           }},
    choice{"per-example", "q directions of its own for each sequence, in q + 1 forwards; with Adam",
           [](const auto& o, auto a) {
             const zoft::per_example<zoft::one_sided> of_each{.each = one_sided_of(o), .examples = o.batch};
             return zoft::engine{zoft::gaussian{}, of_each, a, adam_of(o), zoft::seed{o.seed}};
           }},
    choice{"per-example-lozo", "the same along directions of rank 16, relative to their slopes' spread; without Adam",
           [](const auto& o, auto a) {
             return zoft::per_example_lozo({.examples = o.batch,
                                            .queries = o.queries,
                                            .epsilon = o.epsilon,
                                            .learning_rate = o.learning_rate,
                                            .decay = o.decay,
                                            .schedule = schedule_of(o),
                                            .seed = o.seed},
                                           a);
           }},
    choice{"observed",
           "directions made from what a forward shows; with lora_fa and full; rates are relative to outputs",
           [](const auto& o, auto a) {
             return zoft::observed({.examples = o.batch,
                                    .queries = o.queries,
                                    .rank = o.rows,
                                    .epsilon = o.epsilon,
                                    .learning_rate = o.learning_rate,
                                    .decay = o.decay,
                                    .schedule = schedule_of(o),
                                    .seed = o.seed},
                                   a);
           }},
    choice{"zo-act", "one-sided, with Adam, on an A of rank 1 that is calibrated: ZO-Act; with lora_fa",
           [](const auto& o, auto a) {
             return zoft::zo_act({.queries = o.queries,
                                  .epsilon = o.epsilon,
                                  .learning_rate = o.learning_rate,
                                  .decay = o.decay,
                                  .schedule = schedule_of(o),
                                  .seed = o.seed},
                                 a);
           }},
    choice{"lozo", "as prge, along directions of rank 2, from bases that 50 steps share",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::low_rank_gaussian{.rank = 2, .interval = 50}, two_point_of(o), a, sgd_of(o),
                                 zoft::seed{o.seed}};
           }},
    choice{"fzoo", "one-sided, along random signs, relative to the spread of the losses",
           [](const auto& o, auto a) {
             const zoft::standardised relative{.epsilon = o.epsilon, .queries = o.queries};
             return zoft::engine{zoft::rademacher{}, relative, a, sgd_of(o), zoft::seed{o.seed}};
           }},
};

/// What an adapter begins with has its own linears.
std::vector<std::string> targets_of(const options& o, const std::vector<zoft::low_rank_values>& start) {
  return start.empty() ? o.targets : std::vector<std::string>();
}

/// Every adapter that leaves the model as it is: a new one is one more line. (options, what it begins with) ->
/// adapter
const std::tuple adapters{
    choice{"lora_fa", "B of BA, which is added to the weights; A stays as drawn",
           [](const auto& o, const auto& start) {
             return zoft::lora_fa{.rank = o.rank, .alpha = o.alpha, .targets = targets_of(o, start), .start = start};
           }},
    choice{"lora", "A and B",
           [](const auto& o, const auto& start) {
             return zoft::lora{.rank = o.rank, .alpha = o.alpha, .targets = targets_of(o, start), .start = start};
           }},
    choice{"prefix", "keys and values before those of every sequence",
           [](const auto& o, const auto&) { return zoft::prefix{.length = o.prefix_length}; }},
    choice{"bias_only", "a bias of each linear",
           [](const auto& o, const auto&) { return zoft::bias_only{.targets = o.targets}; }},
    choice{"norm_only", "the gains of the norms",
           [](const auto& o, const auto&) { return zoft::norm_only{.targets = o.targets}; }},
};

/// Whether losses are of one example each.
template <class Engine>
constexpr bool of_examples =
    zoft::estimator_of_examples<std::remove_cvref_t<decltype(std::declval<const Engine&>().estimator())>>;

/// Whether directions are made from what the model shows.
template <class Engine>
constexpr bool observes = zoft::observing_sampler<std::remove_cvref_t<decltype(std::declval<Engine&>().sampler())>>;

/// One step of a run, on what the engine trains.
template <class Engine, class... X>
zoft::step_report step_of(Engine& engine, const zoft::nn::transformer& model, const zoft::nn::batch& batch,
                          zoft::nn::criterion of, X&... x) {
  if constexpr (observes<Engine>)
    return engine.step(x..., [&](const auto& shown, zoft::example_losses losses, zoft::observations& seen) {
      model.example_losses(batch, shown, losses, seen, of);
    });
  else if constexpr (of_examples<Engine>)
    return engine.step(
        x..., [&](const auto& shown, zoft::example_losses losses) { model.example_losses(batch, shown, losses, of); });
  else
    return engine.step(x...,
                       [&](const auto& shown, std::span<double> losses) { model.losses(batch, shown, losses, of); });
}

/// The functor of `step` for a step of the engine's that is made again.
template <class Engine>
auto shows_again(const Engine& engine, const zoft::nn::transformer& model, const trainer::batches& batch_of,
                 zoft::nn::criterion of) {
  return [&, of](const auto& shown, zoft::example_losses losses, zoft::observations& seen) {
    model.example_losses(batch_of(engine.steps()), shown, losses, seen, of);
  };
}

/// The whole model as a Hugging Face folder, with what is added to it.
const std::vector<std::string> files_of_model{"config.json", "model.safetensors"};
void save_model(const options& o, const zoft::nn::transformer& model, const std::string& folder,
                const zoft::adapter_stack& added) {
  zoft::nn::save(model, o.model, folder, std::nullopt, added);
  zoft::io::save_tokenizer(o.tokenizer, folder);
}

/// What is trained is added to the model, which stays as it is.
template <class Engine>
class owning_trainer : public trainer {
 public:
  owning_trainer(Engine engine, const options& o, const zoft::nn::transformer& model)
      : engine_(std::move(engine)), o_(o), model_(model) {
    engine_.attach(model);
    merges_ = low_rank ? o.merge : can_be_merged();
  }

  zoft::step_report step(const zoft::nn::batch& batch) override {
    return step_of(engine_, model_, batch, criterion_of(o_));
  }
  void resume(zoft::journal& log, const batches& batch_of) override {
    if constexpr (observes<Engine>)
      log.resume(engine_, shows_again(engine_, model_, batch_of, criterion_of(o_)));
    else
      log.resume(engine_);
  }
  bool has_snapshots() const override { return Engine::shows_state; }
  std::uint32_t steps() const override { return engine_.steps(); }
  std::size_t forwards() const override { return zoft::estimation::forwards(engine_.estimator()); }
  bool keep() override {
    kept_ = engine_.adapter();
    return true;
  }
  void take_kept() override { takes_kept_ = kept_.has_value(); }
  zoft::adapter_stack current() override { return adapter().stack(); }
  std::size_t parameters() const override { return engine_.adapter().parameters().size(); }
  std::string description() const override {
    const std::size_t tensors = engine_.adapter().layout().tensors().size();
    if constexpr (low_rank)
      return o_.adapter + " of rank " + zoft::text(o_.rank) + " and alpha " + zoft::text(o_.alpha) + " on " +
             zoft::text(engine_.adapter().pairs().size()) + " linears";
    else if (o_.adapter == "prefix")
      return "prefix of " + zoft::text(o_.prefix_length) + " tokens in " + zoft::text(tensors / 2) + " attentions";
    else
      return o_.adapter + " on " + zoft::text(tensors) + (o_.adapter == "bias_only" ? " linears" : " norms");
  }
  std::vector<std::string> files() const override {
    if (merges_) return files_of_model;
    return low_rank ? adapter_files(model_.shape()) : std::vector<std::string>();
  }
  void save([[maybe_unused]] const std::string& folder) const override {
    if (merges_) return save_model(o_, model_, folder, adapter().stack());
    if constexpr (low_rank) {
      std::vector<zoft::io::low_rank_tensor> tensors;
      for (const auto& p : adapter().pairs()) tensors.push_back({p.linear, p.out, p.in, adapter().rank(), p.a, p.b});
      save_adapter(folder, tensors, adapter().alpha(), model_.shape(), o_.model);
    }
  }

 private:
  static constexpr bool low_rank =
      std::is_same_v<decltype(std::declval<Engine>().adapter()), const zoft::low_rank_adapter&>;

  /// Whether all that is trained is added to weights that the model has: biases may have none, a prefix has none.
  bool can_be_merged() const {
    try {
      zoft::nn::merged_weights(model_.weights_layout(), engine_.adapter().stack(), model_.shape().names.embedding);
      return true;
    } catch (const std::invalid_argument&) {
      return false;
    }
  }

  using attached = std::remove_cvref_t<decltype(std::declval<Engine>().adapter())>;
  const attached& adapter() const { return takes_kept_ ? *kept_ : engine_.adapter(); }

  Engine engine_;
  std::optional<attached> kept_;
  bool takes_kept_ = false;
  const options& o_;
  const zoft::nn::transformer& model_;
  bool merges_;  // what is left is the whole model
};

/// All weights, where the model keeps them: candidates are evaluated beside them. Optimizers that keep numbers for each
/// parameter need the weights in one buffer. For those, a copy in fp32 is moved to each candidate in place and given to
/// the model.
template <class Engine>
class full_trainer : public trainer {
 public:
  full_trainer(Engine engine, const options& o, zoft::nn::transformer& model)
      : engine_(std::move(engine)), o_(o), model_(model) {
    if (needs_buffer) weights_ = model.weights();
  }

  zoft::step_report step(const zoft::nn::batch& batch) override {
    if constexpr (!needs_buffer)
      if (weights_.empty()) return step_of(engine_, model_, batch, criterion_of(o_), model_);
    if constexpr (observes<Engine> || of_examples<Engine>)
      throw std::logic_error("finetune: directions of examples, or that are observed, need no buffer");
    else
      return engine_.step(std::span(weights_), [&](std::span<const float> w) {
        model_.assign(w);
        return model_.loss(batch, zoft::adapter_stack(1), criterion_of(o_));
      });
  }
  void resume(zoft::journal& log, const batches& batch_of) override {
    if constexpr (!needs_buffer)
      if (weights_.empty()) {
        if constexpr (observes<Engine>)
          log.resume(engine_, model_, shows_again(engine_, model_, batch_of, criterion_of(o_)));
        else
          log.resume(engine_, model_);
        return;
      }
    if constexpr (!observes<Engine>) log.resume(engine_, std::span(weights_));
  }
  bool has_snapshots() const override { return Engine::shows_state && observes<Engine>; }
  std::uint32_t steps() const override { return engine_.steps(); }
  std::size_t forwards() const override { return zoft::estimation::forwards(engine_.estimator()); }
  bool keep() override { return false; }
  void take_kept() override {}
  zoft::adapter_stack current() override {
    if (!weights_.empty()) model_.assign(weights_);
    return zoft::adapter_stack(1);
  }
  std::size_t parameters() const override { return model_.weights_layout().size(); }
  std::string description() const override {
    return weights_.empty() ? "all weights, where the model keeps them"
                            : "all weights, a copy in place, one candidate at a time";
  }
  std::vector<std::string> files() const override { return files_of_model; }
  void save(const std::string& folder) const override {
    if (!weights_.empty()) model_.assign(weights_);
    save_model(o_, model_, folder, zoft::adapter_stack(1));
  }

 private:
  using optimizer = std::remove_cvref_t<decltype(std::declval<Engine&>().optimizer())>;
  static constexpr bool needs_buffer = requires(optimizer o, std::span<const float> x, const zoft::layout& shape) {
    o.template start<float>(x, shape);
  };

  Engine engine_;
  const options& o_;
  zoft::nn::transformer& model_;
  std::vector<float> weights_;
};

template <class F>
void for_each(const auto& table, F f) {
  std::apply([&](const auto&... each) { (f(each), ...); }, table);
}

std::vector<std::string> names_of(const auto& table) {
  std::vector<std::string> result;
  for_each(table, [&](const auto& line) { result.push_back(line.name); });
  return result;
}

std::string help_of(const auto& table) {
  std::string result;
  for_each(table, [&](const auto& line) { result += std::string(line.name) + ": " + line.help + "\n"; });
  return result;
}

template <class Make>
std::unique_ptr<trainer> build(const Make& make, const options& o, zoft::nn::transformer& model,
                               const std::vector<zoft::low_rank_values>& start) {
  std::unique_ptr<trainer> result;
  for_each(adapters, [&](const auto& adapter) {
    if (o.adapter != adapter.name) return;
    auto engine = make(o, adapter.make(o, start));
    constexpr bool shows_b = std::is_same_v<typename std::remove_cvref_t<decltype(adapter.make(o, start))>::attached,
                                            zoft::low_rank_adapter>;
    if constexpr (observes<decltype(engine)> && !shows_b)
      throw std::logic_error("finetune: only linears are observed");
    else
      result = std::make_unique<owning_trainer<decltype(engine)>>(std::move(engine), o, model);
  });
  if (result) return result;
  auto engine = make(o, zoft::full{.layout = model.weights_layout()});
  constexpr bool low_rank =
      zoft::low_rank_sampler<std::remove_cvref_t<decltype(engine.sampler())>> || observes<decltype(engine)>;
  if constexpr (of_examples<decltype(engine)> && !low_rank)
    throw std::logic_error("finetune: --adapter full shows no example dense weights of its own");
  else
    return std::make_unique<full_trainer<decltype(engine)>>(std::move(engine), o, model);
}

}  // namespace

std::unique_ptr<trainer> make_trainer(const options& o, zoft::nn::transformer& model,
                                      const std::vector<zoft::low_rank_values>& start) {
  std::unique_ptr<trainer> result;
  for_each(methods, [&](const auto& method) {
    if (o.method == method.name) result = build(method.make, o, model, start);
  });
  return result;
}

std::vector<std::string> method_names() { return names_of(methods); }
std::string method_help() { return help_of(methods); }

std::vector<std::string> adapter_names() {
  std::vector<std::string> result = names_of(adapters);
  result.push_back("full");
  return result;
}
std::string adapter_help() { return help_of(adapters) + "full: all weights of the model\n"; }

}  // namespace finetune
