#include "demo.hpp"

#include <cmath>
#include <fstream>
#include <utility>
#include <zoft/method/observed.hpp>
#include <zoft/prge.hpp>
#include <zoft/schedule/linear.hpp>

namespace playground {

namespace {

constexpr std::size_t sequences = 16;  // of a batch

/// An engine, and what its functor asks of the model.
template <class Engine>
class tuner_of : public tuner {
 public:
  tuner_of(Engine engine, const zoft::nn::transformer& model) : engine_(std::move(engine)), model_(model) {
    engine_.attach(model);
  }

  zoft::step_report step(const zoft::nn::batch& batch) override {
    if constexpr (Engine::observes)
      return engine_.step([&](const auto& shown, zoft::example_losses losses, zoft::observations& seen) {
        model_.example_losses(batch, shown, losses, seen);
      });
    else
      return engine_.step(
          [&](const auto& adapters, std::span<double> losses) { model_.losses(batch, adapters, losses); });
  }
  zoft::adapter_stack adapter() const override { return engine_.adapter().stack(); }
  std::size_t forwards() const override { return zoft::estimation::forwards(engine_.estimator()); }
  std::size_t parameters() const override { return engine_.adapter().parameters().size(); }

 private:
  Engine engine_;
  const zoft::nn::transformer& model_;
};

std::unique_ptr<tuner> make_tuner(const recipe& r, const zoft::nn::transformer& model) {
  const zoft::lora_fa adapter{.rank = 8, .alpha = 16};
  const auto made = [&](auto engine) -> std::unique_ptr<tuner> {
    return std::make_unique<tuner_of<decltype(engine)>>(std::move(engine), model);
  };
  if (r.method == "observed")
    return made(zoft::observed({.examples = sequences,
                                .queries = r.queries,
                                .epsilon = r.epsilon,
                                .learning_rate = r.learning_rate,
                                .schedule = zoft::linear(r.steps, 0),
                                .seed = r.seed},
                               adapter));
  return made(zoft::prge({.queries = r.queries,
                          .epsilon = r.epsilon,
                          .learning_rate = r.learning_rate,
                          .schedule = zoft::linear(r.steps, std::min(50u, r.steps)),
                          .seed = r.seed},
                         adapter));
}

}  // namespace

recipe recipe::complete() const {
  recipe r = *this;
  const bool observed = method == "observed";
  zoft::require(observed || method == "prge", "playground: the method is " + method + ", and must be prge or observed");
  if (r.steps == 0) r.steps = observed ? 300 : 1500;
  if (r.queries == 0) r.queries = observed ? 1 : 4;
  if (r.epsilon == 0) r.epsilon = observed ? 0.1 : 1e-2;
  // A longer run of observed directions wants a lower rate: see finetune/recipe.cpp.
  if (r.learning_rate == 0) r.learning_rate = observed ? 0.3 * std::pow(300.0 / std::max(75u, r.steps), 0.75) : 5e-2;
  return r;
}

demo::demo(const std::string& folder)
    : tokenizer_(folder + "/tokenizer.bin"),
      model_(zoft::nn::load(folder, {.threads = 1})),
      train_(read(folder + "/train.pairs")),
      heldout_(read(folder + "/heldout.pairs")) {
  begin({});
}

std::vector<demo::item> demo::read(const std::string& path) const {
  std::vector<item> result;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const std::size_t tab = line.find('\t');
    zoft::require(tab != line.npos, path + ": a line has no tab: " + line);
    item one{line.substr(0, tab), line.substr(tab + 1), {}, {}};
    one.tokens = tokenizer_.encode(one.prompt + "\n" + one.answer, true, true);
    one.labels = one.tokens;
    std::fill_n(one.labels.begin(), tokenizer_.encode(one.prompt + "\n").size(), zoft::nn::ignored);
    result.push_back(std::move(one));
  }
  zoft::require(!result.empty(), path + ": there are no items");
  return result;
}

void demo::begin(const recipe& r) {
  how_ = r.complete();
  tuner_ = make_tuner(how_, model_);
  steps_ = 0;
  order_ = {train_.size(), how_.seed};
}

zoft::nn::batch demo::batch(std::uint32_t step) {
  zoft::nn::batch result;
  for (std::size_t i = 0; i < sequences; ++i) {
    const item& one = train_[order_(std::uint64_t{step} * sequences + i)];
    result.add(one.tokens, one.labels);
  }
  return result;
}

zoft::step_report demo::step() { return tuner_->step(batch(steps_++)); }

figures demo::look(std::size_t first, std::size_t count) const {
  figures result;
  double sum = 0;
  std::size_t places = 0;
  const std::size_t end = std::min(heldout_.size(), first + count);
  const zoft::adapter_stack adapter = tuner_->adapter();
  for (std::size_t from = first; from < end; from += sequences) {
    zoft::nn::batch some;
    for (std::size_t i = from; i < std::min(end, from + sequences); ++i)
      some.add(heldout_[i].tokens, heldout_[i].labels);
    const auto scores = model_.score(some, adapter);
    for (std::size_t i = 0, at = 0; i < some.size(); ++i) {
      // Greedy decoding gives exactly the answer if the likeliest token is the answer's at each of its places.
      bool right = true;
      const auto labels = some[i].labels;
      for (std::size_t t = 1; t < labels.size(); ++t) {
        if (labels[t] == zoft::nn::ignored) continue;
        sum += scores[at].nll;
        right = right && scores[at].best == labels[t];
        ++places;
        ++at;
      }
      result.right += right;
      ++result.items;
    }
  }
  result.loss = sum / static_cast<double>(std::max<std::size_t>(1, places));
  return result;
}

std::string demo::answer(const std::string& prompt, bool tuned) const {
  const auto given = tokenizer_.encode(prompt + "\n");
  const auto all =
      model_.generate(given, 80, zoft::io::llama2c_tokenizer::eos, tuned ? tuner_->adapter() : zoft::adapter_stack(1));
  return tokenizer_.decode(std::span(all).subspan(given.size()));
}

}  // namespace playground
