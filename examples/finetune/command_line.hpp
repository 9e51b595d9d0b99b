/// Options that are read from text and checked one by one, each into a field of the program's options.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <concepts>
#include <functional>
#include <limits>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "options.hpp"

namespace finetune {

/// The value as a whole number from least to most, or as a finite number. Throws, naming option, value, and what was
/// wanted.
template <std::integral T>
T number_from(const std::string& option, const std::string& value, T least, T most) {
  T result{};
  const char* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, result);
  if (error != std::errc{} || stop != end || result < least || result > most)
    refuse(option + " is '" + value + "', and must be a whole number " +
           (most == std::numeric_limits<T>::max() ? "of at least " + zoft::text(least)
                                                  : "from " + zoft::text(least) + " to " + zoft::text(most)));
  return result;
}
inline double number_from(const std::string& option, const std::string& value, bool zero_too) {
  double result = 0;
  const char* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, result);
  if (error != std::errc{} || stop != end || !(zero_too ? result >= 0 : result > 0) || result >= 1e30)
    refuse(option + " is '" + value + "', and must be a finite number " + (zero_too ? "of at least 0" : "above 0"));
  return result;
}

inline std::string one_of(const std::string& option, const std::string& value, const std::vector<std::string>& all) {
  if (std::find(all.begin(), all.end(), value) != all.end()) return value;
  std::string known;
  for (const std::string& name : all) known += (known.empty() ? "" : ", ") + name;
  refuse(option + " is '" + value + "', and must be one of " + known);
}

inline std::vector<std::string> comma_list(const std::string& option, const std::string& value) {
  std::vector<std::string> result;
  for (std::size_t from = 0; from <= value.size();) {
    const std::size_t comma = std::min(value.find(',', from), value.size());
    result.push_back(value.substr(from, comma - from));
    if (result.back().empty()) refuse(option + " is '" + value + "', and must be names with commas between");
    from = comma + 1;
  }
  return result;
}

/// \n, \t and \\ in what a shell passes on as it is.
inline std::string unescaped(const std::string& value) {
  std::string result;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char next = value[i] == '\\' && i + 1 < value.size() ? value[i + 1] : '\0';
    const char meant = next == 'n' ? '\n' : next == 't' ? '\t' : next == '\\' ? '\\' : '\0';
    result += meant != '\0' ? meant : value[i];
    i += meant != '\0';
  }
  return result;
}

/// What is given is kept until apply, which may be called again after defaults have been put into the fields.
class command_line {
 public:
  explicit command_line(const std::string& about) : app_(about) {}

  void group(const char* name) { group_ = name; }

  /// read(option, value) -> what the field is set to.
  template <class Class, class T, class Read>
  void add(const char* name, T Class::*field, const char* type, const std::string& help, Read read) {
    const auto take = [this, field, read, option = std::string(name)](const std::string& value) {
      names_.push_back(option);
      given_.push_back([field, meant = T(read(option, value))](options& o) { o.*field = meant; });
    };
    app_.add_option_function<std::string>(name, take, help)
        ->type_name(type)
        ->group(group_)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }

  template <class Class>
  void path(const char* name, std::string Class::*field, const char* type, const std::string& help) {
    add(name, field, type, help, [](const std::string& option, const std::string& value) {
      if (value.empty()) refuse(option + " is empty");
      return value;
    });
  }
  template <class Class>
  void text(const char* name, std::string Class::*field, const std::string& help) {
    add(name, field, "TEXT", help, [](const std::string&, const std::string& value) { return unescaped(value); });
  }
  template <class Class>
  void choice(const char* name, std::string Class::*field, std::vector<std::string> all, const std::string& help) {
    add(name, field, "NAME", help, [all = std::move(all)](const std::string& option, const std::string& value) {
      return one_of(option, value, all);
    });
  }
  template <class Class, std::integral T>
  void whole(const char* name, T Class::*field, const std::string& help, std::type_identity_t<T> least,
             std::type_identity_t<T> most = std::numeric_limits<T>::max()) {
    add(name, field, "N", help, [=](const std::string& option, const std::string& value) {
      return number_from<T>(option, value, least, most);
    });
  }
  template <class Class>
  void real(const char* name, double Class::*field, const std::string& help, bool zero_too = false) {
    add(name, field, "X", help,
        [=](const std::string& option, const std::string& value) { return number_from(option, value, zero_too); });
  }

  /// An option without a value.
  template <class Class>
  void flag(const char* name, bool Class::*field, const std::string& help) {
    app_.add_flag_callback(
            name,
            [this, field, option = std::string(name)] {
              names_.push_back(option);
              given_.push_back([field](options& o) { o.*field = true; });
            },
            help)
        ->group(group_);
  }

  /// Returns false where the help was asked for, and is printed.
  bool parse(int argc, char** argv) {
    try {
      app_.parse(argc, argv);
      return true;
    } catch (const CLI::CallForHelp&) {
      std::fputs(app_.help().c_str(), stdout);
      return false;
    } catch (const CLI::ParseError& error) {
      refuse(std::string(error.what()) + " (--help lists the options)");
    }
  }

  const std::vector<std::string>& names() const { return names_; }  ///< of the options that were given

  void apply(options& o) const {
    for (const auto& set : given_) set(o);
  }

 private:
  CLI::App app_;
  std::string group_;
  std::vector<std::function<void(options&)>> given_;
  std::vector<std::string> names_;
};

}  // namespace finetune
