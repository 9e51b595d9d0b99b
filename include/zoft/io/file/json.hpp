/// Reads JSON (RFC 8259) from untrusted files: every error is one line that names the file. The parser is nlohmann's;
/// only this header includes it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "file_kind.hpp"
#include "printable.hpp"

namespace zoft::inline ZOFT_ISA::io {

using json = nlohmann::json;

namespace detail {

/// nlohmann's SAX interface: builds the value. Stops if an object gives a name twice, or at nesting deeper than any of
/// our files needs.
class json_builder {
 public:
  static constexpr std::size_t deepest = 32;

  json root;
  std::string error;  ///< what is wrong, or empty

  bool null() { return put(nullptr); }
  bool boolean(bool value) { return put(value); }
  bool number_integer(std::int64_t value) { return put(value); }
  bool number_unsigned(std::uint64_t value) { return put(value); }
  bool number_float(double value, const std::string&) { return put(value); }
  bool string(std::string& value) { return put(std::move(value)); }
  bool binary(json::binary_t&) { return refuse("holds binary data"); }
  bool start_object(std::size_t) { return open(json::object()); }
  bool start_array(std::size_t) { return open(json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    const auto [place, fresh] = open_.back()->get_ref<json::object_t&>().emplace(name, nullptr);
    member_ = &place->second;
    return fresh || refuse("names '" + printable(name) + "' twice in one object");
  }
  bool parse_error(std::size_t position, const std::string&, const json::exception&) {
    return refuse("is not JSON, or is cut off: byte " + text(position) + " is not what must follow there");
  }

 private:
  json* put(json&& value, int) {
    if (open_.empty()) return &(root = std::move(value));
    if (!open_.back()->is_array()) return &(*member_ = std::move(value));
    auto& list = open_.back()->get_ref<json::array_t&>();
    list.push_back(std::move(value));
    return &list.back();
  }
  bool put(json value) { return put(std::move(value), 0) != nullptr; }
  bool open(json value) {
    if (open_.size() == deepest) return refuse("is nested more than " + text(deepest) + " deep");
    open_.push_back(put(std::move(value), 0));  // stays in place: its container does not grow before it is closed
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  bool refuse(std::string what) {
    if (error.empty()) error = std::move(what);
    return false;
  }

  std::vector<json*> open_;
  json* member_ = nullptr;
};

}  // namespace detail

/// Parses the text. `name` is the name of the file, for messages.
inline json parse_json(std::string_view text_of_file, const std::string& name) {
  constexpr std::size_t most = 100'000'000;  // safetensors' own limit for its header
  if (text_of_file.size() > most)
    fail(name + ": holds " + text(text_of_file.size()) + " bytes of JSON, and must hold at most " + text(most));
  detail::json_builder builder;
  std::string error;
  const std::size_t nul = text_of_file.find('\0');  // which nlohmann takes for the end
  if (nul != std::string_view::npos)
    error = "is not JSON: byte " + text(nul) + " is NUL";
  else if (!json::sax_parse(text_of_file, &builder))
    error = builder.error;
  if (!error.empty()) {
    expect_kind(name, std::as_bytes(std::span(text_of_file.data(), text_of_file.size())), file_kinds::json);
    fail(name + ": " + error);
  }
  return std::move(builder.root);
}

/// The value as messages show it.
inline std::string shown(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list of " + text(value.size());
  if (const auto* string = value.get_ptr<const json::string_t*>()) return "\"" + printable(*string) + "\"";
  return value.dump();
}

/// Reads the fields of an object, each as a given type. A field that is null counts as absent. The object must outlive
/// this.
class fields {
 public:
  /// `where` begins every message: the file and, if that helps, the place in it.
  fields(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) fail(where_ + ": is " + shown(object_) + ", and must be an object");
  }

  const json* find(const std::string& name) const {
    const auto found = object_.find(name);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  [[noreturn]] void refuse(const std::string& name, const std::string& wanted) const {
    const json* value = find(name);
    fail(where_ + ": " + printable(name) + " is " + (value == nullptr ? "missing" : shown(*value)) + ", and must be " +
         wanted);
  }

  std::size_t whole(const std::string& name, std::size_t least, std::size_t most,
                    std::optional<std::size_t> absent = std::nullopt) const {
    const json* value = find(name);
    if (value == nullptr && absent) return *absent;
    // nlohmann holds whole numbers from 0 up as unsigned, and those beyond 64 bits as floating point.
    const auto* number = value == nullptr ? nullptr : value->get_ptr<const json::number_unsigned_t*>();
    if (number == nullptr || *number < least || *number > most)
      refuse(name, "a whole number from " + text(least) + " to " + text(most));
    return static_cast<std::size_t>(*number);
  }

  /// A number above 0.
  double positive(const std::string& name, std::optional<double> absent = std::nullopt) const {
    const json* value = find(name);
    if (value == nullptr && absent) return *absent;
    const double number = value == nullptr || !value->is_number() ? 0.0 : value->get<double>();
    if (!(number > 0)) refuse(name, "a number above 0");
    return number;
  }

  bool boolean(const std::string& name, bool absent) const {
    const json* value = find(name);
    if (value == nullptr) return absent;
    const auto* truth = value->get_ptr<const bool*>();
    if (truth == nullptr) refuse(name, "true or false");
    return *truth;
  }

  std::string string(const std::string& name, std::optional<std::string> absent = std::nullopt) const {
    const json* value = find(name);
    if (value == nullptr && absent) return *absent;
    const auto* characters = value == nullptr ? nullptr : value->get_ptr<const json::string_t*>();
    if (characters == nullptr) refuse(name, "a string");
    return *characters;
  }

 private:
  const json& object_;
  std::string where_;
};

}  // namespace zoft::inline ZOFT_ISA::io
