#include "lines.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <zoft/io/file/memory_map.hpp>
#include <zoft/io/file/printable.hpp>

#include "options.hpp"

namespace finetune {

namespace {

using zoft::io::printable;

constexpr std::string_view blank = " \t";

std::string trimmed(std::string_view text) {
  const std::size_t from = text.find_first_not_of(blank);
  return from == text.npos ? std::string() : std::string(text.substr(from, text.find_last_not_of(blank) + 1 - from));
}

line pair_of(std::string_view text, const std::string& where) {
  const std::size_t tab = text.find('\t');
  if (tab == text.npos) refuse(where + "is '" + printable(text, 40) + "', and must be prompt, tab, answer");
  if (text.find('\t', tab + 1) != text.npos) refuse(where + "has more than one tab, and must be prompt, tab, answer");
  if (trimmed(text.substr(0, tab)).empty()) refuse(where + "has no prompt before the tab");
  if (trimmed(text.substr(tab + 1)).empty()) refuse(where + "has no answer behind the tab");
  return {std::string(text.substr(0, tab)), std::string(text.substr(tab + 1))};
}

line labelled_of(std::string_view text, const std::string& where) {
  text.remove_prefix(text.find_first_not_of(blank));
  const std::size_t end = std::min(text.find_first_of(blank), text.size());
  line result{std::string(text.substr(0, end)), trimmed(text.substr(end))};
  if (result.value.empty())
    refuse(where + "is '" + printable(text, 40) + "', and must be a label, a space, and a text");
  return result;
}

std::vector<line> read(const std::string& path, line (*parse)(std::string_view, const std::string&)) {
  const zoft::io::memory_map file(path);
  std::string_view rest(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);  // the mark that some programs put before UTF-8
  std::vector<line> result;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = rest.find('\n');
    std::string_view text = rest.substr(0, end);
    rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.find_first_not_of(blank) == text.npos) continue;
    result.push_back(parse(text, path + ":" + std::to_string(number) + ": "));
    result.back().number = number;
  }
  return result;
}

line_data read_both(const std::string& path, const std::string& heldout,
                    line (*parse)(std::string_view, const std::string&)) {
  line_data result;
  std::vector<line> all = read(path, parse);
  if (!heldout.empty()) {
    result.train = std::move(all);
    result.heldout = read(heldout, parse);
    if (result.train.empty()) refuse(path + ": has no lines that are not empty, and must have at least 1");
    if (result.heldout.empty()) refuse(heldout + ": has no lines that are not empty, and must have at least 1");
    return result;
  }
  if (all.size() < 2)
    refuse(path + ": has " + std::to_string(all.size()) +
           " lines that are not empty, and must have at least 2, one of them to hold out (or give --heldout)");
  const std::size_t tenth = std::min<std::size_t>(all.size(), 10);
  for (std::size_t i = 0; i < all.size(); ++i)
    (i % tenth == tenth - 1 ? result.heldout : result.train).push_back(std::move(all[i]));
  return result;
}

}  // namespace

line_data read_pairs(const std::string& path, const std::string& heldout) { return read_both(path, heldout, pair_of); }

line_data read_labelled(const std::string& path, const std::string& heldout) {
  return read_both(path, heldout, labelled_of);
}

std::map<std::string, std::string> words_of_labels(const std::string& words, const line_data& data,
                                                   const std::string& path, const std::string& heldout) {
  std::map<std::string, std::string> result;
  std::set<std::string> used;
  std::size_t index = 0;
  for (std::size_t from = 0; from <= words.size(); ++index) {
    const std::size_t comma = std::min(words.find(',', from), words.size());
    const std::string one = words.substr(from, comma - from);
    const std::size_t equals = one.find('=');
    const std::string label = equals == one.npos ? std::to_string(index) : trimmed(one.substr(0, equals));
    const std::string word = trimmed(equals == one.npos ? one : one.substr(equals + 1));
    if (word.empty() || label.empty())
      refuse("--words is '" + printable(words) + "', and must be words with commas between, or label=word");
    if (!result.emplace(label, word).second) refuse("--words gives the label '" + printable(label) + "' two words");
    if (!used.insert(word).second) refuse("--words gives the word '" + printable(word) + "' to two labels");
    from = comma + 1;
  }
  if (result.size() < 2) refuse("--words is '" + printable(words) + "', and must give at least 2 words");

  std::set<std::string> trained;
  const auto need_word = [&](const line& l, const std::string& file) {
    if (!result.contains(l.key))
      refuse(file + ":" + std::to_string(l.number) + ": the label '" + printable(l.key) +
             "' has no word; --words must give one for each label");
  };
  for (const line& l : data.train) {
    need_word(l, path);
    trained.insert(l.key);
  }
  for (const auto& [label, word] : result)
    if (!trained.contains(label))
      refuse("--words gives '" + printable(label) + "' the word '" + printable(word) + "', and no training line of " +
             path + " has that label");
  for (const line& l : data.heldout) need_word(l, heldout.empty() ? path : heldout);
  return result;
}

}  // namespace finetune
