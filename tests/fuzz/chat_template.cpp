// Chat templates, rendered for a conversation.
#include <ctime>
#include <string>
#include <vector>
#include <zoft/io/chat/chat_template.hpp>

#include "entry.hpp"

ZOFT_FUZZ(chat_template) {
  using namespace zoft::io;
  const chat_template source(std::string(bytes), "template");
  chat_options options{.bos = "<s>", .eos = "</s>", .variables = {{"enable_thinking", false}, {"n", 3}}};
  std::tm now{};
  now.tm_mday = 2, now.tm_mon = 7, now.tm_year = 126;
  options.now = now;
  options.most = {.steps = 20'000, .bytes = 1 << 20};
  const std::vector<message> talk{
      {"system", "Be {brief}."}, {"user", " H\xc3\xa9llo\n"}, {"assistant", "<think>a</think>b"}, {"user", ""}};
  for (const bool prompt : {false, true})
    fuzz::check(is_utf8(source.render(talk, prompt, options)), "a rendered text is not UTF-8");
}
