// Spoiled files for tests: whatever the bytes, a reader reads them or throws std::invalid_argument of one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <string>

#include "io_support.hpp"

namespace io_test {

/// A spoiled copy: 1 to 4 bytes changed, cut out or put in, or a whole number of 4 or 8 bytes set to an unlikely value.
inline std::string spoiled(const std::string& good, std::mt19937& generator) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(generator() % n); };
  const std::string likely = "0123456789-+.eE\"{}[],:\\ \n\xff\x7f\x80()|*?^$" + std::string(2, '\0');
  std::string bad = good;
  for (std::size_t changes = 1 + below(4); changes > 0 && !bad.empty(); --changes) {
    const std::size_t at = below(bad.size());
    switch (below(6)) {
      case 0:
        bad[at] = static_cast<char>(below(256));
        break;
      case 1:
        bad[at] = likely[below(likely.size())];
        break;
      case 2:
        bad.erase(at, 1 + below(8));
        break;
      case 3:
        bad.insert(at, bad.substr(below(bad.size()), 1 + below(16)));
        break;
      default: {
        const std::uint64_t values[] = {0,
                                        1,
                                        32,
                                        good.size(),
                                        0xffff,
                                        0x7fffffff,
                                        0xffffffff,
                                        std::uint64_t{1} << 32,
                                        std::uint64_t{1} << 60,
                                        std::uint64_t{1} << 63,
                                        ~std::uint64_t{0},
                                        ~std::uint64_t{31}};
        const std::string word = bytes_of(values[below(std::size(values))]).substr(0, below(2) == 0 ? 4 : 8);
        bad.replace(at, word.size(), word);
      }
    }
  }
  return bad;
}

struct spoiled_counts {
  std::size_t read = 0, refused = 0;
};

/// Runs use() on every truncation of the file at `path`, three changes of every byte, and `mixed` other spoiled copies.
/// Any exception but std::invalid_argument fails the test.
inline spoiled_counts fuzz_file(const std::string& path, std::size_t mixed, const std::function<void()>& use,
                                std::uint32_t seed = 42) {
  const std::string good = read_file(path);
  spoiled_counts result;
  const auto visit = [&](const std::string& bad) {
    write_file(path, bad);
    const std::string message = message_of(use);
    ++(message.empty() ? result.read : result.refused);
    bool clear = message.empty() || (message.starts_with("zoft: ") && message.size() <= 2000);
    for (const char c : message) clear = clear && static_cast<unsigned char>(c) >= 0x20;
    if (!clear) FAIL_CHECK("not one clear line: " << message);
  };
  use();
  for (std::size_t length = 0; length < good.size(); ++length) visit(good.substr(0, length));
  for (std::size_t at = 0; at < good.size(); ++at)
    for (const char flip : {'\xff', '\x01', '\x80'}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      visit(bad);
    }
  std::mt19937 generator(seed);
  for (std::size_t round = 0; round < mixed; ++round) visit(spoiled(good, generator));
  write_file(path, good);
  return result;
}

}  // namespace io_test
