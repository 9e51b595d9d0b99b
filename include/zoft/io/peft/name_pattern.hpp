/// The keys of peft's rank_pattern and alpha_pattern: regular expressions for the names of modules.
#pragma once

#include <bitset>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// Matches names as peft does, by Python's re.match("(.*\.)?(PATTERN)$", name): the pattern must match the whole name,
/// or all of it after one of its dots. It may use . [ ] ( ) | * + ? ^ $ \d \w and escaped punctuation, and throws if it
/// uses more. All ways to match are followed at once, so time is proportional to the length of the pattern times that
/// of the name.
class name_pattern {
 public:
  /// `where` begins the message if the pattern cannot be read.
  name_pattern(std::string_view pattern, std::string where) : pattern_(pattern), where_(std::move(where)) {
    if (pattern_.size() > longest) refuse("is longer than " + text(longest) + " characters");
    states_.push_back({.kind = kinds::accept});
    const node all = alternatives(0);
    if (at_ != pattern_.size()) refuse("closes a ( that is not open");
    start_ = compile(all, 0);
  }

  bool matches(std::string_view name) const {
    for (std::size_t first = 0; first <= name.size(); ++first)
      if ((first == 0 || name[first - 1] == '.') && matches_from(name, first)) return true;
    return false;
  }

 private:
  static constexpr std::size_t longest = 1000, deepest = 20;

  enum class kinds { characters, begin, end, fork, accept, sequence, either, any_number, some, optional };

  struct node {
    kinds kind = kinds::sequence;
    std::bitset<256> set{};
    std::vector<node> parts{};
  };

  /// A state of the automaton. A fork goes on at both places without taking a character.
  struct state {
    kinds kind = kinds::accept;
    std::bitset<256> set{};
    std::size_t next = 0, other = 0;
  };

  [[noreturn]] void refuse(const std::string& what) const { fail(where_ + " " + what); }

  bool more() const { return at_ < pattern_.size(); }
  bool take(char c) { return more() && pattern_[at_] == c && (++at_, true); }

  node alternatives(std::size_t depth) {
    if (depth > deepest) refuse("is nested more than " + text(deepest) + " deep");
    node result{.kind = kinds::either};
    do {
      node sequence;
      while (more() && pattern_[at_] != '|' && pattern_[at_] != ')') sequence.parts.push_back(item(depth));
      result.parts.push_back(std::move(sequence));
    } while (take('|'));
    return result;
  }

  node item(std::size_t depth) {
    node result = atom(depth);
    const bool repeated = more() && (pattern_[at_] == '*' || pattern_[at_] == '+' || pattern_[at_] == '?');
    if (!repeated) return result;
    if (result.kind == kinds::begin || result.kind == kinds::end) refuse("repeats ^ or $");
    const char how = pattern_[at_++];
    if (more() && std::string_view("*+?{").find(pattern_[at_]) != std::string_view::npos)
      refuse("has two signs of repetition in a row");
    node around{.kind = how == '*' ? kinds::any_number : how == '+' ? kinds::some : kinds::optional};
    around.parts.push_back(std::move(result));
    return around;
  }

  node atom(std::size_t depth) {
    const char c = pattern_[at_++];
    node result{.kind = kinds::characters};
    switch (c) {
      case '(': {
        if (take('?') && !take(':')) refuse("has a group of a kind that is not read here");
        node inside = alternatives(depth + 1);
        if (!take(')')) refuse("has a ( that is not closed");
        return inside;
      }
      case '[':
        result.set = one_of();
        return result;
      case '.':
        result.set.set();
        return result;
      case '^':
        return {.kind = kinds::begin};
      case '$':
        return {.kind = kinds::end};
      case '\\':
        result.set = escaped();
        return result;
      case '*':
      case '+':
      case '?':
      case '{':
        refuse(std::string("has ") + c + " where it is not read here");
      default:
        result.set.set(static_cast<unsigned char>(c));
        return result;
    }
  }

  std::bitset<256> escaped() {
    if (!more()) refuse("ends in \\");
    const char c = pattern_[at_++];
    std::bitset<256> set;
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter && c != 'd' && c != 'w') refuse(std::string("has \\") + c + ", which is not read here");
    if (!letter) set.set(static_cast<unsigned char>(c));
    if (letter) add(set, '0', '9');
    if (c == 'w') add(set, 'a', 'z'), add(set, 'A', 'Z'), add(set, '_', '_');
    return set;
  }

  std::bitset<256> one_of() {
    std::bitset<256> set;
    const bool others = take('^');
    if (take(']')) set.set(']');
    while (!take(']')) {
      if (!more()) refuse("has a [ that is not closed");
      if (take('\\')) {
        set |= escaped();
        continue;
      }
      const char first = pattern_[at_++];
      char last = first;
      if (at_ + 1 < pattern_.size() && pattern_[at_] == '-' && pattern_[at_ + 1] != ']') {
        last = pattern_[at_ + 1];
        at_ += 2;
      }
      if (last == '\\' || static_cast<unsigned char>(last) < static_cast<unsigned char>(first))
        refuse("has a range in [ ] that is not read here");
      add(set, first, last);
    }
    return others ? ~set : set;
  }

  static void add(std::bitset<256>& set, char first, char last) {
    for (unsigned c = static_cast<unsigned char>(first); c <= static_cast<unsigned char>(last); ++c) set.set(c);
  }

  std::size_t push(state s) {
    states_.push_back(s);
    return states_.size() - 1;
  }

  /// The state at which to begin in order to match the node and then go on at state `next`.
  std::size_t compile(const node& n, std::size_t next) {
    switch (n.kind) {
      case kinds::sequence:
        for (std::size_t i = n.parts.size(); i-- > 0;) next = compile(n.parts[i], next);
        return next;
      case kinds::either: {
        std::size_t result = compile(n.parts[0], next);
        for (std::size_t i = 1; i < n.parts.size(); ++i)
          result = push({.kind = kinds::fork, .next = result, .other = compile(n.parts[i], next)});
        return result;
      }
      case kinds::optional:
        return push({.kind = kinds::fork, .next = compile(n.parts[0], next), .other = next});
      case kinds::any_number:
      case kinds::some: {
        const std::size_t fork = push({.kind = kinds::fork, .next = next, .other = next});
        const std::size_t body = compile(n.parts[0], fork);
        states_[fork].next = body;
        return n.kind == kinds::some ? body : fork;
      }
      default:
        return push({.kind = n.kind, .set = n.set, .next = next});
    }
  }

  bool matches_from(std::string_view name, std::size_t first) const {
    std::vector<std::size_t> now{start_}, after;
    for (std::size_t at = first;; ++at) {
      std::vector<bool> seen(states_.size());
      after.clear();
      while (!now.empty()) {
        const std::size_t i = now.back();
        now.pop_back();
        if (seen[i]) continue;
        seen[i] = true;
        const state& s = states_[i];
        if (s.kind == kinds::accept && at == name.size()) return true;
        if (s.kind == kinds::fork) now.push_back(s.other);
        if (s.kind == kinds::fork || (s.kind == kinds::begin && at == 0) || (s.kind == kinds::end && at == name.size()))
          now.push_back(s.next);
        if (s.kind == kinds::characters && at < name.size() && s.set[static_cast<unsigned char>(name[at])])
          after.push_back(s.next);
      }
      if (at == name.size()) return false;
      std::swap(now, after);
    }
  }

  std::string pattern_, where_;
  std::size_t at_ = 0;
  std::vector<state> states_;
  std::size_t start_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::io
