/// Maps a file into memory for reading: pages are fetched when they are touched, and shared between programs.
#pragma once

#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include "../../core/config.hpp"

// Fuzzers define it as 0: a file that is read is as long as its allocation, so that sanitizers see its end.
#if !defined(ZOFT_HAS_MMAP)
#if __has_include(<sys/mman.h>)
#define ZOFT_HAS_MMAP 1
#else
#define ZOFT_HAS_MMAP 0
#endif
#endif

#if ZOFT_HAS_MMAP
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#else
#include <filesystem>
#include <fstream>
#include <vector>
#endif

namespace zoft::inline ZOFT_ISA::io {

static_assert(std::endian::native == std::endian::little,
              "the files that zoft reads are little-endian, and read as they lie");

/// The T that begins at bytes[at], which need not be aligned. Needs `at` + sizeof(T) ≤ bytes.size().
template <class T>
T load(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

/// Throws if the path is not that of a regular, readable file of at least one byte. If another program shortens the
/// file while it is mapped, the program ends with SIGBUS, as with any mapping: replace files by renaming. Without mmap,
/// the file is read instead.
class memory_map {
 public:
  explicit memory_map(const std::string& path);
  memory_map(memory_map&& other) noexcept { swap(other); }
  memory_map& operator=(memory_map&& other) noexcept {
    memory_map taken(std::move(other));
    swap(taken);
    return *this;
  }
  ~memory_map();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  void swap(memory_map& other) noexcept {
    std::swap(bytes_, other.bytes_);
#if !ZOFT_HAS_MMAP
    std::swap(content_, other.content_);
#endif
  }

  std::span<const std::byte> bytes_;
#if !ZOFT_HAS_MMAP
  std::vector<std::byte> content_;
#endif
};

#if ZOFT_HAS_MMAP

inline memory_map::memory_map(const std::string& path) {
  require(!path.empty(), "the path of a file is empty");
  struct descriptor {
    int number;
    ~descriptor() {
      if (number >= 0) ::close(number);
    }
  };
  const auto refuse = [&](const char* what) {
    const int error = errno;
    fail(path + ": " + what + ": " + std::generic_category().message(error));
  };
  // O_NONBLOCK: opening a pipe that nobody writes to must not wait.
  const descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.number < 0) refuse("cannot be opened");
  struct stat status;
  if (::fstat(file.number, &status) != 0) refuse("cannot be examined");
  if (S_ISDIR(status.st_mode)) fail(path + ": is a directory, and must be a file");
  if (!S_ISREG(status.st_mode)) fail(path + ": is a pipe or a device, and must be a regular file");
  if (status.st_size <= 0) fail(path + ": is empty");
  if (static_cast<std::uintmax_t>(status.st_size) > PTRDIFF_MAX)
    fail(path + ": is " + text(static_cast<std::uintmax_t>(status.st_size)) + " bytes, more than can be addressed");
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const begin = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number, 0);
  if (begin == MAP_FAILED) refuse("cannot be mapped");
  bytes_ = {static_cast<const std::byte*>(begin), size};
}

inline memory_map::~memory_map() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

#else

inline memory_map::memory_map(const std::string& path) {
  require(!path.empty(), "the path of a file is empty");
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (error) fail(path + ": cannot be opened: " + error.message());
  if (std::filesystem::is_directory(status)) fail(path + ": is a directory, and must be a file");
  if (!std::filesystem::is_regular_file(status)) fail(path + ": is a pipe or a device, and must be a regular file");
  const auto size = std::filesystem::file_size(path, error);
  if (error) fail(path + ": cannot be examined: " + error.message());
  if (size == 0) fail(path + ": is empty");
  std::ifstream file(path, std::ios::binary);
  content_.resize(static_cast<std::size_t>(size));
  file.read(reinterpret_cast<char*>(content_.data()), static_cast<std::streamsize>(content_.size()));
  if (!file) fail(path + ": cannot be read");
  bytes_ = content_;
}

inline memory_map::~memory_map() = default;

#endif

}  // namespace zoft::inline ZOFT_ISA::io
