// Classification tasks by name, from the files as they are published.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>
#include <zoft/io/data.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;

TEST_CASE("load_task: counts and labels are those of the files", "[io][data]") {
  const auto classification = real_data("classification"), sentences = real_data("sentences");
  if (!classification || !sentences) return;
  const std::map<std::pair<std::string, std::string>, std::vector<std::size_t>> wanted{
      {{"SST-2", "train"}, {3310, 3610}},
      {{"SST-2", "dev"}, {428, 444}},
      {{"SST-2", "test"}, {912, 909}},
      {{"RTE", "train"}, {13, 19}},
      {{"RTE", "dev"}, {21, 11}},
      {{"RTE", "test"}, {146, 131}},
      {{"CB", "train"}, {19, 10, 3}},
      {{"CB", "dev"}, {17, 13, 2}},
      {{"CB", "test"}, {23, 28, 5}},
      {{"BoolQ", "train"}, {14, 18}},
      {{"BoolQ", "dev"}, {13, 19}},
      {{"BoolQ", "test"}, {1237, 2033}},
      {{"WiC", "train"}, {15, 17}},
      {{"WiC", "dev"}, {16, 16}},
      {{"WiC", "test"}, {319, 319}},
      {{"COPA", "train"}, {14, 18}},
      {{"COPA", "dev"}, {15, 17}},
      {{"COPA", "test"}, {55, 45}},
      {{"TREC", "train"}, {1162, 1250, 86, 1223, 835, 896}},
      {{"TREC", "test"}, {138, 94, 9, 65, 81, 113}},
      {{"SUBJ", "train"}, {4500, 4500}},
      {{"SUBJ", "test"}, {500, 500}},
  };
  for (const auto& [task, counts] : wanted) {
    const auto& [name, split] = task;
    INFO(name << " " << split);
    const auto examples = load_task(name, name == "TREC" || name == "SUBJ" ? *sentences : *classification, split);
    std::vector<std::size_t> found(examples[0].choices.size());
    for (const choice_example& one : examples) {
      REQUIRE(one.choices.size() == found.size());
      REQUIRE(one.right < found.size());
      ++found[one.right];
      REQUIRE(is_utf8(one.prompt));
      REQUIRE_FALSE(one.prompt.ends_with(' '));
      for (const std::string& choice : one.choices) REQUIRE((choice.starts_with(' ') && choice.size() > 1));
    }
    CHECK(found == counts);
  }
  CHECK(load_task("RTE", *classification + "/RTE", "dev").size() == 32);
}

TEST_CASE("load_task: what a prompt looks like", "[io][data]") {
  const scratch folder;
  const auto first = [&](const std::string& name, const std::string& file, const std::string& line) {
    folder.write(file, line);
    return load_task(name, folder.path(), "train").at(0);
  };
  choice_example one = first("SST-2", "train.tsv", "a fine film \t1\n");
  CHECK(one.prompt == "Review: a fine film\nSentiment:");
  CHECK(one.choices == std::vector<std::string>{" negative", " positive"});
  CHECK(one.right == 1);
  CHECK(one.line == 1);
  one = first("RTE", "train.jsonl", R"({"premise": "P.", "hypothesis": "H.", "label": "not_entailment"})");
  CHECK(one.prompt == "Text: P.\nStatement: H.\nDoes the statement follow from the text, yes or no?\nAnswer:");
  CHECK(one.choices[one.right] == " no");
  one = first("CB", "train.jsonl", R"({"premise": "P.", "hypothesis": "h", "label": "neutral"})");
  CHECK(one.choices[one.right] == " maybe");
  one = first("BoolQ", "train.jsonl", R"({"passage": "P.", "question": "is it", "label": true})");
  CHECK(one.prompt == "Passage: P.\nQuestion: is it? Answer yes or no.\nAnswer:");
  CHECK(one.choices[one.right] == " yes");
  one = first("WiC", "train.jsonl", R"({"word": "w", "sentence1": "a", "sentence2": "b", "label": false})");
  CHECK(one.prompt == "First: a\nSecond: b\nIs \"w\" used in the same sense in both, yes or no?\nAnswer:");
  CHECK(one.choices[one.right] == " no");
  one = first("COPA", "train.jsonl",
              R"({"premise": "It rained.", "choice1": "A.", "choice2": "B.", "question": "effect", "label": 1})");
  CHECK(one.prompt == "What happened: It rained.\nWhat came of it:");
  CHECK(one.choices[one.right] == " B.");
  one = first("TREC", "TREC.train.all", "3 Who is it ?\n");
  CHECK(one.prompt == "Question: Who is it ?\nThe answer is a");
  CHECK(one.choices[one.right] == " person");
  one = first("SUBJ", "subj.all", "1 na\xefve \x96 or not . \n");
  CHECK(one.prompt == "Sentence: na\xc3\xafve \xe2\x80\x93 or not .\nIs this an opinion or a fact?\nAnswer:");
  CHECK(one.choices[one.right] == " fact");
}

