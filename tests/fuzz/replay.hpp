// Runs a fuzzer's target over its corpus, as a test.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "../io_support.hpp"

namespace fuzz {

/// No file of a corpus is large, so none may take long, or make much of a small number in it.
inline constexpr double most_seconds = 10;
inline constexpr long most_megabytes = 512;

inline long peak_megabytes() {
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  return use.ru_maxrss / 1024;
}

/// A corpus holds files that are read and files that are refused.
inline void replay(const std::string& name, void (*target)(std::string_view)) {
  std::vector<std::string> paths;
  const std::filesystem::path tests = std::filesystem::path(ZOFT_FIXTURES).parent_path();
  for (const auto& entry : std::filesystem::directory_iterator(tests / "fuzz" / "corpus" / name))
    paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  std::size_t read = 0, refused = 0;
  for (const std::string& path : paths) {
    INFO(path);
    const std::string bytes = io_test::read_file(path);
    const long before = peak_megabytes();
    const auto start = std::chrono::steady_clock::now();
    // What is read beyond its end must be found, so it is as long as the allocation that it is in.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    try {
      ++(accepts([&] { target({exact.data(), exact.size()}); }) ? read : refused);
    } catch (const std::exception& error) {
      FAIL_CHECK(error.what());
    }
    CHECK(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < most_seconds);
    CHECK(peak_megabytes() - before < most_megabytes);
  }
  CHECK(read > 0);
  CHECK(refused > 0);
}

}  // namespace fuzz
