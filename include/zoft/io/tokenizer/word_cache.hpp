/// Remembers the tokens of words: a text has few different ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "vocabulary.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// A table of at most 32,768 words of at most 64 bytes. It is emptied when it is full.
class word_cache {
 public:
  static constexpr std::size_t longest = 64;

  /// The word's tokens, if they are known. They stay valid until the next insert.
  std::optional<std::span<const std::int32_t>> find(std::string_view word, std::uint64_t hash) const {
    for (std::size_t slot = hash % slots_.size();; slot = (slot + 1) % slots_.size()) {
      const entry& e = slots_[slot];
      if (e.length == 0) return std::nullopt;
      if (e.hash == static_cast<std::uint32_t>(hash >> 32) && word == std::string_view(words_).substr(e.word, e.length))
        return std::span(ids_).subspan(e.ids, e.count);
    }
  }

  /// Does nothing if the word is empty or too long. The word must not be in the table.
  void insert(std::string_view word, std::uint64_t hash, std::span<const std::int32_t> ids) {
    if (word.empty() || word.size() > longest || ids.size() > longest) return;
    if (2 * used_ >= slots_.size()) {
      slots_.assign(slots_.size(), {});
      words_.clear();
      ids_.clear();
      used_ = 0;
    }
    std::size_t slot = hash % slots_.size();
    while (slots_[slot].length != 0) slot = (slot + 1) % slots_.size();
    slots_[slot] = {static_cast<std::uint32_t>(hash >> 32), static_cast<std::uint32_t>(words_.size()),
                    static_cast<std::uint32_t>(ids_.size()), static_cast<std::uint16_t>(word.size()),
                    static_cast<std::uint16_t>(ids.size())};
    words_ += word;
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    ++used_;
  }

  /// Appends the word's tokens to `ids`. Unless they are known, make() makes them in `made`.
  template <class Make>
  void append(std::string_view word, std::vector<std::int32_t>& ids, std::vector<std::int32_t>& made, Make make) {
    const std::uint64_t hash = hash_of(word);
    if (word.size() <= longest)
      if (const auto known = find(word, hash)) {
        ids.insert(ids.end(), known->begin(), known->end());
        return;
      }
    made.clear();
    make();
    insert(word, hash, made);
    ids.insert(ids.end(), made.begin(), made.end());
  }

 private:
  struct entry {
    std::uint32_t hash = 0, word = 0, ids = 0;
    std::uint16_t length = 0, count = 0;
  };
  std::vector<entry> slots_ = std::vector<entry>(std::size_t{1} << 16);
  std::string words_;
  std::vector<std::int32_t> ids_;
  std::size_t used_ = 0;
};

/// Lends each thread that asks a T of its own, and takes it back for the next one.
template <class T>
class pool {
 public:
  /// Gives the T back when it goes.
  class loan {
   public:
    explicit loan(pool& owner) : owner_(owner) {
      const std::lock_guard lock(owner_.mutex_);
      if (!owner_.idle_.empty()) {
        lent_ = std::move(owner_.idle_.back());
        owner_.idle_.pop_back();
      }
      if (lent_ == nullptr) lent_ = std::make_unique<T>();
    }
    loan(const loan&) = delete;
    loan& operator=(const loan&) = delete;
    ~loan() {
      const std::lock_guard lock(owner_.mutex_);
      owner_.idle_.push_back(std::move(lent_));
    }
    T& operator*() const { return *lent_; }

   private:
    pool& owner_;
    std::unique_ptr<T> lent_;
  };

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
