/// Examples as a model sees them: tokens, and which of them are to be learned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>
#include <zoft/core/model_config.hpp>
#include <zoft/io/chat.hpp>
#include <zoft/io/data.hpp>
#include <zoft/io/tokenizer.hpp>

#include "options.hpp"

namespace finetune {

struct item {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> labels;  ///< what is learned in each place, or zoft::nn::ignored
  std::size_t given = 0;             ///< places before the first that is learned

  std::size_t learned() const;
};

/// A held-out example: what is wanted, and with choices also every other one in its place.
struct question {
  std::string prompt, wanted;
  std::vector<item> choices;
  std::size_t right = 0;
};

struct item_data {
  std::vector<item> train = {};
  std::vector<question> heldout = {};
  std::string name = {};                 ///< of the train items: "pairs", "labelled lines"
  std::string share_name = {};           ///< of the questions that are answered right; empty if that is not looked at
  std::vector<std::int32_t> among = {};  ///< with --objective choice: the tokens that labels compete with
  bool by_choice = false;                ///< the answer is the choice of least loss; otherwise what would be written
  bool per_token = false;                ///< the loss of a choice is the mean over its tokens, not the sum
  std::size_t shortened = 0, unknown = 0, tokens = 0;
};

/// Makes items of text. A sequence has at most `length` tokens.
class item_maker {
 public:
  item_maker(const options& o, const zoft::io::tokenizer& tokens, const zoft::nn::config& shape, std::size_t length);

  /// Tokens of the parts' text, of which those of learned parts are learned, and of the end of a text if `with_end`.
  /// `formatted` text has its special tokens written in it, as what a chat template writes.
  item from(const std::vector<zoft::io::segment>& parts, bool formatted, bool with_end) const;

  /// The prompt with each of the choices. All have the same beginning, and what is too long loses its first tokens,
  /// because the question stands at the end. In an encoder, a choice is the word in place of the mask. Sets `cut` if
  /// something was lost.
  std::vector<item> choices(const std::string& prompt, const std::vector<std::string>& words, bool& cut) const;

  /// Throws, naming where the example is, if it is too long.
  void check_length(const item& one, const std::string& where) const;

  /// Tokens of a text to be continued.
  std::vector<std::int32_t> prompt(const std::string& text, bool formatted = false) const;

  std::size_t length() const { return length_; }
  const zoft::io::tokenizer& tokens() const { return tokens_; }
  void count(const item& one, item_data& to) const;

 private:
  item masked(const std::string& prompt, const std::string& word) const;

  const options& o_;
  const zoft::io::tokenizer& tokens_;
  const zoft::nn::config& shape_;
  std::size_t length_;
};

/// Makes items of what a file of --examples holds.
class example_maker {
 public:
  example_maker(const options& o, const item_maker& make);

  /// The example, as the only choice of a question. It is of any length.
  question from(const zoft::io::example& one);

 private:
  const options& o_;
  const item_maker& make_;
  zoft::io::chat_options chat_;
  std::optional<zoft::io::chat_template> form_;  // made for the first chat: other examples need none
};

/// The template of the model's chats: --chat-format, or the tokenizer's own. Throws if there is neither.
zoft::io::chat_template chat_template_of(const options& o, const zoft::io::tokenizer& tokens);
zoft::io::chat_options chat_options_of(const zoft::io::tokenizer& tokens);

/// What the options say the data is.
item_data read_items(const options& o, const item_maker& make, const zoft::nn::config& shape);

}  // namespace finetune
