/// Trainers of what is added to a model.
#pragma once

#include <stdexcept>

#include "adapter_files.hpp"
#include "trainers.hpp"

namespace finetune {

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

/// The trainer of the adapter in the table that the options name.
template <class Table>
std::unique_ptr<trainer> make_owning(const Table& table, const options& o, const zoft::nn::transformer& model,
                                     const std::vector<zoft::low_rank_values>& start) {
  std::unique_ptr<trainer> result;
  for_each(table, [&](const auto& adapter) {
    if (o.adapter != adapter.name) return;
    for_each(methods, [&](const auto& method) {
      if (o.method != method.name) return;
      auto engine = method.make(o, adapter.make(o, start));
      constexpr bool shows_b = std::is_same_v<typename std::remove_cvref_t<decltype(adapter.make(o, start))>::attached,
                                              zoft::low_rank_adapter>;
      if constexpr (observes<decltype(engine)> && !shows_b)
        throw std::logic_error("finetune: only linears are observed");
      else
        result = std::make_unique<owning_trainer<decltype(engine)>>(std::move(engine), o, model);
    });
  });
  return result;
}

}  // namespace finetune
