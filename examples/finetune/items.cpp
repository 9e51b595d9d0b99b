#include "items.hpp"

#include <algorithm>
#include <limits>
#include <zoft/io/file/printable.hpp>
#include <zoft/nn/model/batch.hpp>

#include "task.hpp"

namespace finetune {

using zoft::io::segment;
using zoft::nn::ignored;

std::size_t item::learned() const {
  return tokens.empty() ? 0
                        : static_cast<std::size_t>(std::count_if(labels.begin() + 1, labels.end(),
                                                                 [](std::int32_t label) { return label != ignored; }));
}

item_maker::item_maker(const options& o, const zoft::io::tokenizer& tokens, const zoft::nn::config& shape,
                       std::size_t length)
    : o_(o), tokens_(tokens), shape_(shape), length_(length) {}

item item_maker::from(const std::vector<segment>& parts, bool formatted, bool with_end) const {
  const zoft::io::encode_options how{.special = !formatted, .parse_special = formatted};
  std::string text;
  for (const segment& part : parts) text += part.text;
  item result{tokens_.encode(text, how), {}, 0};
  result.labels.assign(result.tokens.size(), ignored);
  // A part ends where the tokens of all text up to there end to be those of the whole.
  std::size_t end = 0, before = 0;
  for (const segment& part : parts) {
    end += part.text.size();
    std::size_t to = result.tokens.size();
    if (end < text.size()) {
      const auto some = tokens_.encode(std::string_view(text).substr(0, end), how);
      to = static_cast<std::size_t>(
          std::mismatch(some.begin(), some.end(), result.tokens.begin(), result.tokens.end()).first - some.begin());
    }
    for (; before < to; ++before)
      if (part.learned) result.labels[before] = result.tokens[before];
  }
  if (with_end && tokens_.eos() && (result.tokens.empty() || result.tokens.back() != *tokens_.eos())) {
    result.tokens.push_back(*tokens_.eos());
    result.labels.push_back(*tokens_.eos());
  }
  result.given = static_cast<std::size_t>(
      std::find_if(result.labels.begin(), result.labels.end(), [](std::int32_t label) { return label != ignored; }) -
      result.labels.begin());
  return result;
}

item item_maker::masked(const std::string& prompt, const std::string& word) const {
  if (!tokens_.mask()) refuse(o_.tokenizer + ": has no mask, which an encoder needs to be asked for a word");
  const std::string mask = *tokens_.text_of(*tokens_.mask());
  const auto answer = tokens_.encode(word, {.special = false});
  if (answer.size() != 1)
    refuse("the word '" + zoft::io::printable(word) + "' is " + zoft::text(answer.size()) +
           " tokens, and must be 1 in place of an encoder's mask");
  item result{tokens_.encode(prompt + " " + mask + "."), {}, 0};
  result.labels.assign(result.tokens.size(), ignored);
  const auto at = std::find(result.tokens.begin(), result.tokens.end(), *tokens_.mask());
  result.given = static_cast<std::size_t>(at - result.tokens.begin());
  result.labels[result.given] = answer[0];
  return result;
}

std::vector<item> item_maker::choices(const std::string& prompt, const std::vector<std::string>& words,
                                      bool& cut) const {
  std::vector<item> result;
  std::size_t given = std::numeric_limits<std::size_t>::max(), longest = 0;
  for (const std::string& word : words) {
    result.push_back(shape_.causal ? from({{prompt, false}, {word, true}}, false, false) : masked(prompt, word));
    given = std::min(given, result.back().given);
    longest = std::max(longest, result.back().tokens.size());
  }
  for (item& one : result) {
    for (std::size_t i = given; i < one.given; ++i) one.labels[i] = one.tokens[i];
    one.given = given;
  }
  const std::size_t excess = longest > length_ ? longest - length_ : 0;
  cut = excess > 0;
  if (excess == 0) return result;
  const std::ptrdiff_t kept = tokens_.encode("").empty() ? 0 : 1;  // BOS or [CLS]
  if (given < excess + 1 + static_cast<std::size_t>(kept))
    refuse("--length is " + zoft::text(length_) + ", and must have room for the words, which take " +
           zoft::text(longest - given) + " tokens");
  for (item& one : result) {
    const auto erase = [&](std::vector<std::int32_t>& from) {
      from.erase(from.begin() + kept, from.begin() + kept + static_cast<std::ptrdiff_t>(excess));
    };
    erase(one.tokens);
    erase(one.labels);
    one.given -= excess;
  }
  return result;
}

void item_maker::check_length(const item& one, const std::string& where) const {
  if (one.tokens.size() > length_)
    refuse(where + ": is " + zoft::text(one.tokens.size()) + " tokens, and must be at most the " + zoft::text(length_) +
           (length_ == shape_.context ? " of " + context_of(o_) : " of --length"));
}

std::vector<std::int32_t> item_maker::prompt(const std::string& text, bool formatted) const {
  std::vector<std::int32_t> result = tokens_.encode(text, {.special = !formatted, .parse_special = formatted});
  if (result.size() > shape_.context)
    refuse("--prompt is " + zoft::text(result.size()) + " tokens, and must be at most " + zoft::text(shape_.context) +
           ", " + context_of(o_));
  if (result.empty()) refuse("--prompt is empty, and must have a token at least");
  return result;
}

void item_maker::count(const item& one, item_data& to) const {
  to.tokens += one.tokens.size();
  if (tokens_.unknown())
    to.unknown += static_cast<std::size_t>(std::count(one.tokens.begin(), one.tokens.end(), *tokens_.unknown()));
}

}  // namespace finetune
