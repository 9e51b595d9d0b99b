// All weights of a model.
#include <stdexcept>

#include "trainers.hpp"

namespace finetune {

namespace {

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
      return engine_.step(std::span(weights_),
                          [&](std::span<const float> w) { return evaluate(model_, batch, criterion_of(o_), w); });
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

std::unique_ptr<trainer> make(const options& o, zoft::nn::transformer& model,
                              const std::vector<zoft::low_rank_values>&) {
  std::unique_ptr<trainer> result;
  if (o.adapter != "full") return result;
  for_each(methods, [&](const auto& method) {
    if (o.method != method.name) return;
    auto engine = method.make(o, zoft::full{.layout = model.weights_layout()});
    constexpr bool low_rank =
        zoft::low_rank_sampler<std::remove_cvref_t<decltype(engine.sampler())>> || observes<decltype(engine)>;
    if constexpr (of_examples<decltype(engine)> && !low_rank)
      throw std::logic_error("finetune: --adapter full shows no example dense weights of its own");
    else
      result = std::make_unique<full_trainer<decltype(engine)>>(std::move(engine), o, model);
  });
  return result;
}

}  // namespace

adapters weights_of_model() { return {{"full"}, "full: all weights of the model\n", make}; }

}  // namespace finetune
