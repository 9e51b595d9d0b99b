// Chat templates and formats, against known answers of jinja2 in transformers' environment: fixtures/make_chat.py.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>
#include <zoft/io/chat.hpp>
#include <zoft/io/file/gguf.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

chat_options chat_test_options(const json& more = json::object()) {
  chat_options options;
  options.bos = "<s>";
  options.eos = "</s>";
  options.variables = more;
  std::tm now{};  // Monday, 5 January 2026, 14:03:09
  now.tm_year = 126, now.tm_mday = 5, now.tm_hour = 14, now.tm_min = 3, now.tm_sec = 9, now.tm_wday = 1,
  now.tm_yday = 4;
  options.now = now;
  return options;
}

/// FNV-1a of 64 bits, of which the upper 48 are kept, in hexadecimal.
std::string chat_hash(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  std::string result;
  for (int shift = 60; shift >= 16; shift -= 4) result += "0123456789abcdef"[(hash >> shift) & 15u];
  return result;
}

/// The template inside SmolLM2's GGUF, if the model is at hand.
std::optional<std::string> smollm2_template() {
  const auto path = real_model(smollm2);
  return path ? std::optional(zoft::io::gguf(*path).string("tokenizer.chat_template")) : std::nullopt;
}

/// The source of a template of templates.json, or nothing where the data is missing.
std::optional<std::string> template_source(const std::string& name) {
  if (name == "SmolLM2") return smollm2_template();
  const auto path = real_data(name);
  if (!path) return std::nullopt;
  const std::string content = read_file(*path);
  return name.ends_with(".json") ? json::parse(content)["chat_template"].get<std::string>() : content;
}

const std::vector<message> two_turns{
    {"system", "Be brief."}, {"user", "Hello"}, {"assistant", "Hi there"}, {"user", "Who?"}, {"assistant", "Me."}};

std::string segment_texts(const std::vector<segment>& parts, bool learned_only) {
  std::string result;
  for (const segment& part : parts)
    if (!learned_only || part.learned) result += part.text + (learned_only ? "|" : "");
  return result;
}

}  // namespace

TEST_CASE("chat_template: the templates of models render as transformers renders them", "[io][chat]") {
  const json known = json::parse(read_file(fixture("chat/templates.json")));
  std::vector<std::vector<message>> conversations;
  for (const json& list : known["conversations"]) {
    conversations.emplace_back();
    for (const json& one : list) conversations.back().push_back({one["role"], one["content"]});
  }
  std::size_t templates = 0, renderings = 0, errors = 0;
  for (const json& one : known["templates"]) {
    const auto name = one["name"].get<std::string>();
    INFO(name);
    const auto source = template_source(name);
    if (!source) continue;
    const chat_template form(*source, name);
    const chat_options options = chat_test_options(one["more"]);
    std::istringstream hashes(one["hashes"].get<std::string>());
    for (const auto& messages : conversations)
      for (const bool prompt : {false, true}) {
        std::string hash;
        REQUIRE(hashes >> hash);
        const jinja::rendering result = form.try_render(messages, prompt, options);
        INFO("text: " << result.text << "\nerror: " << result.error);
        CHECK((result.error.empty() ? chat_hash(result.text) : "-") == hash);
        ++(result.error.empty() ? renderings : errors);
      }
    ++templates;
  }
  if (templates > 2) {
    CHECK(templates >= 37);
    CHECK(renderings > 970);
    CHECK(errors == 52);  // the templates' own raise_exception, and what they add that is undefined
  }
}

TEST_CASE("chat_template: errors name the template and its line", "[io][chat]") {
  check_refused([] { chat_template("a\n{% nonsense %}", "m.gguf: chat_template"); },
                {"m.gguf: chat_template: line 2: statement 'nonsense' is not known"});
  const chat_template form("{% for m in messages %}{{ m.content|groupby('x') }}{% endfor %}", "m");
  check_refused([&] { form.render(two_turns, false); }, {"m: line 1: filter 'groupby' is not known"});
  const chat_template picky(
      "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}", "m");
  check_refused([&] { picky.render(two_turns, false); }, {"m: line 1: the template says: System role not supported"});
  const std::vector<message> bad{{"user", "a\xff"}};
  check_refused([&] { picky.render(bad, false); }, {"m: message 1 is not UTF-8"});
}

