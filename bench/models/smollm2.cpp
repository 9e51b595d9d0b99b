// What SmolLM2 says and how fast, for compare_llama.py: losses, greedy answers, logits and times, as lines of JSON.
//
//     smollm2 loss MODEL TEXT WINDOWS LENGTH TYPES THREADS IDS
//     smollm2 answers MODEL QUESTIONS TYPE THREADS MOST FOLDER
//     smollm2 times MODEL
//
// loss prints the mean loss of the first WINDOWS × LENGTH tokens of a text, for weights of each of TYPES (f32,bf16),
// and writes the ids of the whole text to IDS, as int32. answers continues each line of QUESTIONS, in the model's own
// chat format, by at most MOST of the most probable tokens. It prints the prompt, its ids and the answer's, and writes
// to FOLDER/N.logits (float32) those of each token of the N-th answer, the one that stopped it included. times reads
// lines "TYPE THREADS SEQUENCES LENGTH WHAT". It prints the seconds of one forward of so many sequences of so many
// tokens, which computes the logits of every token if WHAT is all, and of the last of each sequence if it is last.
#include <map>
#include <numeric>
#include <optional>
#include <zoft/io/chat.hpp>
#include <zoft/io/tokenizer.hpp>

#include "program.hpp"

namespace {

using models::json;
using zoft::nn::transformer;
using ids = std::vector<std::int32_t>;

int loss(const std::vector<std::string>& given) {
  const std::string& model = given[0];
  const std::size_t windows = models::number(given[2]), length = models::number(given[3]);
  const ids all = zoft::io::load_tokenizer(model).encode(models::read(given[1]));
  models::write(given[6], std::span<const std::int32_t>(all));
  if (all.size() < windows * length)
    throw std::runtime_error(given[1] + " has " + std::to_string(all.size()) + " tokens, and " +
                             std::to_string(windows * length) + " are wanted");
  zoft::nn::batch batch;
  for (std::size_t i = 0; i < windows; ++i) batch.add(std::span(all).subspan(i * length, length));
  for (const std::string& type : models::split(given[4], ',')) {
    const transformer loaded =
        zoft::nn::load(model, {.weights = models::type_named(type), .threads = models::number(given[5])});
    double mean = 0;
    const double seconds = models::seconds_of([&] { mean = loaded.loss(batch); });
    models::print({{"type", type}, {"loss", mean}, {"labels", batch.predicted()}, {"seconds", seconds}});
  }
  return 0;
}

int answers(const std::vector<std::string>& given) {
  const auto words = zoft::io::load_tokenizer(given[0]);
  if (!words.chat_template()) throw std::runtime_error(given[0] + " has no chat template");
  const zoft::io::chat_template form(*words.chat_template(), given[0] + ": tokenizer.chat_template");
  const auto spelled = [&](std::optional<std::int32_t> token) {
    return token ? words.text_of(*token) : std::optional<std::string>();
  };
  const zoft::io::chat_options special{.bos = spelled(words.bos()), .eos = spelled(words.eos())};
  const transformer model =
      zoft::nn::load(given[0], {.weights = models::type_named(given[2]), .threads = models::number(given[3])});
  const std::size_t most = models::number(given[4]), vocabulary = model.shape().vocabulary;
  const ids stops = words.eos() ? ids{*words.eos()} : ids{};
  std::size_t number = 0;
  for (const std::string& question : models::split(models::read(given[1]), '\n')) {
    const std::vector<zoft::io::message> chat{{"user", question}};
    const std::string prompt = form.render(chat, true, special);
    const ids begin = words.encode(prompt, {.special = false});
    ids all = model.generate(begin, {.most = most, .stops = stops});
    const ids answer(all.begin() + static_cast<std::ptrdiff_t>(begin.size()), all.end());
    const std::size_t logits = std::min(most, answer.size() + 1);
    all.resize(begin.size() + logits - 1);
    const std::vector<float> computed = model.logits(all);
    models::write(given[5] + "/" + std::to_string(number++) + ".logits",
                  std::span<const float>(computed).last(logits * vocabulary));
    models::print({{"question", question},
                   {"prompt", prompt},
                   {"ids", begin},
                   {"answer", answer},
                   {"text", words.decode(answer)}});
  }
  return 0;
}

/// Sequences of made tokens: what a forward costs does not depend on them. Each has one token more than are computed.
zoft::nn::batch made_batch(std::size_t sequences, std::size_t length, std::size_t vocabulary, bool all) {
  zoft::nn::batch result;
  for (std::size_t s = 0; s < sequences; ++s) {
    ids tokens(length + 1), labels(length + 1, zoft::nn::ignored);
    for (std::size_t t = 0; t <= length; ++t)
      tokens[t] = static_cast<std::int32_t>((s * 7919 + t * 104729 + 17) % vocabulary);
    labels.back() = tokens.back();
    result.add(tokens, all ? tokens : labels);
  }
  return result;
}

int times(const std::vector<std::string>& given) {
  std::map<std::pair<std::string, std::size_t>, transformer> kept;
  for (std::string line; std::getline(std::cin, line);) {
    const std::vector<std::string> words = models::split(line, ' ');
    if (words.size() != 5 || (words[4] != "all" && words[4] != "last"))
      throw std::runtime_error("times: '" + line + "' is not TYPE THREADS SEQUENCES LENGTH all|last");
    const std::pair key{words[0], models::number(words[1])};
    auto found = kept.find(key);
    if (found == kept.end())
      found =
          kept.emplace(key, zoft::nn::load(given[0], {.weights = models::type_named(key.first), .threads = key.second}))
              .first;
    const transformer& model = found->second;
    const zoft::nn::batch batch =
        made_batch(models::number(words[2]), models::number(words[3]), model.shape().vocabulary, words[4] == "all");
    double made = 0;
    const double seconds = models::seconds_of([&] { made = model.loss(batch); });
    models::print({{"seconds", seconds}, {"loss", made}});
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> given(arguments + std::min(count, 2), arguments + count);
  const std::string mode = count > 1 ? arguments[1] : "";
  return models::run([&] {
    if (mode == "loss" && given.size() == 7) return loss(given);
    if (mode == "answers" && given.size() == 6) return answers(given);
    if (mode == "times" && given.size() == 1) return times(given);
    std::cerr << "smollm2 loss MODEL TEXT WINDOWS LENGTH TYPES THREADS IDS\n"
                 "smollm2 answers MODEL QUESTIONS TYPE THREADS MOST FOLDER\n"
                 "smollm2 times MODEL\n";
    return 2;
  });
}
