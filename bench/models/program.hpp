// What the programs of this folder share: models by the name of their type, files, and lines of JSON.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>
#include <zoft/io/file/json.hpp>
#include <zoft/nn/transformer.hpp>

namespace models {

using zoft::io::json;

inline zoft::nn::dtype type_named(const std::string& name) {
  using zoft::nn::dtype;
  for (const auto& [known, type] :
       {std::pair{"f32", dtype::f32}, std::pair{"f16", dtype::f16}, std::pair{"bf16", dtype::bf16},
        std::pair{"i8", dtype::i8}, std::pair{"i4", dtype::i4}, std::pair{"nf4", dtype::nf4}})
    if (name == known) return type;
  throw std::runtime_error("the type is '" + name + "', and must be f32, f16, bf16, i8, i4 or nf4");
}

/// A whole number from the command line, at least 1.
inline std::size_t number(const std::string& text) {
  std::size_t end = 0;
  unsigned long value = 0;
  if (!text.empty() && text[0] != '-') try {
      value = std::stoul(text, &end);
    } catch (const std::exception&) {
      end = 0;
    }
  if (end != text.size() || value == 0) throw std::runtime_error("'" + text + "' is no whole number above 0");
  return value;
}

inline std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The numbers as they are in memory.
template <class T>
void write(const std::string& path, std::span<const T> values) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  if (!file) throw std::runtime_error("cannot write " + path);
}

inline std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> result;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) result.push_back(part);
  return result;
}

/// Text that is not UTF-8 has U+FFFD in place of its bytes.
inline void print(const json& line) {
  std::cout << line.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
}

/// What follows NAME= among the arguments, or `otherwise`.
inline std::string named(std::span<const std::string> arguments, const std::string& name,
                         const std::string& otherwise) {
  for (const std::string& each : arguments)
    if (each.starts_with(name + "=")) return each.substr(name.size() + 1);
  return otherwise;
}

/// Seconds of the processor, which what else runs on the machine does not change much.
template <class F>
double processor_seconds_of(F f) {
  const std::clock_t start = std::clock();
  f();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

template <class F>
double seconds_of(F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Runs the program, and prints an error as one line.
template <class F>
int run(F f) {
  try {
    return f();
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}

}  // namespace models
