// Examples from files: JSON lines and lists, tables, plain text.
#include <string>
#include <variant>
#include <vector>
#include <zoft/io/data.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

std::string data_text(const example& one) { return std::get<std::string>(one.content); }
prompt_and_completion data_pair(const example& one) { return std::get<prompt_and_completion>(one.content); }
conversation data_talk(const example& one) { return std::get<conversation>(one.content); }

/// Reads a file of that name and content.
auto reading_data(const scratch& folder, const std::string& name, const std::string& bytes) {
  const std::string path = folder.write(name, bytes);
  return [path] { return read_examples(path); };
}

}  // namespace

TEST_CASE("read_examples: JSON lines of every form", "[io][data]") {
  const scratch folder;
  const auto examples = reading_data(
      folder, "x.jsonl",
      "\xef\xbb\xbf{\"text\": \"a\\nb\", \"id\": 3}\r\n"
      "\r\n  \n"
      R"({"prompt": "p", "completion": " c"})"
      "\n"
      R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": )"
      R"([{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]}, )"
      R"({"role": "assistant", "content": "", "tool_calls": []}]})"
      "\r"
      R"({"id": "q", "conversations": [{"from": "human", "value": "u"}, {"from": "gpt", "value": "a"}, )"
      R"({"from": "user", "value": "u"}, {"from": "assistant", "value": "a"}, {"from": "system", "value": "s"}]})"
      "\n"
      R"({"instruction": "do", "input": "this", "output": "done"})"
      "\n"
      R"({"instruction": "do", "input": "", "output": "done"})"
      "\n"
      R"({"instruction": "do", "output": "done"})")();
  REQUIRE(examples.size() == 7);
  CHECK(data_text(examples[0]) == "a\nb");
  CHECK(examples[0].line == 1);
  CHECK(data_pair(examples[1]) == prompt_and_completion{"p", " c"});
  CHECK(examples[1].line == 4);
  CHECK(data_talk(examples[2]) == conversation{{"system", "s"}, {"user", "hi"}, {"assistant", ""}});
  CHECK(data_talk(examples[3]) ==
        conversation{{"user", "u"}, {"assistant", "a"}, {"user", "u"}, {"assistant", "a"}, {"system", "s"}});
  CHECK(examples[3].line == 6);
  CHECK(data_talk(examples[4]) == conversation{{"user", "do\n\nthis"}, {"assistant", "done"}});
  CHECK(data_talk(examples[5]) == conversation{{"user", "do"}, {"assistant", "done"}});
  CHECK(data_talk(examples[6]) == conversation{{"user", "do"}, {"assistant", "done"}});
}

