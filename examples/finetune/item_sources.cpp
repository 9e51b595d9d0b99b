#include <algorithm>
#include <set>
#include <variant>
#include <zoft/io/data.hpp>
#include <zoft/io/data/tasks.hpp>
#include <zoft/io/file/printable.hpp>

#include "items.hpp"
#include "lines.hpp"

namespace finetune {

namespace {

using zoft::io::segment;

item_data read_pairs_of(const options& o, const item_maker& make) {
  item_data result{.name = "pairs", .share_name = "exact match"};
  const line_data data = read_pairs(o.data, o.heldout);
  const auto made = [&](const line& l, const std::string& file) {
    item one = make.from({{l.key + o.separator, false}, {l.value, true}}, false, true);
    make.check_length(one, file + ":" + zoft::text(l.number));
    make.count(one, result);
    return one;
  };
  for (const line& l : data.train) result.train.push_back(made(l, o.data));
  for (const line& l : data.heldout)
    result.heldout.push_back({l.key, l.value, {made(l, o.heldout.empty() ? o.data : o.heldout)}, 0});
  return result;
}

std::string filled(const options& o, const std::string& text) {
  std::string result = o.prompt_template.substr(0, o.prompt_template.size() - 6);
  return result.replace(result.find("{text}"), 6, text);
}

/// The template without {word}, and the word: a space between them belongs to the word, as in the words of a text.
std::pair<std::string, std::string> prompt_and_word(const options& o, const std::string& text,
                                                    const std::string& word) {
  std::string prompt = filled(o, text);
  if (!prompt.ends_with(' ')) return {prompt, word};
  prompt.pop_back();
  return {prompt, " " + word};
}

item_data read_labelled_of(const options& o, const item_maker& make) {
  const std::string& form = o.prompt_template;
  const std::size_t text_at = form.find("{text}"), word_at = form.find("{word}");
  if (text_at == form.npos || word_at == form.npos || word_at < text_at || word_at + 6 != form.size())
    refuse("--template is '" + zoft::io::printable(form) + "', and must hold {text} and end in {word}");
  item_data result{.name = "labelled lines", .share_name = "accuracy", .by_choice = true};
  const line_data data = read_labelled(o.data, o.heldout);
  const auto words = words_of_labels(o.words, data, o.data, o.heldout);
  const auto choices = [&](const line& l, const std::vector<std::string>& all) {
    std::vector<std::string> ends;
    for (const std::string& word : all) ends.push_back(prompt_and_word(o, l.value, word).second);
    bool cut = false;
    std::vector<item> made = make.choices(prompt_and_word(o, l.value, "").first, ends, cut);
    result.shortened += cut;
    for (const item& one : made) make.count(one, result);
    return made;
  };
  for (const line& l : data.train) result.train.push_back(std::move(choices(l, {words.at(l.key)})[0]));
  std::vector<std::string> all;
  for (const auto& [label, word] : words) all.push_back(word);
  for (const line& l : data.heldout) {
    const std::string& wanted = words.at(l.key);
    const auto right = std::find(all.begin(), all.end(), wanted) - all.begin();
    result.heldout.push_back({l.value, wanted, choices(l, all), static_cast<std::size_t>(right)});
  }
  return result;
}

/// Which split of a named task is held out: the labelled test set, or the validation set where there is none.
item_data read_task_of(const options& o, const item_maker& make) {
  item_data result{.name = "examples of " + o.task, .share_name = "accuracy", .by_choice = true, .per_token = true};
  std::vector<zoft::io::choice_example> train = zoft::io::load_task(o.task, o.task_data, "train");
  if (o.train_items > 0 && o.train_items < train.size()) {
    // Evenly from first to last, because files may be sorted.
    for (std::size_t i = 0; i < o.train_items; ++i) train[i] = train[i * train.size() / o.train_items];
    train.resize(o.train_items);
  }
  bool cut = false;
  for (const auto& one : train) {
    result.train.push_back(std::move(make.choices(one.prompt, {one.choices[one.right]}, cut)[0]));
    result.shortened += cut;
    make.count(result.train.back(), result);
  }
  for (const auto& one : zoft::io::load_task(o.task, o.task_data, "test")) {
    result.heldout.push_back(
        {one.prompt, one.choices[one.right], make.choices(one.prompt, one.choices, cut), one.right});
    result.shortened += cut;
  }
  return result;
}

item_data read_examples_of(const options& o, const item_maker& make) {
  item_data result{.name = "examples"};
  example_maker from(o, make);
  const auto read = [&](const std::string& path, std::vector<question>& to) {
    for (const zoft::io::example& one : zoft::io::read_examples(path)) {
      question q = from.from(one);
      item& made = q.choices[0];
      // What is too long is cut at its end: a conversation can be learned from its beginning.
      if (made.tokens.size() > make.length()) {
        made.tokens.resize(make.length());
        made.labels.resize(make.length());
        ++result.shortened;
      }
      if (made.learned() == 0) continue;
      make.count(made, result);
      to.push_back(std::move(q));
    }
    if (to.empty())
      refuse(path + ": has no examples with anything to learn in " + zoft::text(make.length()) + " tokens");
  };
  std::vector<question> all;
  read(o.data, all);
  if (!o.heldout.empty()) {
    read(o.heldout, result.heldout);
    for (question& q : all) result.train.push_back(std::move(q.choices[0]));
    return result;
  }
  if (all.size() < 2)
    refuse(o.data + ": has 1 example, and must have at least 2, one of them to hold out (or give --heldout)");
  const std::size_t tenth = std::min<std::size_t>(all.size(), 10);
  for (std::size_t i = 0; i < all.size(); ++i)
    if (i % tenth == tenth - 1)
      result.heldout.push_back(std::move(all[i]));
    else
      result.train.push_back(std::move(all[i].choices[0]));
  return result;
}

/// The tokens of all choices. Throws unless each choice is one token, and all questions have the same.
std::vector<std::int32_t> tokens_of_choices(const options& o, const item_data& data) {
  std::set<std::int32_t> first;
  for (const question& q : data.heldout) {
    std::set<std::int32_t> own;
    for (const item& choice : q.choices) {
      if (choice.learned() != 1)
        refuse("--objective choice goes with choices of one token, and '" + zoft::io::printable(q.wanted, 40) +
               "' competes with one of " + zoft::text(choice.learned()));
      own.insert(*std::find_if(choice.labels.begin() + 1, choice.labels.end(),
                               [](std::int32_t label) { return label != zoft::nn::ignored; }));
    }
    if (first.empty()) first = own;
    if (own != first) refuse("--objective choice goes with choices that are the same for all questions of " + o.data);
  }
  return {first.begin(), first.end()};
}

item_data read_kind(const options& o, const item_maker& make) {
  switch (o.kind) {
    case data_kind::labelled:
      return read_labelled_of(o, make);
    case data_kind::task:
      return read_task_of(o, make);
    case data_kind::examples:
      return read_examples_of(o, make);
    default:
      return read_pairs_of(o, make);
  }
}

}  // namespace

example_maker::example_maker(const options& o, const item_maker& make)
    : o_(o), make_(make), chat_(chat_options_of(make.tokens())) {}

question example_maker::from(const zoft::io::example& one) {
  question result;
  if (const auto* text = std::get_if<std::string>(&one.content)) {
    result.choices = {make_.from({{*text, true}}, false, true)};
  } else if (const auto* pair = std::get_if<zoft::io::prompt_and_completion>(&one.content)) {
    result = {pair->prompt, pair->completion, {}, 0};
    result.choices = {make_.from({{pair->prompt, false}, {pair->completion, true}}, false, true)};
  } else {
    std::vector<zoft::io::message> messages = std::get<zoft::io::conversation>(one.content);
    if (!o_.system.empty() && messages.front().role != "system")
      messages.insert(messages.begin(), {"system", o_.system});
    if (!form_) form_ = chat_template_of(o_, make_.tokens());
    result.choices = {make_.from(zoft::io::segments(*form_, messages, chat_), true, false)};
    const auto answer =
        std::find_if(messages.begin(), messages.end(), [](const auto& m) { return m.role == "assistant"; });
    if (answer != messages.end() && answer != messages.begin()) {
      result.prompt = std::prev(answer)->content;
      result.wanted = answer->content;
    }
  }
  return result;
}

zoft::io::chat_options chat_options_of(const zoft::io::tokenizer& tokens) {
  zoft::io::chat_options result;
  if (tokens.bos()) result.bos = tokens.text_of(*tokens.bos()).value_or("");
  if (tokens.eos()) result.eos = tokens.text_of(*tokens.eos()).value_or("");
  return result;
}

zoft::io::chat_template chat_template_of(const options& o, const zoft::io::tokenizer& tokens) {
  if (!o.chat_format.empty()) return zoft::io::chat_format(o.chat_format);
  if (!tokens.chat_template()) refuse(o.tokenizer + ": has no chat template; --chat-format names one, such as chatml");
  return zoft::io::chat_template(*tokens.chat_template(), o.tokenizer + ": chat template");
}

item_data read_items(const options& o, const item_maker& make, const zoft::nn::config& shape) {
  if (!shape.causal && o.kind != data_kind::labelled && o.kind != data_kind::task)
    refuse(o.model + ": is an encoder, which answers with a word in place of its mask: give --labelled or --task");
  item_data result = read_kind(o, make);
  if (o.objective == "choice") result.among = tokens_of_choices(o, result);
  return result;
}

}  // namespace finetune
