// What a model answers, greedily, for persona.py:
//
//     answers MODEL SYSTEM TOKENS THREADS
//
// MODEL is a GGUF file with a chat template, SYSTEM the first message. Reads a question of JSON a line, prints its
// answer of JSON in a line, of so many tokens at most.
#include <zoft/io/chat.hpp>
#include <zoft/io/tokenizer.hpp>

#include "program.hpp"

int main(int count, char** given) {
  if (count != 5) {
    std::cerr << "answers MODEL SYSTEM TOKENS THREADS\n";
    return 2;
  }
  return models::run([&] {
    const std::string path = given[1], system = given[2];
    const auto tokens = zoft::io::load_tokenizer(path);
    if (!tokens.chat_template()) throw std::runtime_error(path + " has no chat template");
    const zoft::io::chat_template form(*tokens.chat_template(), path);
    const auto model = zoft::nn::load(path, {.weights = zoft::nn::dtype::bf16, .threads = models::number(given[4])});
    zoft::nn::generation how{.most = models::number(given[3])};
    how.stops = {tokens.eos().value(), tokens.find("<|im_end|>").value_or(tokens.eos().value())};
    for (std::string line; std::getline(std::cin, line);) {
      const std::string question = models::json::parse(line).get<std::string>();
      const std::vector<zoft::io::message> messages{{"system", system}, {"user", question}};
      const auto ids = tokens.encode(form.render(messages, true), {.special = false});
      const auto all = model.generate(ids, how);
      models::print(tokens.decode(std::span(all).subspan(ids.size())));
    }
    return 0;
  });
}
