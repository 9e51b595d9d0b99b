#include <algorithm>
#include <limits>
#include <numeric>
#include <zoft/io/printable.hpp>
#include <zoft/random/stream.hpp>

#include "lines.hpp"
#include "task.hpp"

namespace finetune {

namespace {

using zoft::adapter_stack;
using zoft::io::tokenizer;
using zoft::nn::transformer;

/// A prompt and what is to come behind it: tokens from `given` on.
struct item {
  std::vector<std::int32_t> tokens;
  std::size_t given = 0;
};

/// A held-out line: what is wanted, and with labels also every other word in its place.
struct question {
  std::string prompt, wanted;
  std::vector<item> choices;
  std::size_t right = 0;
};

/// Examples with a beginning and an end: the loss is that of the end. Pairs end in their answer and EOS, labelled
/// lines in the word of their label.
class line_task : public task {
 public:
  line_task(const options& o, const tokenizer& tokens, const zoft::nn::config& shape)
      : o_(o), tokens_(tokens), length_(sequence_length(o, shape)), labelled_(o.kind == data_kind::labelled) {
    if (labelled_)
      read_labels();
    else
      read_answers(shape);
    all_heldout_ = heldout_.size();
    if (o.heldout_items > 0) heldout_ = spread(std::move(heldout_), o.heldout_items);
    if (!o.prompt.empty()) {
      const std::string all = labelled_ ? filled(o.prompt, "") : o.prompt + o.separator;
      prompt_ = tokens_.encode(all);
      if (prompt_.size() > shape.context)
        refuse("--prompt is " + zoft::text(prompt_.size()) + " tokens, and must be at most " +
               zoft::text(shape.context) + ", " + context_of(o));
    }
  }

  /// Each epoch goes through all items in an order of its own.
  zoft::nn::batch batch(std::uint32_t step) const override {
    zoft::nn::batch result;
    for (std::size_t i = 0; i < o_.batch; ++i) {
      const std::uint64_t at = std::uint64_t{step} * o_.batch + i;
      shuffle(at / train_.size());
      add(result, train_[order_[at % train_.size()]]);
    }
    return result;
  }

  figures evaluate(const transformer& model, const adapter_stack& adapter) const override {
    std::vector<const item*> all;
    for (const question& q : heldout_)
      for (const item& choice : q.choices) all.push_back(&choice);
    std::vector<double> losses;  // of each choice: the sum over its tokens
    std::vector<bool> all_best;  // whether each of its tokens is the likeliest
    for (std::size_t from = 0; from < all.size(); from += o_.batch) {
      const std::size_t to = std::min(all.size(), from + o_.batch);
      zoft::nn::batch some;
      for (std::size_t i = from; i < to; ++i) add(some, *all[i]);
      const auto scores = model.score(some, adapter);
      for (std::size_t i = from, at = 0; i < to; ++i) {
        double sum = 0;
        bool best = true;
        for (std::size_t t = all[i]->given; t < all[i]->tokens.size(); ++t, ++at) {
          sum += scores[at].nll;
          best = best && scores[at].best == all[i]->tokens[t];
        }
        losses.push_back(sum);
        all_best.push_back(best);
      }
    }
    return tally(losses, all_best);
  }

  std::vector<sample> samples(const transformer& model, const adapter_stack& adapter) const override {
    const auto continued = [&](std::span<const std::int32_t> given, std::size_t most) {
      const auto all = model.generate(given, most, tokenizer::eos, adapter);
      return tokens_.decode(std::span(all).subspan(given.size()));
    };
    if (!o_.prompt.empty()) return {{o_.prompt, continued(prompt_, o_.sample_tokens), {}}};
    std::vector<sample> result;
    for (const question& q : spread(heldout_, 8)) {
      std::size_t most = o_.sample_tokens;
      if (labelled_) {
        most = 0;
        for (const item& choice : q.choices) most = std::max(most, choice.tokens.size() - choice.given);
      }
      const item& right = q.choices[q.right];
      result.push_back({q.prompt, continued(std::span(right.tokens).first(right.given), most), q.wanted});
    }
    return result;
  }

  std::string description() const override {
    return grouped(train_.size()) + (labelled_ ? " labelled lines" : " pairs") + " to train, " +
           (heldout_.size() < all_heldout_ ? grouped(heldout_.size()) + " of " : "") + grouped(all_heldout_) +
           " held out" +
           (shortened_ > 0
                ? "; " + grouped(shortened_) + " cut at their beginning to fit " + zoft::text(length_) + " tokens"
                : "");
  }
  const char* share_name() const override { return labelled_ ? "accuracy" : "exact match"; }
  std::string remark() const override { return unknown_remark(unknown_, counted_); }

 private:
  /// So many of all, evenly from first to last: files are often sorted.
  static std::vector<question> spread(std::vector<question> all, std::size_t most) {
    if (most >= all.size()) return all;
    for (std::size_t i = 0; i < most; ++i) all[i] = all[i * all.size() / most];
    all.resize(most);
    return all;
  }

  static void add(zoft::nn::batch& to, const item& one) {
    std::vector<std::int32_t> labels = one.tokens;
    std::fill_n(labels.begin(), one.given, zoft::nn::ignored);
    to.add(one.tokens, labels);
  }

