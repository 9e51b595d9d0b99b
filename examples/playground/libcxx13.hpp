// What zoft takes from the standard library, and libc++ 13 lacks: emscripten 3.1.6, of Debian 12, comes with that.
// Given to the compiler by -include. With a later library it adds nothing.
#pragma once

#include <version>

#if defined(_LIBCPP_VERSION) && _LIBCPP_VERSION < 15000

#include <algorithm>
#include <atomic>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iterator>
#include <type_traits>

namespace std {

#if _LIBCPP_VERSION < 14000

template <class To, class From>
requires(sizeof(To) == sizeof(From) && is_trivially_copyable_v<To> && is_trivially_copyable_v<From>) constexpr To
    bit_cast(const From& from) noexcept {
  return __builtin_bit_cast(To, from);
}

inline to_chars_result copied(char* first, char* last, const char* text) {
  const size_t length = strlen(text);
  if (static_cast<ptrdiff_t>(length) > last - first) return {last, errc::value_too_large};
  memcpy(first, text, length);
  return {first + length, errc()};
}

/// The fewest digits that read back as the value.
template <class T>
requires is_floating_point_v<T> to_chars_result to_chars(char* first, char* last, T value) {
  char text[40];
  for (int digits = 1; digits <= 17; ++digits) {
    snprintf(text, sizeof text, "%.*g", digits, static_cast<double>(value));
    if (static_cast<T>(strtod(text, nullptr)) == value) break;
  }
  return copied(first, last, text);
}
template <class T>
requires is_floating_point_v<T> to_chars_result to_chars(char* first, char* last, T value, chars_format, int digits) {
  char text[40];
  snprintf(text, sizeof text, "%.*g", digits, static_cast<double>(value));
  return copied(first, last, text);
}

#endif

/// Of one thread, as all that is built here has.
template <class T>
struct atomic_ref {
  T& value;
  explicit atomic_ref(T& of) : value(of) {}
  void store(T to, memory_order) const { value = to; }
};

namespace ranges {

template <class R, class F>
bool any_of(R&& r, F f) {
  return std::any_of(std::begin(r), std::end(r), std::ref(f));
}
template <class R, class F>
bool all_of(R&& r, F f) {
  return std::all_of(std::begin(r), std::end(r), std::ref(f));
}
template <class R, class F>
bool none_of(R&& r, F f) {
  return std::none_of(std::begin(r), std::end(r), std::ref(f));
}
template <class R, class T, class Projection = identity>
auto find(R&& r, const T& value, Projection of = {}) {
  return std::find_if(std::begin(r), std::end(r), [&](const auto& each) { return std::invoke(of, each) == value; });
}
template <class R, class F>
auto find_if(R&& r, F f) {
  return std::find_if(std::begin(r), std::end(r), std::ref(f));
}
template <class R, class F>
auto find_if_not(R&& r, F f) {
  return std::find_if_not(std::begin(r), std::end(r), std::ref(f));
}
template <class A, class B>
bool equal(A&& a, B&& b) {
  return std::equal(std::begin(a), std::end(a), std::begin(b), std::end(b));
}

}  // namespace ranges

}  // namespace std

#endif
