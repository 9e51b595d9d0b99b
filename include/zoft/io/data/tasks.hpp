/// Classification and multiple-choice tasks by name, as prompts with choices: a model's answer is the choice with the
/// least loss. The tasks of the MeZO paper (Malladi et al. 2023, arXiv:2305.17333), with prompts of our own, and two of
/// sentences.
///
///     SST-2   sentiment of a review          folder SST-2: train.tsv, dev.tsv, test.tsv, sentence tab label
///     RTE     does a statement follow?       folder RTE: train.jsonl, dev32.jsonl, val.jsonl (FewGLUE)
///     CB      the same, or the contrary?     as RTE
///     BoolQ   a question on a passage        as RTE
///     WiC     has a word the same sense?     as RTE
///     COPA    cause or effect                as RTE
///     TREC    what a question asks for       TREC.train.all, TREC.test.all: label space question
///     SUBJ    opinion or fact                subj.all; every tenth sentence is the test
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "../file/json.hpp"
#include "../file/printable.hpp"
#include "lines.hpp"

namespace zoft::inline ZOFT_ISA::io {

struct choice_example {
  std::string prompt;
  std::vector<std::string> choices;  ///< each follows the prompt as it is: it begins with a space
  std::size_t right = 0;             ///< which of them is right
  std::size_t line = 0;              ///< of the file
};

namespace detail {

/// A label of the file, and the words for it.
struct label_word {
  std::string_view label, word;
};

/// `label` as it stands in the file. Throws if it is none of the labels.
template <std::size_t N>
choice_example labelled(std::string prompt, const label_word (&words)[N], std::string_view label,
                        const std::string& where) {
  choice_example result{std::move(prompt), {}, N, 0};
  std::string wanted;
  for (std::size_t i = 0; i < N; ++i) {
    result.choices.emplace_back(words[i].word);
    if (words[i].label == label) result.right = i;
    (wanted += i == 0 ? "" : i + 1 == N ? " or " : ", ") += words[i].label;
  }
  if (result.right == N) fail(where + ": label is '" + printable(label, 40) + "', and must be " + wanted);
  return result;
}

/// The label of an object: text, or true, false and numbers as JSON writes them.
inline std::string label_of(const fields& object) {
  const json* label = object.find("label");
  if (label == nullptr || label->is_structured()) object.refuse("label", "a label");
  return label->is_string() ? label->get<std::string>() : label->dump();
}

/// The last cell of a line, after the last separator, and what stands before it; or the first, and what follows.
inline std::pair<std::string_view, std::string_view> split_label(const line& one, char separator, bool first,
                                                                 const std::string& where) {
  const std::string_view all = one.text;
  const std::size_t at = first ? all.find(separator) : all.rfind(separator);
  if (at == std::string_view::npos || at == 0 || at + 1 == all.size())
    fail(where + (first ? ": must be a label, a space and a sentence" : ": must be a sentence, a tab and a label"));
  return first ? std::pair(all.substr(0, at), all.substr(at + 1)) : std::pair(all.substr(at + 1), all.substr(0, at));
}

inline std::string trimmed(std::string_view characters) {
  const std::size_t first = characters.find_first_not_of(" \t"), last = characters.find_last_not_of(" \t");
  return first == std::string_view::npos ? std::string() : std::string(characters.substr(first, last - first + 1));
}

inline choice_example read_sst2(const line& one, const std::string& where) {
  const auto [label, sentence] = split_label(one, '\t', false, where);
  return labelled("Review: " + trimmed(sentence) + "\nSentiment:", {{"0", " negative"}, {"1", " positive"}}, label,
                  where);
}

inline choice_example read_trec(const line& one, const std::string& where) {
  const auto [label, sentence] = split_label(one, ' ', true, where);
  return labelled("Question: " + trimmed(sentence) + "\nThe answer is a",
                  {{"0", " description"},
                   {"1", " thing"},
                   {"2", " abbreviation"},
                   {"3", " person"},
                   {"4", " place"},
                   {"5", " number"}},
                  label, where);
}

inline choice_example read_subj(const line& one, const std::string& where) {
  const auto [label, sentence] = split_label(one, ' ', true, where);
  return labelled("Sentence: " + trimmed(sentence) + "\nIs this an opinion or a fact?\nAnswer:",
                  {{"0", " opinion"}, {"1", " fact"}}, label, where);
}

inline choice_example read_rte(const line& one, const std::string& where) {
  const json source = parse_json(one.text, where);
  const fields object(source, where);
  return labelled("Text: " + object.string("premise") + "\nStatement: " + object.string("hypothesis") +
                      "\nDoes the statement follow from the text, yes or no?\nAnswer:",
                  {{"entailment", " yes"}, {"not_entailment", " no"}}, label_of(object), where);
}

inline choice_example read_cb(const line& one, const std::string& where) {
  const json source = parse_json(one.text, where);
  const fields object(source, where);
  return labelled("Text: " + object.string("premise") + "\nStatement: " + object.string("hypothesis") +
                      "\nIs the statement true by the text, yes, no or maybe?\nAnswer:",
                  {{"entailment", " yes"}, {"contradiction", " no"}, {"neutral", " maybe"}}, label_of(object), where);
}

inline choice_example read_boolq(const line& one, const std::string& where) {
  const json source = parse_json(one.text, where);
  const fields object(source, where);
  return labelled("Passage: " + object.string("passage") + "\nQuestion: " + object.string("question") +
                      "? Answer yes or no.\nAnswer:",
                  {{"false", " no"}, {"true", " yes"}}, label_of(object), where);
}

inline choice_example read_wic(const line& one, const std::string& where) {
  const json source = parse_json(one.text, where);
  const fields object(source, where);
  return labelled("First: " + object.string("sentence1") + "\nSecond: " + object.string("sentence2") + "\nIs \"" +
                      object.string("word") + "\" used in the same sense in both, yes or no?\nAnswer:",
                  {{"false", " no"}, {"true", " yes"}}, label_of(object), where);
}

inline choice_example read_copa(const line& one, const std::string& where) {
  const json source = parse_json(one.text, where);
  const fields object(source, where);
  const std::string question = object.string("question"), label = label_of(object);
  if (question != "cause" && question != "effect") object.refuse("question", "cause or effect");
  if (label != "0" && label != "1") object.refuse("label", "0 or 1");
  return {"What happened: " + object.string("premise") +
              (question == "cause" ? "\nWhy it happened:" : "\nWhat came of it:"),
          {" " + object.string("choice1"), " " + object.string("choice2")},
          label == "0" ? std::size_t{0} : std::size_t{1},
          0};
}

/// Which lines of the file belong to a split.
enum class share : unsigned char { all, nine_of_ten, every_tenth };

struct task_split {
  std::string_view name, file;
  share part = share::all;
};

struct task_entry {
  std::string_view name;
  choice_example (*read)(const line&, const std::string&);
  encoding code;
  std::array<task_split, 3> splits;
};

inline constexpr std::array<task_split, 3> few_glue{
    {{"train", "train.jsonl"}, {"dev", "dev32.jsonl"}, {"test", "val.jsonl"}}};

/// A new task is a function and a line here.
inline constexpr std::array<task_entry, 8> tasks{{
    {"SST-2", read_sst2, encoding::utf8, {{{"train", "train.tsv"}, {"dev", "dev.tsv"}, {"test", "test.tsv"}}}},
    {"RTE", read_rte, encoding::utf8, few_glue},
    {"CB", read_cb, encoding::utf8, few_glue},
    {"BoolQ", read_boolq, encoding::utf8, few_glue},
    {"WiC", read_wic, encoding::utf8, few_glue},
    {"COPA", read_copa, encoding::utf8, few_glue},
    {"TREC", read_trec, encoding::windows_1252, {{{"train", "TREC.train.all"}, {"test", "TREC.test.all"}, {}}}},
    {"SUBJ",
     read_subj,
     encoding::windows_1252,
     {{{"train", "subj.all", share::nine_of_ten}, {"test", "subj.all", share::every_tenth}, {}}}},
}};

}  // namespace detail

inline std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const detail::task_entry& task : detail::tasks) names.emplace_back(task.name);
  return names;
}