TEST_CASE("load_task: names, splits and damaged lines", "[io][data]") {
  const scratch folder;
  CHECK(task_names() == std::vector<std::string>{"SST-2", "RTE", "CB", "BoolQ", "WiC", "COPA", "TREC", "SUBJ"});
  const auto load = [&](const std::string& name, const std::string& split = "train") {
    return [&folder, name, split] { load_task(name, folder.path(), split); };
  };
  check_refused(load("SST2"), {"task 'SST2' is not known, and must be one of SST-2, RTE"});
  check_refused(load("TREC", "dev"), {"task TREC: split 'dev' is not known, and must be one of train, test"});
  check_refused(load("RTE"), {folder.path("train.jsonl"), "cannot be opened"});

  const auto refused = [&](const std::string& name, const std::string& file, const std::string& content,
                           const std::string& what) {
    folder.write(file, content);
    check_refused(load(name), {folder.path(file), what});
  };
  refused("SST-2", "train.tsv", "a\t1\n\nb\t2\n", "line 3: label is '2', and must be 0 or 1");
  refused("SST-2", "train.tsv", "a\t1\nb 1\n", "line 2: must be a sentence, a tab and a label");
  refused("SST-2", "train.tsv", "a\t1\nb\t\n", "line 2: must be a sentence, a tab and a label");
  refused("SST-2", "train.tsv", "a\t1\n\xff\t1\n", "line 2 is not UTF-8");
  refused("SST-2", "train.tsv", "\n\n", "holds no example");
  const std::string good = R"({"premise": "P.", "hypothesis": "H.", "label": "entailment"})"
                           "\n";
  refused("RTE", "train.jsonl", good + R"({"premise": "P.", "hypothesis": "H.", "label": "maybe"})",
          "line 2: label is 'maybe', and must be entailment or not_entailment");
  refused("RTE", "train.jsonl", good + R"({"premise": "P.", "hypothesis": "H."})", "line 2: label is missing");
  refused("RTE", "train.jsonl", good + R"({"premise": "P.", "label": "entailment"})", "line 2: hypothesis is missing");
  refused("RTE", "train.jsonl", good + "{\"premise\"", "line 2: is not JSON, or is cut off");
  refused("BoolQ", "train.jsonl", R"({"passage": "P.", "question": "q", "label": 1})",
          "line 1: label is '1', and must be false or true");
  refused("COPA", "train.jsonl", R"({"premise": "p", "choice1": "a", "choice2": "b", "question": "why", "label": 1})",
          "line 1: question is \"why\", and must be cause or effect");
  refused("COPA", "train.jsonl", R"({"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "label": 2})",
          "line 1: label is 2, and must be 0 or 1");
  refused("TREC", "TREC.train.all", "0 a\n7 b\n", "line 2: label is '7', and must be 0, 1, 2, 3, 4 or 5");
  refused("TREC", "TREC.train.all", "0 a\nb\n", "line 2: must be a label, a space and a sentence");
}