TEST_CASE("read_examples: a list of JSON, and files without a known ending", "[io][data]") {
  const scratch folder;
  const std::string list = "\n [ {\"text\": \"a\"},\n {\"prompt\": \"p\", \"completion\": \"c\"} ]\n";
  for (const std::string name : {"x.json", "x", "x.data"}) {
    const auto examples = reading_data(folder, name, list)();
    REQUIRE(examples.size() == 2);
    CHECK(data_text(examples[0]) == "a");
    CHECK(data_pair(examples[1]).completion == "c");
    CHECK(examples[1].line == 2);
  }
  CHECK(reading_data(folder, "x", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n")().size() == 2);
  CHECK(data_text(reading_data(folder, "x", "[note] plain text\n")()[0]) == "[note] plain text\n");
  CHECK(reading_data(folder, "x.json", "[]")().empty());
}

TEST_CASE("read_examples: tables and plain text", "[io][data]") {
  const scratch folder;
  auto examples = reading_data(folder, "x.tsv", "completion\tother\tprompt\r\nc\t\"x\tp q\r\n\r\nd\t\t\n")();
  REQUIRE(examples.size() == 2);
  CHECK(data_pair(examples[0]) == prompt_and_completion{"p q", "c"});
  CHECK(data_pair(examples[1]) == prompt_and_completion{"", "d"});
  CHECK(examples[1].line == 4);
  examples = reading_data(folder, "x.tsv", "p\tc\nq\td")();
  REQUIRE(examples.size() == 2);
  CHECK(data_pair(examples[0]) == prompt_and_completion{"p", "c"});
  examples = reading_data(folder, "x.tsv", "one\ntwo\n")();
  REQUIRE(examples.size() == 2);
  CHECK(data_text(examples[1]) == "two");
  examples = reading_data(folder, "x.tsv", "text\tlabel\none\t1\n")();
  REQUIRE(examples.size() == 1);
  CHECK(data_text(examples[0]) == "one");
  examples = reading_data(folder, "x.txt",
                          "\xef\xbb\xbf"
                          "a\r\nb\rc\n\n{")();
  REQUIRE(examples.size() == 1);
  CHECK(data_text(examples[0]) == "a\nb\nc\n\n{");

  const std::string path = folder.write("y.tsv", "a\tb\n1\t2\n");
  const table named = read_table(path, true);
  CHECK(named.names == std::vector<std::string>{"a", "b"});
  CHECK(named.column("b") == 1);
  CHECK(named.column("c") == 2);
  REQUIRE(named.rows.size() == 1);
  CHECK(named.rows[0].line == 2);
}

TEST_CASE("read_examples: what is damaged is named, with its line", "[io][data]") {
  const scratch folder;
  const std::string good = "{\"text\": \"a\"}\n";
  const auto second = [&](const std::string& line) { return reading_data(folder, "x.jsonl", good + line); };
  const std::string where = "x.jsonl: line 2";
  check_refused(second("{\"text\": \"a"), {where, "is not JSON, or is cut off"});
  check_refused(second("{\"text\": 1}"), {where, "text is 1, and must be a string"});
  check_refused(second("{\"text\": \"\xff\"}"), {where, "is not UTF-8"});
  check_refused(second("{\"test\": \"a\"}"), {where, "has none of the fields text, prompt"});
  check_refused(second("[1]"), {where, "is a list of 1, and must be an object"});
  check_refused(second("{\"prompt\": \"a\"}"), {where, "completion is missing"});
  check_refused(second("{\"completion\": \"a\"}"), {where, "prompt is missing"});
  check_refused(second("{\"prompt\": [], \"completion\": \"a\"}"), {where, "prompt is a list of 0"});
  check_refused(second("{\"messages\": []}"), {where, "messages is a list of 0, and must be a list of messages"});
  check_refused(second("{\"messages\": [{\"role\": \"user\"}]}"), {where, "messages 1: content is missing"});
  check_refused(second("{\"messages\": [{\"role\": \"\", \"content\": \"\"}]}"), {where, "messages 1: role is \"\""});
  check_refused(second("{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image\"}]}]}"),
                {where, "messages 1: content: type is \"image\""});
  check_refused(second("{\"messages\": [{\"role\": \"a\", \"content\": \"\", \"tool_calls\": [1]}]}"),
                {where, "tool_calls"});
  check_refused(second("{\"conversations\": [{\"from\": \"bing\", \"value\": \"\"}]}"),
                {where, "conversations 1: from is \"bing\", and must be human, user, gpt"});
  check_refused(second("{\"instruction\": \"a\"}"), {where, "output is missing"});
  check_refused(reading_data(folder, "x.json", "[{\"text\": \"a\"}, {}]"), {"x.json: item 2: has none"});
  check_refused(reading_data(folder, "x.json", "[{\"text\": \"a\"},\n{\"text\": \"\xff\"}]"),
                {"x.json: line 2 is not UTF-8"});
  check_refused(reading_data(folder, "x.json", "[{\"text\": \"a\"}"), {"x.json: is not JSON, or is cut off"});
  check_refused(reading_data(folder, "x.tsv", "a\tb\nc\n"), {"x.tsv: line 2: has 1 columns, and must have 2"});
  check_refused(reading_data(folder, "x.tsv", "a\tb\tc\n"), {"x.tsv: has 3 columns, and its first line names neither"});
  check_refused(reading_data(folder, "x.tsv", "\n \n"), {"x.tsv: holds blank lines only"});
  check_refused(reading_data(folder, "x.txt", "a\nb\n\xe9\n"), {"x.txt: line 3 is not UTF-8"});
  check_refused(reading_data(folder, "x.txt",
                             std::string("\xff\xfe"
                                         "a\0",
                                         4)),
                {"x.txt: is UTF-16 text, and must be text in UTF-8"});
  check_refused(reading_data(folder, "x.jsonl", "\x1f\x8b\x08"), {"x.jsonl: is a gzip archive"});
  check_refused(reading_data(folder, "x.jsonl", "version https://git-lfs.github.com/spec/v1\n"),
                {"is a git-LFS pointer"});
  check_refused(reading_data(folder, "x.jsonl", "PAR1"), {"is a parquet file"});
  check_refused(reading_data(folder, "x.jsonl", ""), {"x.jsonl: is empty"});
  check_refused([&] { read_examples(folder.path("none.jsonl")); }, {"none.jsonl: cannot be opened"});
}

TEST_CASE("read_examples: ShareGPT's conversations as published", "[io][data]") {
  const auto path = real_data("chat/dummy_conversation.json");
  if (!path) return;
  const auto examples = read_examples(*path);
  REQUIRE(examples.size() == 500);
  CHECK(data_talk(examples[0])[0] == message{"user", "Who are you?"});
  for (const example& one : examples) CHECK(data_talk(one).size() % 2 == 0);
}