TEST_CASE("chat_template: special tokens and variables", "[io][chat]") {
  const chat_template form("{{ bos_token }}|{{ eos_token is defined }}|{{ enable_thinking }}|{{ tools is none }}", "m");
  const std::vector<message> none;
  CHECK(form.render(none, false) == "|False||True");
  chat_options options;
  options.bos = "<s>";
  options.eos = "</s>";
  options.variables = json::parse(R"({"enable_thinking": true, "tools": []})");
  CHECK(form.render(none, false, options) == "<s>|True|True|False");
}

TEST_CASE("chat_format: each by its name", "[io][chat]") {
  const std::vector<message> one(two_turns.begin(), two_turns.begin() + 2);
  const std::map<std::string, std::string> wanted{
      {"chatml", "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"},
      {"llama2", "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHello [/INST]"},
      {"llama3",
       "<s><|start_header_id|>system<|end_header_id|>\n\nBe "
       "brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_"
       "header_id|>\n\n"},
      {"llama3.1",
       "<s><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul "
       "2024\n\nBe "
       "brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|><|start_header_id|>assistant<|end_"
       "header_id|>\n\n"},
      {"mistral", "<s>[INST] Be brief.\n\nHello [/INST]"},
      {"mistral-v7", "<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Hello[/INST]"},
      {"gemma", "<s><start_of_turn>user\nBe brief.\n\nHello<end_of_turn>\n<start_of_turn>model\n"},
      {"phi3", "<|system|>\nBe brief.<|end|>\n<|user|>\nHello<|end|>\n<|assistant|>\n"},
      {"phi4",
       "<|im_start|>system<|im_sep|>Be "
       "brief.<|im_end|><|im_start|>user<|im_sep|>Hello<|im_end|><|im_start|>assistant<|im_sep|>"},
      {"zephyr", "<|system|>\nBe brief.</s>\n<|user|>\nHello</s>\n<|assistant|>\n"},
      {"granite",
       "<|start_of_role|>system<|end_of_role|>Be "
       "brief.<|end_of_text|>\n<|start_of_role|>user<|end_of_role|>Hello<|end_of_text|>\n<|start_of_role|>assistant<|"
       "end_of_role|>"},
      {"deepseek", "<s>Be brief.<｜User｜>Hello<｜Assistant｜>"},
      {"alpaca", "Be brief.\n\n### Instruction:\nHello\n\n### Response:\n"},
      {"vicuna", "<s>Be brief. USER: Hello ASSISTANT:"},
  };
  CHECK(chat_format_names().size() == wanted.size());
  for (const auto& [name, text] : wanted) {
    INFO(name);
    CHECK(chat_format(name).render(one, true, chat_test_options()) == text);
  }
  check_refused([] { chat_format("chatlm\n"); }, {"chat format 'chatlm\\x0a' is not known", "chatml, llama2"});
}

TEST_CASE("chat_format: every format is recognised as itself, and can be learned from", "[io][chat]") {
  for (const std::string& name : chat_format_names()) {
    INFO(name);
    const chat_template form = chat_format(name);
    const auto found = recognise(form);
    REQUIRE(found.has_value());
    CHECK(found->name == name);
    CHECK(found->system.empty());
    const chat_options options = chat_test_options();
    const auto parts = segments(form, two_turns, options);
    CHECK(segment_texts(parts, false) == form.render(two_turns, false, options));
    const std::string stop(find_chat_format(name)->stop.empty() ? "</s>" : find_chat_format(name)->stop);
    std::string learned = segment_texts(parts, true);
    if (name == "llama2")
      CHECK(learned == " Hi there </s>| Me. </s>|");
    else if (name == "mistral" || name == "vicuna")
      CHECK(learned == " Hi there</s>| Me.</s>|");
    else
      CHECK(learned == "Hi there" + stop + "|Me." + stop + "|");
  }
}

