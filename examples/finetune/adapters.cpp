// Trainers of what is added to a model.
#include <optional>
#include <zoft/adapter/bias_only.hpp>
#include <zoft/adapter/lora.hpp>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/adapter/norm_only.hpp>
#include <zoft/adapter/one_of.hpp>
#include <zoft/adapter/prefix.hpp>

#include "adapter_files.hpp"
#include "trainers.hpp"

namespace finetune {

namespace {

/// Any adapter of the table: the methods are compiled once for all of them.
using any_adapter = zoft::one_of<zoft::lora_fa, zoft::lora, zoft::prefix, zoft::bias_only, zoft::norm_only>;

/// What an adapter begins with has its own linears.
std::vector<std::string> targets_of(const options& o, const std::vector<zoft::low_rank_values>& start) {
  return start.empty() ? o.targets : std::vector<std::string>();
}

/// A new one is one more line. (options, what it begins with) -> adapter
const std::tuple table{
    choice{"lora_fa", "B of BA, which is added to the weights; A stays as drawn",
           [](const auto& o, const auto& start) -> any_adapter {
             return zoft::lora_fa{.rank = o.rank, .alpha = o.alpha, .targets = targets_of(o, start), .start = start};
           }},
    choice{"lora", "A and B",
           [](const auto& o, const auto& start) -> any_adapter {
             return zoft::lora{.rank = o.rank, .alpha = o.alpha, .targets = targets_of(o, start), .start = start};
           }},
    choice{"prefix", "keys and values before those of every sequence",
           [](const auto& o, const auto&) -> any_adapter { return zoft::prefix{.length = o.prefix_length}; }},
    choice{"bias_only", "a bias of each linear",
           [](const auto& o, const auto&) -> any_adapter { return zoft::bias_only{.targets = o.targets}; }},
    choice{"norm_only", "the gains of the norms",
           [](const auto& o, const auto&) -> any_adapter { return zoft::norm_only{.targets = o.targets}; }},
};

/// The adapter, if it is of matrices; otherwise null.
const zoft::low_rank_adapter* low_rank_of(const any_adapter::attached& adapter) {
  return adapter.as<zoft::low_rank_adapter>();
}

/// What is trained is added to the model, which stays as it is.
template <class Engine>
class owning_trainer : public trainer {
 public:
  owning_trainer(Engine engine, const options& o, const zoft::nn::transformer& model)
      : engine_(std::move(engine)), o_(o), model_(model) {
    engine_.attach(attachable_model{model});
    merges_ = low_rank() ? o.merge : can_be_merged(model, adapter().stack());
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
    if (const auto* const matrices = low_rank())
      return o_.adapter + " of rank " + zoft::text(o_.rank) + " and alpha " + zoft::text(o_.alpha) + " on " +
             zoft::text(matrices->pairs().size()) + " linears";
    if (o_.adapter == "prefix")
      return "prefix of " + zoft::text(o_.prefix_length) + " tokens in " + zoft::text(tensors / 2) + " attentions";
    return o_.adapter + " on " + zoft::text(tensors) + (o_.adapter == "bias_only" ? " linears" : " norms");
  }
  std::vector<std::string> files() const override {
    if (merges_) return files_of_model;
    return low_rank() ? adapter_files(model_.shape()) : std::vector<std::string>();
  }
  void save(const std::string& folder) const override {
    if (merges_) return save_model(o_, model_, folder, adapter().stack());
    if (const auto* const matrices = low_rank()) {
      std::vector<zoft::io::low_rank_tensor> tensors;
      for (const auto& p : matrices->pairs()) tensors.push_back({p.linear, p.out, p.in, matrices->rank(), p.a, p.b});
      save_adapter(folder, tensors, matrices->alpha(), model_.shape(), o_.model);
    }
  }

 private:
  const any_adapter::attached& adapter() const { return takes_kept_ ? *kept_ : engine_.adapter(); }
  const zoft::low_rank_adapter* low_rank() const { return low_rank_of(adapter()); }

  Engine engine_;
  std::optional<any_adapter::attached> kept_;
  bool takes_kept_ = false;
  const options& o_;
  const zoft::nn::transformer& model_;
  bool merges_;  // what is left is the whole model
};

std::unique_ptr<trainer> make(const options& o, zoft::nn::transformer& model,
                              const std::vector<zoft::low_rank_values>& start) {
  std::optional<any_adapter> adapter;
  for_each(table, [&](const auto& line) {
    if (o.adapter == line.name) adapter = line.make(o, start);
  });
  std::unique_ptr<trainer> result;
  if (!adapter) return result;
  for_each(methods, [&](const auto& method) {
    if (o.method != method.name) return;
    auto engine = method.make(o, *adapter);
    result = std::make_unique<owning_trainer<decltype(engine)>>(std::move(engine), o, model);
  });
  return result;
}

}  // namespace

adapters added_to_model() { return {names_of(table), help_of(table), make}; }

}  // namespace finetune
