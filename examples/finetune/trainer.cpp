#include "trainer.hpp"

#include <tuple>
#include <utility>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/io/peft.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/prge.hpp>
#include <zoft/sampler/rademacher.hpp>
#include <zoft/schedule/cosine.hpp>
#include <zoft/schedule/linear.hpp>

namespace finetune {

namespace {

zoft::schedule schedule_of(const options& o) {
  if (o.schedule == "linear") return zoft::linear(o.steps, o.warmup);
  if (o.schedule == "cosine") return zoft::cosine(o.steps, o.warmup);
  return {.warmup = o.warmup};
}

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
zoft::momentum momentum_of(const options& o) {
  return {.learning_rate = o.learning_rate, .decay = o.decay, .schedule = schedule_of(o)};
}

template <class Make>
struct method {
  const char* name;
  const char* help;
  Make make;  ///< (options, adapter) -> engine
};
template <class Make>
method(const char*, const char*, Make) -> method<Make>;

/// Every method of the program: a new one is one more line.
const std::tuple methods{
    method{"prge", "all 2 q candidates of a step in one stacked forward",
           [](const auto& o, auto a) { return zoft::prge(prge_of(o, zoft::parallel::outer_and_inner), a); }},
    method{"prge-outer", "the same in two forwards of q candidates",
           [](const auto& o, auto a) { return zoft::prge(prge_of(o, zoft::parallel::outer), a); }},
    method{"mezo", "the same, one candidate at a time: least memory",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::gaussian{}, two_point_of(o),    a,
                                 sgd_of(o),        zoft::seed{o.seed}, zoft::per_call{1}};
           }},
    method{"one-sided", "forward differences, q + 1 candidates",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::gaussian{}, one_sided_of(o), a, sgd_of(o), zoft::seed{o.seed}};
           }},
    method{"rademacher", "as prge, along random signs",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::rademacher{}, two_point_of(o), a, sgd_of(o), zoft::seed{o.seed}};
           }},
    method{"momentum", "as prge, with a heavy ball of 0.9",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::gaussian{}, two_point_of(o), a, momentum_of(o), zoft::seed{o.seed}};
           }},
};

/// lora and lora_fa: the model stays as it is.
template <class Engine>
class low_rank_trainer : public trainer {
 public:
  low_rank_trainer(Engine engine, const options& o, const zoft::nn::transformer& model)
      : engine_(std::move(engine)), o_(o), model_(model) {
    engine_.attach(model);
  }

  zoft::step_report step(const zoft::nn::batch& batch) override {
    return engine_.step([&](const zoft::low_rank_stack& adapters, std::span<double> losses) {
      model_.losses(batch, adapters, losses);
    });
  }
  zoft::low_rank_stack current() override { return engine_.adapter().stack(); }
  std::size_t parameters() const override { return engine_.adapter().parameters().size(); }
  std::string description() const override {
    return o_.adapter + " of rank " + zoft::text(o_.rank) + " and alpha " + zoft::text(o_.alpha) + " on " +
           zoft::text(engine_.adapter().pairs().size()) + " linears";
  }
  std::vector<std::string> files() const override { return {"adapter_config.json", "adapter_model.safetensors"}; }
  void save(const std::string& folder) const override {
    std::vector<zoft::io::low_rank_tensor> tensors;
    for (const auto& p : engine_.adapter().pairs())
      tensors.push_back({p.linear, p.out, p.in, engine_.adapter().rank(), p.a, p.b});
    zoft::io::write_peft(folder, tensors, engine_.adapter().alpha(), o_.model);
  }

 private:
  Engine engine_;
  const options& o_;
  const zoft::nn::transformer& model_;
};

/// All weights: they are kept in fp32, moved to each candidate in place, and given to the model, which rounds them
/// where it is loaded in bf16.
template <class Engine>
class full_trainer : public trainer {
 public:
  full_trainer(Engine engine, const options&, zoft::nn::transformer& model)
      : engine_(std::move(engine)), model_(model), weights_(model.weights()) {}

  zoft::step_report step(const zoft::nn::batch& batch) override {
    return engine_.step(std::span(weights_), [&](std::span<const float> w) {
      model_.assign(w);
      return model_.loss(batch);
    });
  }
  zoft::low_rank_stack current() override {
    model_.assign(weights_);
    return zoft::low_rank_stack(1);
  }
  std::size_t parameters() const override { return weights_.size(); }
  std::string description() const override { return "all weights, in place, one candidate at a time"; }
  std::vector<std::string> files() const override { return {"weights.safetensors"}; }
  void save(const std::string& folder) const override {
    const zoft::layout shape = model_.weights_layout();
    std::vector<zoft::io::named_tensor> tensors;
    for (const zoft::tensor& t : shape)
      tensors.push_back({t.name, t.is_matrix() ? std::vector{t.rows, t.columns} : std::vector{t.rows},
                         std::span(weights_).subspan(t.offset, t.size())});
    zoft::io::write_safetensors(folder + "/weights.safetensors", tensors, {{"format", "pt"}});
  }

 private:
  Engine engine_;
  zoft::nn::transformer& model_;
  std::vector<float> weights_;
};

template <class Make>
std::unique_ptr<trainer> build(const Make& make, const options& o, zoft::nn::transformer& model) {
  const auto low_rank = [&](auto adapter) -> std::unique_ptr<trainer> {
    auto engine = make(o, adapter);
    return std::make_unique<low_rank_trainer<decltype(engine)>>(std::move(engine), o, model);
  };
  if (o.adapter == "lora") return low_rank(zoft::lora{.rank = o.rank, .alpha = o.alpha, .targets = o.targets});
  if (o.adapter == "lora_fa") return low_rank(zoft::lora_fa{.rank = o.rank, .alpha = o.alpha, .targets = o.targets});
  auto engine = make(o, zoft::full{.layout = model.weights_layout()});
  return std::make_unique<full_trainer<decltype(engine)>>(std::move(engine), o, model);
}

template <class F>
void for_each_method(F f) {
  std::apply([&](const auto&... each) { (f(each), ...); }, methods);
}

}  // namespace

std::unique_ptr<trainer> make_trainer(const options& o, zoft::nn::transformer& model) {
  std::unique_ptr<trainer> result;
  for_each_method([&](const auto& m) {
    if (o.method == m.name) result = build(m.make, o, model);
  });
  return result;
}

std::vector<std::string> method_names() {
  std::vector<std::string> result;
  for_each_method([&](const auto& m) { result.push_back(m.name); });
  return result;
}

std::string method_help() {
  std::string result;
  for_each_method([&](const auto& m) { result += std::string(m.name) + ": " + m.help + "\n"; });
  return result;
}

}  // namespace finetune
