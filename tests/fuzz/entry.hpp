// What the fuzzers share. A target is a function of bytes: ZOFT_FUZZ(name) begins it, a file each. libFuzzer calls it
// with what it makes up (cmake/fuzz.sh), and the tests call it with the files of corpus/NAME.
//
// Whatever the bytes, a target returns, or throws std::invalid_argument with one clear line. All else is a finding.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>

namespace fuzz {

/// What a target itself finds wrong.
[[noreturn]] inline void finding(const std::string& what) { throw std::runtime_error("finding: " + what); }

inline void check(bool holds, const char* what) {
  if (!holds) finding(what);
}

/// Calls f. Returns whether it was not refused.
template <class F>
bool accepts(F&& f) {
  try {
    f();
    return true;
  } catch (const std::invalid_argument& error) {
    const std::string_view message = error.what();
    bool clear = !message.empty() && message.size() <= 2000;
    for (const char c : message) clear = clear && static_cast<unsigned char>(c) >= 0x20;
    if (!clear) finding("not one clear line: " + std::string(message));
    return false;
  }
}

/// A file for readers that take a path. It is rewritten in place each time, which costs little where it is in memory:
/// cmake/fuzz.sh sets TMPDIR to such a folder.
class file {
 public:
  static const std::string& of(std::string_view bytes) {
    static file mine;
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::pwrite(mine.number_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
      if (n <= 0) throw std::runtime_error("the test cannot write " + mine.path_);
      done += static_cast<std::size_t>(n);
    }
    if (::ftruncate(mine.number_, static_cast<off_t>(bytes.size())) != 0)
      throw std::runtime_error("the test cannot cut " + mine.path_);
    return mine.path_;
  }

 private:
  file()
      : path_((std::filesystem::temp_directory_path() / ("zoft-fuzz-" + std::to_string(::getpid()))).string()),
        number_(::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {
    if (number_ < 0) throw std::runtime_error("the test cannot make " + path_);
  }
  ~file() {
    ::close(number_);
    ::unlink(path_.c_str());
  }
  std::string path_;
  int number_;
};

}  // namespace fuzz

#if defined(ZOFT_FUZZER)

#define ZOFT_FUZZ(name)                                                               \
  static void fuzz_##name(std::string_view bytes);                                    \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    fuzz::accepts([&] { fuzz_##name({reinterpret_cast<const char*>(data), size}); }); \
    return 0;                                                                         \
  }                                                                                   \
  static void fuzz_##name(std::string_view bytes)

#else

#include "replay.hpp"

#define ZOFT_FUZZ(name)                                                            \
  static void fuzz_##name(std::string_view bytes);                                 \
  TEST_CASE("fuzz corpus: " #name, "[fuzz]") { fuzz::replay(#name, fuzz_##name); } \
  static void fuzz_##name(std::string_view bytes)

#endif