  /// The order of an epoch, by Fisher and Yates, kept until another epoch is asked.
  void shuffle(std::uint64_t epoch) const {
    if (!order_.empty() && epoch == epoch_) return;
    epoch_ = epoch;
    order_.resize(train_.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    const zoft::direction d{o_.seed, static_cast<std::uint32_t>(epoch), 0};
    for (std::size_t left = order_.size(); left > 1; --left) {
      const std::uint64_t word = zoft::random::word(d, zoft::random::stream::data, left);
      std::swap(order_[left - 1], order_[static_cast<std::size_t>(word * left >> 32)]);
    }
  }

  /// Loss of the right choices a token, and the share of questions that are answered right. A pair is right where
  /// greedy decoding gives exactly the answer and ends: that is so if and only if at each of its places, given all of
  /// the right answer before it, the likeliest token is the answer's; so one forward tells. A label is right where its
  /// word is likelier than the others.
  figures tally(const std::vector<double>& losses, const std::vector<bool>& all_best) const {
    double sum = 0;
    std::size_t places = 0, hits = 0, at = 0;
    for (const question& q : heldout_) {
      const auto first = losses.begin() + static_cast<std::ptrdiff_t>(at);
      sum += losses[at + q.right];
      places += q.choices[q.right].tokens.size() - q.choices[q.right].given;
      const auto likeliest = std::min_element(first, first + static_cast<std::ptrdiff_t>(q.choices.size()));
      hits += labelled_ ? static_cast<std::size_t>(likeliest - first) == q.right : all_best[at + q.right];
      at += q.choices.size();
    }
    return {sum / static_cast<double>(places), static_cast<double>(hits) / static_cast<double>(heldout_.size())};
  }

  /// Tokens of the whole text, and how many of them it has in common with its beginning alone.
  item encoded(const std::string& beginning, const std::string& whole, bool with_eos) {
    const auto before = tokens_.encode(beginning);
    item result{tokens_.encode(whole, true, with_eos), 0};
    result.given = static_cast<std::size_t>(
        std::mismatch(before.begin(), before.end(), result.tokens.begin(), result.tokens.end()).first - before.begin());
    counted_ += result.tokens.size();
    unknown_ += static_cast<std::size_t>(std::count(result.tokens.begin(), result.tokens.end(), tokenizer::unknown));
    return result;
  }

  void read_answers(const zoft::nn::config& shape) {
    const line_data data = read_pairs(o_.data, o_.heldout);
    const auto make = [&](const line& l, const std::string& file) {
      item one = encoded(l.key + o_.separator, l.key + o_.separator + l.value, true);
      if (one.tokens.size() > length_)
        refuse(file + ":" + zoft::text(l.number) + ": is " + zoft::text(one.tokens.size()) +
               " tokens, and must be at most the " + zoft::text(length_) +
               (length_ == shape.context ? " of " + context_of(o_) : " of --length"));
      return one;
    };
    for (const line& l : data.train) train_.push_back(make(l, o_.data));
    for (const line& l : data.heldout)
      heldout_.push_back({l.key, l.value, {make(l, o_.heldout.empty() ? o_.data : o_.heldout)}, 0});
  }

  void read_labels() {
    const std::string& form = o_.prompt_template;
    const std::size_t text_at = form.find("{text}"), word_at = form.find("{word}");
    if (text_at == form.npos || word_at == form.npos || word_at < text_at || word_at + 6 != form.size())
      refuse("--template is '" + zoft::io::printable(form) + "', and must hold {text} and end in {word}");
    const line_data data = read_labelled(o_.data, o_.heldout);
    const auto words = words_of_labels(o_.words, data, o_.data, o_.heldout);
    for (const line& l : data.train) train_.push_back(std::move(choices(l, {words.at(l.key)})[0]));
    std::vector<std::string> all;
    for (const auto& [label, word] : words) all.push_back(word);
    for (const line& l : data.heldout) {
      const std::string& wanted = words.at(l.key);
      const auto right = std::find(all.begin(), all.end(), wanted) - all.begin();
      heldout_.push_back({l.value, wanted, choices(l, all), static_cast<std::size_t>(right)});
    }
  }

  std::string filled(const std::string& text, const std::string& word) const {
    std::string result = o_.prompt_template.substr(0, o_.prompt_template.size() - 6);
    result.replace(result.find("{text}"), 6, text);
    return result + word;
  }

  /// The line with each of the words, all with the same beginning. What is too long loses its first tokens, as the
  /// question and the word stand at the end.
  std::vector<item> choices(const line& l, const std::vector<std::string>& words) {
    std::vector<item> result;
    std::size_t given = std::numeric_limits<std::size_t>::max(), longest = 0;
    for (const std::string& word : words) {
      result.push_back(encoded(filled(l.value, ""), filled(l.value, word), false));
      given = std::min(given, result.back().given);
      longest = std::max(longest, result.back().tokens.size());
    }
    const std::size_t excess = longest > length_ ? longest - length_ : 0;
    for (item& one : result) one.given = given;
    if (excess == 0) return result;
    if (given < excess + 2)
      refuse("--length is " + zoft::text(length_) + ", and must have room for the words, which take " +
             zoft::text(longest - given) + " tokens");
    ++shortened_;
    for (item& one : result) {
      one.tokens.erase(one.tokens.begin() + 1,
                       one.tokens.begin() + 1 + static_cast<std::ptrdiff_t>(excess));  // after BOS
      one.given -= excess;
    }
    return result;
  }

  const options& o_;
  const tokenizer& tokens_;
  std::size_t length_;
  bool labelled_;
  std::vector<item> train_;
  std::vector<question> heldout_;
  std::vector<std::int32_t> prompt_;
  std::size_t all_heldout_ = 0, shortened_ = 0, unknown_ = 0, counted_ = 0;
  mutable std::vector<std::size_t> order_;
  mutable std::uint64_t epoch_ = 0;
};

}  // namespace

std::unique_ptr<task> make_line_task(const options& o, const tokenizer& tokens, const zoft::nn::config& shape) {
  return std::make_unique<line_task>(o, tokens, shape);
}

}  // namespace finetune
