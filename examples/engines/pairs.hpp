// The data of the demo, as the engines' programs read it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>
#include <zoft/engines/padded_batch.hpp>
#include <zoft/io/tokenizer/llama2c.hpp>

namespace engines {

struct item {
  std::vector<std::int32_t> tokens, labels;  ///< labels of the prompt are −100
};

/// A line of the file is a prompt, a tab, and the answer that is to be learned.
inline std::vector<item> read_pairs(const std::string& path, const zoft::io::llama2c_tokenizer& tokenizer) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::vector<item> items;
  for (std::string line; std::getline(file, line);) {
    const std::size_t tab = line.find('\t');
    const std::string prompt = line.substr(0, tab) + "\n";
    item one{tokenizer.encode(prompt + line.substr(tab + 1), true, true), {}};
    one.labels = one.tokens;
    std::fill_n(one.labels.begin(), tokenizer.encode(prompt).size(), -100);
    items.push_back(std::move(one));
  }
  return items;
}

/// Batches of so many items, in their order.
template <class Batch>
std::vector<Batch> batches_of(const std::vector<item>& items, std::size_t size) {
  std::vector<Batch> result;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i % size == 0) result.emplace_back();
    result.back().add(items[i].tokens, items[i].labels);
  }
  return result;
}

/// Text as sequences of that length, as many as asked for.
template <class Batch>
Batch batch_of(const std::string& path, const zoft::io::llama2c_tokenizer& tokenizer, std::size_t sequences,
               std::size_t length) {
  std::ifstream file(path);
  std::string text(16 * sequences * length, '\0');
  file.read(text.data(), std::ptrdiff_t(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  const std::vector<std::int32_t> tokens = tokenizer.encode(text);
  if (tokens.size() < sequences * length) throw std::runtime_error(path + ": has too little text, or cannot be read");
  Batch result;
  for (std::size_t i = 0; i < sequences; ++i) {
    const std::vector<std::int32_t> one(tokens.begin() + std::ptrdiff_t(i * length),
                                        tokens.begin() + std::ptrdiff_t((i + 1) * length));
    result.add(one, one);
  }
  return result;
}

/// Items of which every label is the most probable token (count) of its place: answers that greedy decoding gives.
inline std::size_t right(const zoft::engines::padded_batch& b, const std::vector<std::int64_t>& best) {
  std::size_t result = 0, next = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    bool all = true;
    for (const std::int64_t label : b.labels().subspan(i * b.length(), b.length()))
      if (label != zoft::engines::padded_batch::nothing) all = best[next++] == label && all;
    result += all;
  }
  return result;
}

}  // namespace engines
