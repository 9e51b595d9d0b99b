/// Files of examples, one a line: labelled texts, and pairs of prompt and answer.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace finetune {

/// A line of the file. Of pairs, key is the prompt and value the answer; of labelled lines the label and the text.
struct line {
  std::string key, value;
  std::size_t number = 0;  ///< in the file, from 1
};

struct line_data {
  std::vector<line> train, heldout;
};

/// Reads path, and heldout where it is given; otherwise every tenth line of path is held out, or the last where there
/// are fewer. Empty lines do not count; CRLF is LF; bytes may be any. Throws, naming file and line, where a line is
/// not of the form, or there are not enough.
line_data read_pairs(const std::string& path, const std::string& heldout);
line_data read_labelled(const std::string& path, const std::string& heldout);

/// The word of each label that occurs, from --words. Throws where a label has no word, a word no label, two labels one
/// word, or a held-out label is never trained on.
std::map<std::string, std::string> words_of_labels(const std::string& words, const line_data& data,
                                                   const std::string& path, const std::string& heldout);

}  // namespace finetune
