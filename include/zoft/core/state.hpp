/// What policies keep from one step to the next, as bytes.
///
/// A policy shows it by each_state(f), which calls f(part) for each of its parts, in an order of its own. A part is a
/// number, an optional one, a vector of numbers, a deque or map of parts, or anything that has each_state itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "config.hpp"

namespace zoft::inline ZOFT_ISA {

namespace state {

struct any_part {
  template <class T>
  void operator()(T&) const {}
};

}  // namespace state

/// A policy that shows what it keeps.
template <class Policy>
concept stateful = requires(Policy& p) {
  p.each_state(state::any_part{});
};

namespace state {

/// Shows what a policy keeps, if it shows anything.
template <class Policy, class F>
void each(Policy& policy, F& f) {
  if constexpr (stateful<Policy>) policy.each_state(f);
}

/// Numbers, and small structs of them without padding: their bytes are their value.
template <class T>
concept plain = std::is_arithmetic_v<T> ||
    (std::is_trivially_copyable_v<T>&& std::has_unique_object_representations_v<T>);

template <class T>
std::span<std::byte> bytes_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

/// Gives the bytes of all parts that it is called with to to(std::span<const std::byte>): little-endian, and before
/// what has no fixed size, how many there are.
template <class To>
class writer {
 public:
  explicit writer(To to) : to_(to) {}

  template <plain T>
  void operator()(T& part) {
    to_(std::span<const std::byte>(bytes_of(part)));
  }
  template <stateful P>
  void operator()(P& part) {
    part.each_state([this](auto& each) { (*this)(each); });
  }
  template <plain T>
  void operator()(std::optional<T>& part) {
    count(part.has_value());
    if (part) (*this)(*part);
  }
  template <plain T>
  void operator()(std::vector<T>& part) {
    count(part.size());
    to_(std::as_bytes(std::span<const T>(part)));
  }
  template <class T>
  void operator()(std::deque<T>& part) {
    count(part.size());
    for (T& each : part) (*this)(each);
  }
  template <plain K, class T>
  void operator()(std::map<K, T>& part) {
    count(part.size());
    for (auto& [key, value] : part) {
      K copy = key;
      (*this)(copy);
      (*this)(value);
    }
  }

 private:
  void count(std::uint64_t n) { (*this)(n); }

  To to_;
};

/// Reads the parts again. There are `size` bytes; from(to, n) reads the next n into `to`, or passes over them where
/// `to` is null. With `try_only`, nothing is changed: fits() then says whether a reader that is not would find what is
/// wanted. A vector that holds something must keep its size.
template <class From>
class reader {
 public:
  reader(From from, std::uint64_t size, bool try_only) : from_(from), left_(size), try_only_(try_only) {}

  /// Whether all parts were there so far, and nothing else.
  bool fits() const { return !failed_ && left_ == 0; }

  template <plain T>
  void operator()(T& part) {
    take(bytes_of(part), try_only_);
  }
  template <stateful P>
  void operator()(P& part) {
    part.each_state([this](auto& each) { (*this)(each); });
  }
  template <plain T>
  void operator()(std::optional<T>& part) {
    const std::uint64_t there = count(1);
    T value{};
    if (there > 0) (*this)(value);
    if (!try_only_) part = there > 0 ? std::optional<T>(value) : std::nullopt;
  }
  template <plain T>
  void operator()(std::vector<T>& part) {
    const std::uint64_t n = count(part.empty() ? left_ : part.size());
    if ((!part.empty() && n != part.size()) || n > left_ / sizeof(T)) failed_ = true;
    if (failed_) return;
    if (!try_only_) part.resize(n);
    take({try_only_ ? nullptr : reinterpret_cast<std::byte*>(part.data()), n * sizeof(T)}, try_only_);
  }
  template <class T>
  void operator()(std::deque<T>& part) {
    const std::uint64_t n = count(left_);
    std::deque<T> fresh;
    for (std::uint64_t i = 0; i < n && !failed_; ++i) (*this)(fresh.emplace_back());
    if (!try_only_) part.swap(fresh);
  }
  template <plain K, class T>
  void operator()(std::map<K, T>& part) {
    const std::uint64_t n = count(left_);
    std::map<K, T> fresh;
    for (std::uint64_t i = 0; i < n && !failed_; ++i) {
      K key{};
      take(bytes_of(key), false);
      (*this)(fresh[key]);
    }
    if (!try_only_) part.swap(fresh);
  }

 private:
  /// How many parts follow: at most `most`.
  std::uint64_t count(std::uint64_t most) {
    std::uint64_t n = 0;
    take(bytes_of(n), false);
    if (n > most) failed_ = true;
    return failed_ ? 0 : n;
  }
  void take(std::span<std::byte> to, bool pass) {
    if (to.size() > left_) failed_ = true;
    if (failed_) return;
    left_ -= to.size();
    from_(pass ? nullptr : to.data(), to.size());
  }

  From from_;
  std::uint64_t left_;
  bool try_only_, failed_ = false;
};

}  // namespace state

}  // namespace zoft::inline ZOFT_ISA