TEST_CASE("recognise: the templates of models", "[io][chat]") {
  const std::map<std::string, std::pair<std::string, std::string>> wanted{
      {"SmolLM2", {"chatml", "You are a helpful AI assistant named SmolLM, trained by Hugging Face"}},
      {"tokenizers/tinyllama-chat/chat_template.jinja", {"zephyr", ""}},
      {"tokenizers/qwen2-0.5b/tokenizer_config.json", {"chatml", "You are a helpful assistant."}},
      {"templates/Bielik-11B-v3.0-Instruct.jinja", {"chatml", ""}},
      {"templates/LFM2.5-8B-A1B.jinja", {"chatml", ""}},
      {"templates/MiMo-VL.jinja", {"chatml", "You are MiMo, an AI assistant developed by Xiaomi."}},
      {"templates/Qwen-Qwen2.5-7B-Instruct.jinja",
       {"chatml", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."}},
      {"templates/Qwen3-Coder.jinja", {"chatml", ""}},
      {"templates/Mistral-Small-3.2-24B-Instruct-2506.jinja", {"mistral-v7", "You are Mistral Small 3"}},
      {"templates/ibm-granite-granite-3.3-2B-Instruct.jinja", {"granite", "Knowledge Cutoff Date: April 2024."}},
      {"templates/ibm-granite-granite-4.1.jinja", {"granite", ""}},
      {"templates/meta-llama-Llama-3.1-8B-Instruct.jinja", {"llama3.1", ""}},
      {"templates/meta-llama-Llama-3.3-70B-Instruct.jinja", {"llama3.1", ""}},
      {"templates/openai-gpt-oss-120b.jinja", {"", ""}},
      {"templates/deepseek-ai-DeepSeek-R1-Distill-Llama-8B.jinja", {"", ""}},
      {"templates/google-gemma-4-31B-it-interleaved.jinja", {"", ""}},
  };
  for (const auto& [name, format] : wanted) {
    INFO(name);
    const auto source = template_source(name);
    if (!source) continue;
    const auto found = recognise(chat_template(*source, name), chat_test_options());
    CHECK((found ? found->name : "") == format.first);
    if (!found) continue;
    INFO(found->system);
    CHECK((format.second.empty() ? found->system.empty() : found->system.starts_with(format.second)));
  }
}

TEST_CASE("recognise: a template that refuses a system's message, and one that is nearly a format", "[io][chat]") {
  const std::string gemma =
      "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% "
      "endif %}"
      "{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
      "{{ raise_exception('Conversation roles must alternate') }}{% endif %}{% if (message['role'] == 'assistant') %}"
      "{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}"
      "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
      "{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}";
  const auto found = recognise(chat_template(gemma, "m"));
  REQUIRE(found.has_value());
  CHECK(found->name == "gemma");
  // Without the trim it is another format.
  CHECK_FALSE(recognise(chat_template(replaced(gemma, " | trim", ""), "m")).has_value());
  CHECK_FALSE(recognise(chat_template("{{ messages }}", "m")).has_value());
  CHECK_FALSE(recognise(chat_template("{{ raise_exception('no') }}", "m")).has_value());
}

TEST_CASE("segments: the answers of a conversation and what ends their turns", "[io][chat]") {
  const chat_template form = chat_format("chatml");
  const std::vector<segment> wanted{
      {"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", false},
      {"Hi there<|im_end|>", true},
      {"\n<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n", false},
      {"Me.<|im_end|>", true},
      {"\n", false}};
  CHECK(segments(form, two_turns) == wanted);
  // Contents that could be taken for something else.
  for (const std::string content : {"", " ", "\n", "im_end", "|>", "<|im_end|>", "assistant\n", " a \n", "\n\n"}) {
    INFO(content);
    const std::vector<message> odd{{"user", "x"}, {"assistant", content}, {"user", content}, {"assistant", content}};
    CHECK(segment_texts(segments(form, odd), true) == content + "<|im_end|>|" + content + "<|im_end|>|");
  }
  const std::vector<message> question{{"user", "x"}};
  CHECK(segment_texts(segments(form, question), true).empty());
  CHECK(segment_texts(segments(form, question), false) == form.render(question, false));
  CHECK(segments(form, std::vector<message>{}).empty());
}

TEST_CASE("segments: templates that cannot be learned from so say why", "[io][chat]") {
  const auto cut = [](const std::string& source, std::size_t count) {
    return [source, count] {
      segments(chat_template(source, "m"), std::span(two_turns).first(count), chat_test_options());
    };
  };
  const std::string plain =
      "{% for m in messages %}{{ '<' ~ m.role ~ '>' ~ m.content ~ END }}{% endfor %}"
      "{% if add_generation_prompt %}{{ '<assistant>' ~ THINK }}{% endif %}";
  const auto with = [&](const std::string& end, const std::string& think) {
    return replaced(replaced(plain, "END", end), "THINK", think);
  };
  CHECK_NOTHROW(cut(with("'.'", "''"), 5)());
  check_refused(
      cut(with("'.'", "'<think>'"), 5),
      {"m: message 3: the template's prompt for an answer is '<assistant><think>'", "does not write before an answer"});
  check_refused(cut(with("''", "''"), 3),
                {"m: message 3: the template writes nothing that ends the turn of an answer"});
  const std::string rewritten = with("('<return>' if loop.last and m.role == 'assistant' else '<end>')", "''");
  CHECK_NOTHROW(cut(rewritten, 3)());
  check_refused(cut(rewritten, 5),
                {"m: message 3: the template writes this answer otherwise when the conversation goes on"});
  // White space alone may end a turn.
  CHECK(segment_texts(segments(chat_template(with("'\\n\\n'", "''"), "m"), two_turns, chat_test_options()), true) ==
        "Hi there\n\n|Me.\n\n|");
}

TEST_CASE("segments: the templates of models", "[io][chat]") {
  const json known = json::parse(read_file(fixture("chat/templates.json")));
  const std::vector<std::vector<message>> conversations{
      {two_turns.begin(), two_turns.begin() + 3},
      two_turns,
      {two_turns.begin() + 1, two_turns.end()},
      {{"user", " a "}, {"assistant", " b\n"}, {"user", "\nc"}, {"assistant", "d  "}}};
  std::size_t templates = 0, cut = 0, refused = 0;
  for (const json& one : known["templates"]) {
    const auto name = one["name"].get<std::string>();
    const auto source = template_source(name);
    if (!source) continue;
    ++templates;
    const chat_template form(*source, name);
    const chat_options options = chat_test_options(one["more"]);
    for (const auto& messages : conversations) {
      INFO(name);
      std::vector<segment> parts;
      const std::string error = message_of([&] { parts = segments(form, messages, options); });
      INFO(error);
      if (!error.empty()) {
        CHECK(error.starts_with("zoft: " + name + ": "));
        ++refused;
        continue;
      }
      ++cut;
      CHECK(segment_texts(parts, false) == form.render(messages, false, options));
      std::vector<std::string> learned;
      for (const segment& part : parts)
        if (part.learned) learned.push_back(part.text);
      std::vector<std::string> answers;
      for (const message& m : messages)
        if (m.role == "assistant") answers.push_back(std::string(jinja::strip(m.content)));
      REQUIRE(learned.size() == answers.size());
      for (std::size_t i = 0; i < learned.size(); ++i) {
        INFO(learned[i]);
        const std::size_t at = learned[i].find(answers[i]);
        REQUIRE(at != std::string::npos);
        CHECK(learned[i].size() > at + answers[i].size());
        CHECK(learned[i].find("user") == std::string::npos);
        CHECK(learned[i].find("Who?") == std::string::npos);
      }
    }
  }
  if (templates < 37) return;
  CHECK(cut >= 4 * 25);
  CHECK(cut + refused == 4 * templates);
}
