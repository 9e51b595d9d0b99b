// What modules tell the page: texts, and objects of JSON.
#pragma once

#include <exception>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace playground {

inline std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

/// {"name": value, …}
inline std::string object(std::initializer_list<std::pair<const char*, std::string>> fields) {
  std::string s;
  for (const auto& [name, value] : fields) s += (s.empty() ? "{" : ",") + quoted(name) + ":" + value;
  return s + "}";
}

/// What f returns, or "error: " and why there is nothing. Valid until the next call.
template <class F>
const char* told(F f) {
  static std::string result;
  try {
    result = f();
  } catch (const std::exception& e) {
    result = std::string("error: ") + e.what();
  }
  return result.c_str();
}

}  // namespace playground
