/// The ways to divide a text that tokenizer.json calls pre-tokenizers.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "../../core/config.hpp"
#include "code_points.hpp"
#include "piece.hpp"
#include "regex.hpp"
#include "unicode.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// What becomes of the matches of a pattern, which are delimiters.
enum class delimiter {
  isolated,       ///< each is a piece
  removed,        ///< they are left out
  contiguous,     ///< neighbours are one piece
  with_previous,  ///< each is the end of the piece before it, unless that is a match too
  with_next,      ///< each is the start of the piece after it, unless that is a match too
};

/// Takes ranges that cover a piece from left to right, each a match or not, and gives the pieces to `next`.
class delimited {
 public:
  delimited(const piece& whole, delimiter kind, piece_sink& next) : whole_(whole), kind_(kind), next_(next) {}

  void operator()(std::size_t begin, std::size_t end, bool is_match) {
    switch (kind_) {
      case delimiter::isolated:
        return emit(begin, end);
      case delimiter::removed:
        if (!is_match) emit(begin, end);
        return;
      case delimiter::contiguous:
        if (held_ && was_match_ == is_match)
          end_ = end;
        else
          hold(begin, end);
        break;
      case delimiter::with_previous:
        if (held_ && is_match && !was_match_)
          end_ = end;
        else
          hold(begin, end);
        break;
      case delimiter::with_next:
        if (held_ && was_match_ && !is_match)
          end_ = end;
        else
          hold(begin, end);
        break;
    }
    was_match_ = is_match;
  }
  void finish() {
    if (held_) emit(begin_, end_);
  }

 private:
  void hold(std::size_t begin, std::size_t end) {
    finish();
    held_ = true;
    begin_ = begin;
    end_ = end;
  }
  void emit(std::size_t begin, std::size_t end) {
    next_({whole_.text.substr(begin, end - begin), whole_.first && begin == 0});
  }

  const piece& whole_;
  delimiter kind_;
  piece_sink& next_;
  bool held_ = false, was_match_ = false;
  std::size_t begin_ = 0, end_ = 0;
};

/// Split: by a regular expression. If `inverted`, what lies between its matches is the delimiter.
class split_by_regex final : public splitter {
 public:
  split_by_regex(regex pattern, delimiter kind, bool inverted)
      : pattern_(std::move(pattern)), kind_(kind), inverted_(inverted) {}

  void operator()(const piece& whole, piece_sink& next) const override {
    delimited parts(whole, kind_, next);
    pattern_.for_each(whole.text, [&](std::size_t begin, std::size_t end, bool is_match) {
      parts(begin, end, is_match != inverted_);
    });
    parts.finish();
  }

 private:
  regex pattern_;
  delimiter kind_;
  bool inverted_;
};

/// Split: by a string.
class split_by_string final : public splitter {
 public:
  split_by_string(std::string pattern, delimiter kind, bool inverted)
      : pattern_(std::move(pattern)), kind_(kind), inverted_(inverted) {}

  void operator()(const piece& whole, piece_sink& next) const override {
    delimited parts(whole, kind_, next);
    std::size_t covered = 0;
    while (!pattern_.empty() && covered < whole.text.size()) {
      const std::size_t found = whole.text.find(pattern_, covered);
      if (found == std::string_view::npos) break;
      if (covered < found) parts(covered, found, inverted_);
      covered = found + pattern_.size();
      parts(found, covered, !inverted_);
    }
    if (covered < whole.text.size()) parts(covered, whole.text.size(), inverted_);
    parts.finish();
  }

 private:
  std::string pattern_;
  delimiter kind_;
  bool inverted_;
};

/// By a property of characters: WhitespaceSplit, Digits, Punctuation.
class split_by_character final : public splitter {
 public:
  using property = bool (*)(char32_t);
  split_by_character(property is, delimiter kind) : is_(is), kind_(kind) {}

  void operator()(const piece& whole, piece_sink& next) const override {
    delimited parts(whole, kind_, next);
    std::size_t covered = 0;
    for (std::size_t at = 0; at < whole.text.size();) {
      const auto [c, length] = code_point_at(whole.text, at);
      if (is_(c)) {
        if (covered < at) parts(covered, at, false);
        covered = at + length;
        parts(at, covered, true);
      }
      at += length;
    }
    if (covered < whole.text.size()) parts(covered, whole.text.size(), false);
    parts.finish();
  }

 private:
  property is_;
  delimiter kind_;
};

/// Whitespace: runs of word characters, and runs of what is neither those nor space.
class split_into_words final : public splitter {
 public:
  void operator()(const piece& whole, piece_sink& next) const override {
    enum class kind { space, word, other };
    std::size_t begin = 0;
    kind current = kind::space;
    const auto emit = [&](std::size_t end) {
      if (current != kind::space) next({whole.text.substr(begin, end - begin), whole.first && begin == 0});
    };
    for (std::size_t at = 0; at < whole.text.size();) {
      const auto [c, length] = code_point_at(whole.text, at);
      const kind now = is_word(c) ? kind::word : is_white_space(c) ? kind::space : kind::other;
      if (now != current) {
        emit(at);
        begin = at;
        current = now;
      }
      at += length;
    }
    emit(whole.text.size());
  }
};

/// BertPreTokenizer: at white space, which is dropped, and around each punctuation mark.
class split_as_bert final : public splitter {
 public:
  void operator()(const piece& whole, piece_sink& next) const override {
    std::size_t begin = 0;
    const auto emit = [&](std::size_t from, std::size_t to) {
      if (from < to) next({whole.text.substr(from, to - from), whole.first && from == 0});
    };
    for (std::size_t at = 0; at < whole.text.size();) {
      const auto [c, length] = code_point_at(whole.text, at);
      const bool punctuation = is_punctuation(c);
      if (punctuation || is_white_space(c)) {
        emit(begin, at);
        begin = at + length;
        if (punctuation) emit(at, begin);
      }
      at += length;
    }
    emit(begin, whole.text.size());
  }
};

/// Metaspace: spaces become ▁, one is put in front, and a piece begins at each.
class metaspace final : public splitter {
 public:
  enum class prefix { always, first, never };  ///< put one in front of every piece, of the input's first, of none
  metaspace(std::string replacement, prefix scheme, bool splits)
      : replacement_(std::move(replacement)), scheme_(scheme), splits_(splits) {}

  void operator()(const piece& whole, piece_sink& next) const override {
    std::string changed;
    changed.reserve(whole.text.size() + whole.text.size() / 4 + 16);
    const bool wanted = scheme_ == prefix::always || (scheme_ == prefix::first && whole.first);
    if (wanted && !whole.text.starts_with(' ') && !whole.text.starts_with(replacement_)) changed += replacement_;
    for (const char c : whole.text) {
      if (c == ' ')
        changed += replacement_;
      else
        changed += c;
    }
    const std::string_view text = changed;
    if (!splits_) return next({text, whole.first});
    std::size_t begin = 0;
    for (std::size_t at = 0; (at = text.find(replacement_, at)) != std::string_view::npos;) {
      if (at > begin) next({text.substr(begin, at - begin), whole.first && begin == 0});
      begin = at;
      at += replacement_.size();
    }
    next({text.substr(begin), whole.first && begin == 0});
  }

 private:
  std::string replacement_;
  prefix scheme_;
  bool splits_;
};

/// ByteLevel's add_prefix_space: a space in front of each piece that has none.
class space_in_front final : public splitter {
 public:
  void operator()(const piece& whole, piece_sink& next) const override {
    if (whole.text.starts_with(' ')) return next(whole);
    const std::string changed = " " + std::string(whole.text);
    next({changed, whole.first});
  }
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
