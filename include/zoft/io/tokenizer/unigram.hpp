/// The unigram language model (Kudo 2018, arXiv:1804.10959): of all divisions of a text into tokens, the one whose
/// scores, log-probabilities, have the greatest sum. Found by Viterbi's algorithm.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "byte_trie.hpp"
#include "code_points.hpp"
#include "vocabulary.hpp"
#include "word_cache.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

class unigram {
 public:
  struct settings {
    std::int32_t unknown = 0;
    bool byte_fallback = false;     ///< what is unknown becomes the tokens of its bytes, like <0x0A>
    bool single_precision = false;  ///< the sums are kept as float (SentencePiece), and not as double (Hugging Face)
    bool finds_unknown = true;      ///< a run of unknown characters that is a token becomes it (Hugging Face)
  };
  struct token {
    std::string text;
    double score = 0;
    bool in_text = true;  ///< false: never found in a text, as control and byte tokens
    bool normal = true;   ///< false: its score does not count towards that of unknown characters
  };
  struct memory {
    struct node {
      double score = 0;
      std::int32_t id = 0;
      std::uint32_t begin = none;
    };
    static constexpr std::uint32_t none = UINT32_MAX;
    word_cache cache;
    std::vector<node> nodes;
    std::vector<std::int32_t> found;
  };

  unigram() = default;

  /// The tokens' ids are their places.
  unigram(const vocabulary& words, const std::vector<token>& tokens, settings how) : how_(how), words_(words) {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      scores_.push_back(tokens[i].score);
      const auto id = static_cast<std::int32_t>(i);
      if (tokens[i].normal) least = std::min(least, tokens[i].score);
      if (tokens[i].in_text) trie_.add(tokens[i].text, id);
    }
    unknown_score_ = rounded(least - 10.0);  // SentencePiece's penalty
    for (unsigned b = 0; b < 256; ++b) bytes_[b] = words.find(token_of_byte(b));
  }

  /// Appends the ids of the piece, which is UTF-8.
  void encode(std::string_view piece, std::vector<std::int32_t>& ids, memory& m) const {
    m.cache.append(piece, ids, m.found, [&] { divide(piece, m); });
  }

 private:
  /// Sets m.found to the best path. It is followed from its end, and a run of unknown characters counts as one.
  void divide(std::string_view piece, memory& m) const {
    search(piece, m);
    const auto unknown = [&](std::string_view run) {
      if (how_.finds_unknown)
        if (const std::int32_t id = words_.find(run); id != vocabulary::none) return m.found.push_back(id);
      const auto has_token = [&](char b) { return bytes_[static_cast<unsigned char>(b)] != vocabulary::none; };
      if (!how_.byte_fallback || !std::ranges::all_of(run, has_token)) return m.found.push_back(how_.unknown);
      for (std::size_t i = run.size(); i-- > 0;) m.found.push_back(bytes_[static_cast<unsigned char>(run[i])]);
    };
    std::size_t run_end = 0;  // 0: not in a run
    for (std::size_t end = piece.size(); end > 0;) {
      const auto& node = m.nodes[end];
      if (node.id == how_.unknown) {
        if (run_end == 0) run_end = end;
      } else {
        if (run_end != 0) unknown(piece.substr(end, run_end - end));
        run_end = 0;
        m.found.push_back(node.id);
      }
      end = node.begin;
    }
    if (run_end != 0) unknown(piece.substr(0, run_end));
    std::ranges::reverse(m.found);
  }

  double rounded(double score) const {
    return how_.single_precision ? static_cast<double>(static_cast<float>(score)) : score;
  }

  void search(std::string_view piece, memory& m) const {
    m.nodes.assign(piece.size() + 1, {});
    std::size_t frontier = 0;  // the last place that has been reached
    for (std::size_t begin = 0; begin < piece.size();) {
      // SentencePiece (from 0.2.1) counts from zero again, so that float does not lose the small differences.
      constexpr double far = 100'000;
      if (how_.single_precision && std::abs(m.nodes[begin].score) > far) {
        const double offset = m.nodes[begin].score;
        for (std::size_t i = begin; i <= frontier; ++i)
          if (i == begin || m.nodes[i].begin != memory::none) m.nodes[i].score = rounded(m.nodes[i].score - offset);
      }
      const double here = m.nodes[begin].score;
      const std::size_t character = code_point_at(piece, begin).length;
      bool whole_character = false;
      const auto offer = [&](std::size_t length, std::int32_t id, double score) {
        auto& node = m.nodes[begin + length];
        const double total = rounded(score + here);
        if (node.begin == memory::none || total > node.score) node = {total, id, static_cast<std::uint32_t>(begin)};
        frontier = std::max(frontier, begin + length);
      };
      trie_.for_each_prefix(piece.substr(begin), [&](std::size_t length, std::int32_t id) {
        offer(length, id, scores_[static_cast<std::size_t>(id)]);
        whole_character = whole_character || length == character;
      });
      if (!whole_character) offer(character, how_.unknown, unknown_score_);
      begin += character;
    }
  }

  settings how_;
  vocabulary words_;
  byte_trie trie_;
  std::vector<double> scores_;
  std::array<std::int32_t, 256> bytes_{};
  double unknown_score_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
