#include "tasks.hpp"

#include <zoft/adapter/lora_fa.hpp>
#include <zoft/io/tokenizer.hpp>
#include <zoft/nn/transformer.hpp>

#include "finetune/beginning.hpp"
#include "finetune/options.hpp"
#include "finetune/task.hpp"

namespace estimators {

namespace {

std::unique_ptr<finetune::task> task_of(const finetune::options& o, const zoft::io::tokenizer& tokens,
                                        const zoft::nn::transformer& model) {
  return o.kind == finetune::data_kind::text ? make_text_task(o, tokens, model.shape())
                                             : make_item_task(o, tokens, model.shape());
}

/// Of one sequence, so that the sequences' mean is the batch's loss.
double example_loss(const zoft::nn::transformer& model, const zoft::nn::batch& batch, std::size_t index) {
  zoft::nn::batch one;
  one.add(batch[index].tokens, batch[index].labels);
  const double share = static_cast<double>(one.predicted()) / static_cast<double>(batch.predicted());
  return share == 0 ? 0 : model.loss(one) * share * static_cast<double>(batch.size());
}

/// LoRA-FA on all linears of a model that is shared, from where the options say.
class adapter_problem : public problem {
 public:
  adapter_problem(const finetune::options& o, const zoft::nn::transformer& model, const zoft::io::tokenizer& tokens)
      : o_(o),
        model_(model),
        task_(task_of(o_, tokens, model)),
        adapter_(zoft::lora_fa{
            .rank = o_.rank, .alpha = o_.alpha, .start = finetune::beginning_of(o_, model, tokens, *task_)}
                     .attach(model.layout(), zoft::seed{o_.seed})) {}

  zoft::layout shape() const override { return adapter_.layout(); }
  double loss() override { return task_->evaluate(model_, adapter_.stack()).loss; }
  zoft::step_report step(tuner& t) override {
    zoft::nn::batch batch = task_->batch(step_++);
    return t.step(adapter_.parameters(),
                  {.of_all =
                       [&](zoft::candidates<float> c, std::span<double> losses, zoft::observations& seen) {
                         const bool shows = seen.asked();
                         model_.losses(batch, adapter_.show(c), losses, seen);
                         if (shows) seen = adapter_.observed(std::move(seen));
                       },
                   .of_examples =
                       [&](zoft::candidates<float> c, std::span<double> losses, zoft::observations& seen) {
                         const bool shows = seen.asked();
                         model_.example_losses(batch, adapter_.show(c), losses, seen);
                         if (shows) seen = adapter_.observed(std::move(seen));
                       },
                   .take_batch = [&](std::uint32_t i) { batch = task_->batch(i); }});
  }

 private:
  finetune::options o_;
  const zoft::nn::transformer& model_;
  std::unique_ptr<finetune::task> task_;
  zoft::low_rank_adapter adapter_;
  std::uint32_t step_ = 0;
};

/// All weights of a model of the run's own.
class weights_problem : public problem {
 public:
  weights_problem(const finetune::options& o, const zoft::io::tokenizer& tokens)
      : o_(o),
        model_(zoft::nn::load(o.model, {.weights = o.weights, .threads = 1})),
        task_(task_of(o_, tokens, model_)),
        weights_(model_.weights()) {}

  zoft::layout shape() const override { return model_.weights_layout(); }
  double loss() override {
    model_.assign(weights_);
    return task_->evaluate(model_, zoft::low_rank_stack(1)).loss;
  }
  zoft::step_report step(tuner& t) override {
    zoft::nn::batch batch = task_->batch(step_++);
    return t.step(std::span(weights_),
                  {.of_all =
                       [&](zoft::candidates<float> c, std::span<double> losses, zoft::observations& seen) {
                         for (std::size_t i = 0; i < c.size(); ++i) {
                           model_.assign(c[i]);
                           model_.losses(batch, zoft::adapter_stack(1), losses.subspan(i, 1), seen);
                         }
                       },
                   .of_examples =
                       [&](zoft::candidates<float> c, std::span<double> losses, zoft::observations& seen) {
                         if (seen.asked()) {
                           model_.assign(c[0]);
                           model_.example_losses(batch, zoft::adapter_stack(c.size()), losses, seen);
                           return;
                         }
                         for (std::size_t i = 0; i < c.size(); ++i) {
                           model_.assign(c[i]);
                           losses[i] = example_loss(model_, batch, i % batch.size());
                         }
                       },
                   .take_batch = [&](std::uint32_t i) { batch = task_->batch(i); }});
  }

 private:
  finetune::options o_;
  zoft::nn::transformer model_;
  std::unique_ptr<finetune::task> task_;
  std::vector<float> weights_;
  std::uint32_t step_ = 0;
};

}  // namespace

problem_kind task(const std::string& name, std::vector<std::string> arguments, std::size_t forwards) {
  arguments.insert(arguments.begin(), "finetune");
  std::vector<char*> argv;
  for (std::string& a : arguments) argv.push_back(a.data());
  auto o = std::make_shared<finetune::options>();
  finetune::parse(static_cast<int>(argv.size()), argv.data(), *o);
  const auto tokens = std::make_shared<zoft::io::tokenizer>(zoft::io::load_tokenizer(o->tokenizer));
  const auto options_of = [o](std::uint64_t seed) {
    finetune::options result = *o;
    result.seed = seed;
    return result;
  };
  if (o->adapter == "full")
    return {name,     o->epsilon,
            forwards, false,
            o->batch, [=](std::uint64_t seed) { return std::make_unique<weights_problem>(options_of(seed), *tokens); },
            o->rows};
  // Runs go side by side, so each is on one thread.
  const auto model =
      std::make_shared<zoft::nn::transformer>(zoft::nn::load(o->model, {.weights = o->weights, .threads = 1}));
  return {name,
          o->epsilon,
          forwards,
          false,
          o->batch,
          [=](std::uint64_t seed) { return std::make_unique<adapter_problem>(options_of(seed), *model, *tokens); },
          o->rows};
}

}  // namespace estimators
