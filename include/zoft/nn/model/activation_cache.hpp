/// A cache of activations that do not change from step to step, because the weights are frozen.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <span>
#include <vector>

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA::nn {

/// Residual streams of sequences at the input of a block below which nothing is adapted, looked up by the block and the
/// sequence's tokens. A sequence takes tokens·(dim + 1)·4 bytes for its stream and its tokens. The stream is stored as
/// the computed floats, so results have the same bits as without the cache. The least recently used sequence is evicted
/// first, and a sequence larger than the limit is not kept. If you go through a data set in the same order again and
/// again, either all of it fits or nothing is ever found. Memory is allocated only when it is needed.
///
/// Several threads may use it at a time. The contents belong to one model's weights: a copy, or the target of a move,
/// starts empty with the same limit.
class activation_cache {
 public:
  struct counters {
    std::size_t hits = 0, misses = 0;  ///< sequences found and not found so far
    std::size_t sequences = 0;         ///< sequences in the cache
    std::size_t bytes = 0;             ///< bytes that they take, at most most_bytes()
  };

  /// 0 keeps nothing.
  explicit activation_cache(std::size_t most_bytes = 0) : most_(most_bytes) {}
  activation_cache(const activation_cache& other) noexcept : most_(other.most_) {}
  activation_cache& operator=(const activation_cache& other) {
    if (this == &other) return *this;
    clear();
    most_ = other.most_;
    seen_ = {};
    return *this;
  }

  std::size_t most_bytes() const { return most_; }
  counters count() const {
    const std::lock_guard<std::mutex> held(lock_);
    return seen_;
  }

  /// Returns whether the stream of these tokens into this block is cached. If so, copies it to `stream` (tokens, dim).
  bool find(std::size_t block, std::span<const std::int32_t> tokens, std::span<float> stream) {
    // Copied under the lock: the copy takes a few thousandths of the time that computing the stream took.
    const std::lock_guard<std::mutex> held(lock_);
    const auto found = places_.find({block, tokens});
    if (found == places_.end()) {
      ++seen_.misses;
      return false;
    }
    ++seen_.hits;
    entries_.splice(entries_.begin(), entries_, found->second);
    std::copy(found->second->stream.begin(), found->second->stream.end(), stream.begin());
    return true;
  }

  /// Stores the stream (tokens, dim), for find() to return for this block and these tokens.
  void keep(std::size_t block, std::span<const std::int32_t> tokens, std::span<const float> stream) {
    const std::size_t bytes = tokens.size_bytes() + stream.size_bytes();
    if (bytes > most_) return;
    const std::lock_guard<std::mutex> held(lock_);
    if (const auto found = places_.find({block, tokens}); found != places_.end()) {
      // Another thread stored it first, with the same bits.
      entries_.splice(entries_.begin(), entries_, found->second);
      return;
    }
    while (seen_.bytes > most_ - bytes) drop(entries_.back());
    entries_.push_front({{tokens.begin(), tokens.end()}, {stream.begin(), stream.end()}, block});
    ++seen_.sequences;
    seen_.bytes += bytes;
    places_.emplace(key{block, entries_.front().tokens}, entries_.begin());
  }

  /// Fills `stream` (tokens, dim) for concatenated sequences, each of which ends where `ends` says. The sequences that
  /// are not cached are computed together, by compute(their tokens, their ends) -> (their tokens, dim), and stored.
  template <class Compute>
  void complete(std::size_t block, std::span<const std::int32_t> tokens, std::span<const std::size_t> ends,
                std::size_t dim, std::vector<float>& stream, Compute compute) {
    struct range {
      std::size_t begin, size;
    };
    std::vector<range> missing;
    std::vector<std::int32_t> their_tokens;
    std::vector<std::size_t> their_ends;
    stream.resize(tokens.size() * dim);
    const auto rows = [&](range r) { return std::span(stream).subspan(r.begin * dim, r.size * dim); };
    for (std::size_t i = 0, begin = 0; i < ends.size(); begin = ends[i++]) {
      const range r{begin, ends[i] - begin};
      const auto one = tokens.subspan(r.begin, r.size);
      if (one.empty() || find(block, one, rows(r))) continue;
      missing.push_back(r);
      their_tokens.insert(their_tokens.end(), one.begin(), one.end());
      their_ends.push_back(their_tokens.size());
    }
    if (missing.empty()) return;
    const std::span<const float> computed = compute(their_tokens, their_ends);
    std::size_t done = 0;
    for (const range r : missing) {
      const auto one = computed.subspan(done * dim, r.size * dim);
      std::copy(one.begin(), one.end(), rows(r).begin());
      keep(block, tokens.subspan(r.begin, r.size), one);
      done += r.size;
    }
  }

  /// Call this when the weights change.
  void clear() {
    const std::lock_guard<std::mutex> held(lock_);
    while (!entries_.empty()) drop(entries_.back());
  }

 private:
  struct entry {
    std::vector<std::int32_t> tokens;
    std::vector<float> stream;
    std::size_t block;
  };
  struct key {
    std::size_t block;
    std::span<const std::int32_t> tokens;  // in places_, the entry's own

    friend bool operator<(const key& a, const key& b) {
      if (a.block != b.block) return a.block < b.block;
      return std::lexicographical_compare(a.tokens.begin(), a.tokens.end(), b.tokens.begin(), b.tokens.end());
    }
  };

  void drop(entry& last) {
    places_.erase({last.block, last.tokens});
    --seen_.sequences;
    seen_.bytes -= std::span(last.tokens).size_bytes() + std::span(last.stream).size_bytes();
    entries_.pop_back();
  }

  std::size_t most_;
  mutable std::mutex lock_;
  counters seen_;
  std::list<entry> entries_;  // most recently used first
  std::map<key, std::list<entry>::iterator> places_;
};

}  // namespace zoft::inline ZOFT_ISA::nn
