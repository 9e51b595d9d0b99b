#include <algorithm>

#include "epoch_order.hpp"
#include "items.hpp"
#include "model.hpp"
#include "task.hpp"

namespace finetune {

namespace {

using zoft::adapter_stack;
using zoft::nn::transformer;

/// Examples with a beginning and an end, of which a part is learned: answers, words of labels, turns of a chat.
class item_task : public task {
 public:
  item_task(const options& o, const zoft::io::tokenizer& tokens, const zoft::nn::config& shape)
      : o_(o),
        make_(o, tokens, shape, sequence_length(o, shape)),
        data_(read_items(o, make_, shape)),
        order_(data_.train.size(), o.seed) {
    all_heldout_ = data_.heldout.size();
    if (o.heldout_items > 0) data_.heldout = spread(std::move(data_.heldout), o.heldout_items);
    if (!o.prompt.empty()) prompt_ = prompt_of(o.prompt);
  }

  zoft::nn::batch batch(std::uint32_t step) const override {
    zoft::nn::batch result;
    result.among(data_.among);
    for (std::size_t i = 0; i < o_.batch; ++i) {
      const item& one = data_.train[order_(std::uint64_t{step} * o_.batch + i)];
      result.add(one.tokens, one.labels);
    }
    return result;
  }

  figures evaluate(const transformer& model, const adapter_stack& adapter) const override {
    std::vector<const item*> all;
    for (const question& q : data_.heldout)
      for (const item& choice : q.choices) all.push_back(&choice);
    std::vector<double> losses;  // of each choice: the sum over what is learned
    std::vector<bool> all_best;  // whether each of that is the likeliest
    for (std::size_t from = 0; from < all.size(); from += o_.batch) {
      const std::size_t to = std::min(all.size(), from + o_.batch);
      zoft::nn::batch some;
      some.among(data_.among);
      for (std::size_t i = from; i < to; ++i) some.add(all[i]->tokens, all[i]->labels);
      const auto scores = score(model, some, adapter);
      for (std::size_t i = from, at = 0; i < to; ++i) {
        double sum = 0;
        bool best = true;
        for (std::size_t t = 1; t < all[i]->labels.size(); ++t) {
          if (all[i]->labels[t] == zoft::nn::ignored) continue;
          sum += scores[at].nll;
          best = best && scores[at].best == all[i]->labels[t];
          ++at;
        }
        losses.push_back(sum);
        all_best.push_back(best);
      }
    }
    return tally(losses, all_best);
  }

  std::vector<sample> samples(const transformer& model, const adapter_stack& adapter) const override {
    if (!model.shape().causal) return {};
    const auto continued = [&](std::span<const std::int32_t> given, std::size_t most) {
      const auto all = generate(model, given, generation_of(o_, make_.tokens(), most), adapter);
      return make_.tokens().decode(std::span(all).subspan(given.size()));
    };
    if (!o_.prompt.empty()) return {{o_.prompt, continued(prompt_, o_.sample_tokens), {}}};
    std::vector<sample> result;
    for (const question& q : spread(data_.heldout, 8)) {
      const item& right = q.choices[q.right];
      if (right.given == 0) continue;  // a text without a prompt
      std::size_t most = o_.sample_tokens;
      if (data_.by_choice) {
        most = 0;
        for (const item& choice : q.choices) most = std::max(most, choice.tokens.size() - choice.given);
      }
      result.push_back({q.prompt, continued(std::span(right.tokens).first(right.given), most), q.wanted});
    }
    return result;
  }

  std::string description() const override {
    return grouped(data_.train.size()) + " " + data_.name + " to train, " +
           (data_.heldout.size() < all_heldout_ ? grouped(data_.heldout.size()) + " of " : "") + grouped(all_heldout_) +
           " held out" +
           (data_.shortened > 0
                ? "; " + grouped(data_.shortened) + " cut to fit " + zoft::text(make_.length()) + " tokens"
                : "");
  }
  const char* share_name() const override { return data_.share_name.c_str(); }
  std::string remark() const override { return unknown_remark(data_.unknown, data_.tokens); }

 private:
  /// So many of all, evenly from first to last: files are often sorted.
  static std::vector<question> spread(std::vector<question> all, std::size_t most) {
    if (most >= all.size()) return all;
    for (std::size_t i = 0; i < most; ++i) all[i] = all[i * all.size() / most];
    all.resize(most);
    return all;
  }

  /// --prompt as the examples have their beginnings.
  std::vector<std::int32_t> prompt_of(const std::string& text) const {
    if (o_.kind == data_kind::pairs) return make_.prompt(text + o_.separator);
    if (o_.kind != data_kind::examples || (o_.chat_format.empty() && !make_.tokens().chat_template()))
      return make_.prompt(text);
    std::vector<zoft::io::message> messages;
    if (!o_.system.empty()) messages.push_back({"system", o_.system});
    messages.push_back({"user", text});
    return make_.prompt(chat_template_of(o_, make_.tokens()).render(messages, true, chat_options_of(make_.tokens())),
                        true);
  }

  /// Loss of the right choices a token, and the share of questions that are answered right. An answer is right where
  /// greedy decoding gives exactly it and ends: that is so if and only if at each of its places, given all of the right
  /// answer before it, the likeliest token is the answer's; so one forward tells. A choice is right where it is
  /// likelier than the others.
  figures tally(const std::vector<double>& losses, const std::vector<bool>& all_best) const {
    double sum = 0;
    std::size_t places = 0, hits = 0, at = 0;
    for (const question& q : data_.heldout) {
      sum += losses[at + q.right];
      places += q.choices[q.right].learned();
      std::size_t likeliest = 0;
      const auto loss = [&](std::size_t i) {
        return losses[at + i] / (data_.per_token ? static_cast<double>(q.choices[i].learned()) : 1.0);
      };
      for (std::size_t i = 1; i < q.choices.size(); ++i)
        if (loss(i) < loss(likeliest)) likeliest = i;
      hits += data_.by_choice ? likeliest == q.right : all_best[at + q.right];
      at += q.choices.size();
    }
    figures result{.loss = sum / static_cast<double>(places)};
    if (!data_.share_name.empty()) result.share = static_cast<double>(hits) / static_cast<double>(data_.heldout.size());
    return result;
  }

  const options& o_;
  item_maker make_;
  item_data data_;
  std::vector<std::int32_t> prompt_;
  std::size_t all_heldout_ = 0;
  mutable epoch_order order_;
};

}  // namespace

std::unique_ptr<task> make_item_task(const options& o, const zoft::io::tokenizer& tokens,
                                     const zoft::nn::config& shape) {
  return std::make_unique<item_task>(o, tokens, shape);
}

}  // namespace finetune
