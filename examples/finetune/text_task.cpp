#include <algorithm>
#include <zoft/io/chat.hpp>
#include <zoft/io/file/memory_map.hpp>
#include <zoft/random/stream.hpp>

#include "model.hpp"
#include "task.hpp"

namespace finetune {

zoft::nn::config room(const options& o, const zoft::nn::transformer& model) {
  zoft::nn::config result = model.shape();
  if (o.adapter != "prefix") return result;
  if (o.prefix_length + 1 >= result.context)
    refuse("--prefix-length is " + zoft::text(o.prefix_length) + ", and must leave 2 tokens at least of the " +
           zoft::text(result.context) + " of the context of " + o.model);
  result.context -= o.prefix_length;
  return result;
}

std::string context_of(const options& o) {
  return "the context of " + o.model + (o.adapter == "prefix" ? " behind its prefix" : "");
}

std::size_t sequence_length(const options& o, const zoft::nn::config& shape) {
  if (o.length == 0) return std::min(o.usual_length, shape.context);
  if (o.length > shape.context)
    refuse("--length is " + zoft::text(o.length) + ", and must be at most " + zoft::text(shape.context) + ", " +
           context_of(o));
  return o.length;
}

zoft::nn::generation generation_of(const options& o, const zoft::io::tokenizer& tokens, std::size_t most) {
  zoft::nn::generation result{.most = most, .temperature = o.temperature, .seed = o.seed};
  if (tokens.eos()) result.stops.push_back(*tokens.eos());
  const auto stop_at = [&](std::string_view end) {
    if (const auto id = tokens.find(end); id && tokens.encode(end, {.special = false}) == std::vector{*id})
      result.stops.push_back(*id);
  };
  for (const zoft::io::chat_format_entry& format : zoft::io::chat_formats) stop_at(format.stop);
  stop_at("<|endoftext|>");  // GPT-2's, which no chat format has
  return result;
}

std::string unknown_remark(std::size_t unknown, std::size_t all) {
  if (unknown * 1000 < all || unknown == 0) return {};
  return grouped(unknown) + " of the data's " + grouped(all) + " tokens are <unk>: the tokenizer cannot write them";
}

namespace {

using zoft::adapter_stack;
using zoft::nn::transformer;
using token = std::int32_t;

/// Language modelling: each token of a sequence but the first is to be predicted. The first 95 % of the text are
/// trained on, in sequences from anywhere; the rest is held out.
class text_task : public task {
 public:
  text_task(const options& o, const zoft::io::tokenizer& tokens, const zoft::nn::config& shape)
      : o_(o), tokens_(tokens), length_(sequence_length(o, shape)) {
    const std::string text = read(o.data);
    const std::size_t split = text.size() / 100 * 95 + text.size() % 100 * 95 / 100;
    const zoft::io::encode_options plain{.special = false, .parse_special = false};
    train_ = tokens.encode(std::string_view(text).substr(0, split), plain);
    heldout_ = tokens.encode(std::string_view(text).substr(split), plain);
    if (train_.size() < length_)
      refuse(o.data + ": its first 95 %, which are trained on, are " + zoft::text(train_.size()) +
             " tokens, and must be at least the " + zoft::text(length_) + " of --length");
    if (heldout_.size() < 2)
      refuse(o.data + ": its last 5 %, which are held out, are " + zoft::text(heldout_.size()) +
             " tokens, and must be at least 2");
    if (tokens.unknown())
      unknown_ = static_cast<std::size_t>(std::count(train_.begin(), train_.end(), *tokens.unknown()));
    all_heldout_ = heldout_.size();
    if (o.heldout_tokens > 0) heldout_.resize(std::clamp<std::size_t>(o.heldout_tokens, 2, heldout_.size()));
    prompt_ = tokens.encode(o.prompt.empty() ? first_words(text.substr(split)) : o.prompt, plain);
    if (prompt_.size() > shape.context)
      refuse("--prompt is " + zoft::text(prompt_.size()) + " tokens, and must be at most " + zoft::text(shape.context) +
             ", " + context_of(o));
  }

  zoft::nn::batch batch(std::uint32_t step) const override {
    zoft::nn::batch result;
    const std::uint64_t starts = train_.size() - length_ + 1;
    for (std::size_t i = 0; i < o_.batch; ++i) {
      const std::uint64_t word = zoft::random::word({o_.seed, step, 0}, zoft::random::stream::data, i);
      const auto start = static_cast<std::size_t>(word * starts >> 32);
      result.add(std::span(train_).subspan(start, length_));
    }
    return result;
  }

  /// Windows of the training's length, each beginning with the last token of the one before: every held-out token but
  /// the first is predicted once.
  figures evaluate(const transformer& model, const adapter_stack& adapter) const override {
    double sum = 0;
    for (std::size_t at = 0; at + 1 < heldout_.size();) {
      zoft::nn::batch windows;
      for (; windows.size() < o_.batch && at + 1 < heldout_.size(); at += length_ - 1)
        windows.add(std::span(heldout_).subspan(at, std::min(length_, heldout_.size() - at)));
      for (const auto& one : score(model, windows, adapter)) sum += one.nll;
    }
    return {.loss = sum / static_cast<double>(heldout_.size() - 1)};
  }

  std::vector<sample> samples(const transformer& model, const adapter_stack& adapter) const override {
    if (!model.shape().causal) return {};
    const auto all = generate(model, prompt_, generation_of(o_, tokens_, o_.sample_tokens), adapter);
    return {{tokens_.decode(prompt_), tokens_.decode(std::span(all).subspan(prompt_.size())), {}}};
  }

  std::string description() const override {
    const std::string looked_at = heldout_.size() < all_heldout_ ? grouped(heldout_.size()) + " of the " : "the ";
    return grouped(train_.size()) + " tokens to train, " + looked_at + "last " + grouped(all_heldout_) +
           " held out, sequences of " + zoft::text(length_);
  }
  const char* share_name() const override { return ""; }
  std::string remark() const override { return unknown_remark(unknown_, train_.size()); }

 private:
  static std::string read(const std::string& path) {
    const zoft::io::memory_map file(path);
    std::string text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);  // the mark that some programs put before UTF-8
    std::size_t kept = 0;
    for (std::size_t i = 0; i < text.size(); ++i)
      if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n') text[kept++] = text[i];
    text.resize(kept);
    return text;
  }

  /// The beginning of the first whole line of some words, or of the text where there is no such line.
  static std::string first_words(const std::string& text) {
    constexpr std::size_t enough = 48;
    std::size_t from = text.find('\n');
    while (from < text.size() && text[from] == '\n') ++from;
    if (from >= text.size()) from = 0;
    const std::size_t end = text.size() - from > enough ? text.rfind(' ', from + enough) : text.npos;
    return text.substr(from, end == text.npos || end <= from ? enough : end - from);
  }

  const options& o_;
  const zoft::io::tokenizer& tokens_;
  std::size_t length_;
  std::vector<token> train_, heldout_, prompt_;
  std::size_t unknown_ = 0, all_heldout_ = 0;
};

}  // namespace

std::unique_ptr<task> make_text_task(const options& o, const zoft::io::tokenizer& tokens,
                                     const zoft::nn::config& shape) {
  return std::make_unique<text_task>(o, tokens, shape);
}

}  // namespace finetune