/// The examples of a task. `folder` holds its files, or a folder of the task's name that does. Splits are train, dev
/// and test, as the files offer; the validation sets of FewGLUE are the test here, since they alone are whole. Throws
/// if there is no such task or split, and names file and line of what is damaged.
inline std::vector<choice_example> load_task(std::string_view name, const std::string& folder, std::string_view split) {
  const detail::task_entry* task = nullptr;
  std::string known;
  for (const detail::task_entry& one : detail::tasks) {
    if (one.name == name) task = &one;
    (known += known.empty() ? "" : ", ") += one.name;
  }
  if (task == nullptr) fail("task '" + printable(name, 40) + "' is not known, and must be one of " + known);
  const detail::task_split* part = nullptr;
  known.clear();
  for (const detail::task_split& one : task->splits) {
    if (one.name.empty()) continue;
    if (one.name == split) part = &one;
    (known += known.empty() ? "" : ", ") += one.name;
  }
  if (part == nullptr)
    fail("task " + std::string(name) + ": split '" + printable(split, 40) + "' is not known, and must be one of " +
         known);
  std::string path = folder + "/" + std::string(part->file);
  const std::string below = folder + "/" + std::string(name) + "/" + std::string(part->file);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored) && std::filesystem::exists(below, ignored)) path = below;
  std::vector<choice_example> result;
  for (const line& one : read_lines(path, task->code)) {
    if (part->part != detail::share::all && (one.number % 10 == 0) != (part->part == detail::share::every_tenth))
      continue;
    result.push_back(task->read(one, one.where(path)));
    result.back().line = one.number;
  }
  if (result.empty()) fail(path + ": holds no example");
  return result;
}

}  // namespace zoft::inline ZOFT_ISA::io
