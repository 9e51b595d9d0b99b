/// A file that is written whole or not at all: it grows under a temporary name and is renamed at the end.
#pragma once

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "../../core/config.hpp"

#if __has_include(<unistd.h>)
#include <unistd.h>
#endif

namespace zoft::inline ZOFT_ISA::io {

/// Writes to path + ".tmp". commit() then replaces the file at path. Without commit(), the temporary file is removed
/// and path stays as it was. Throws, naming path and the system's reason, if anything cannot be written.
class output_file {
 public:
  explicit output_file(std::string path) : path_(std::move(path)), temporary_(path_ + ".tmp") {
    require(!path_.empty(), "the path of a file to write is empty");
    std::error_code ignored;
    if (std::filesystem::is_directory(path_, ignored)) fail(path_ + ": is a directory, and must be a file to write");
    file_ = std::fopen(temporary_.c_str(), "wb");
    if (file_ == nullptr) refuse(last_error());
    pending_ = true;
  }
  output_file(const output_file&) = delete;
  output_file& operator=(const output_file&) = delete;
  ~output_file() { discard(); }

  void write(std::string_view bytes) {
    if (bytes.empty()) return;
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) refuse(last_error());
  }

  /// Call it once, after everything is written.
  void commit() {
    finish();
    std::error_code error;
    std::filesystem::rename(temporary_, path_, error);
    if (error) refuse(error);
    pending_ = false;
  }

  /// Puts all bytes on the disk, still under the temporary name. commit() calls it if needed. If several files belong
  /// together, finish all of them before the first is committed.
  void finish() {
    if (file_ == nullptr) return;
    if (std::fflush(file_) != 0) refuse(last_error());
#if __has_include(<unistd.h>)
    // A rename may reach the disk before the bytes do. Some file systems have no fsync and answer EINVAL.
    if (::fsync(::fileno(file_)) != 0 && errno != EINVAL) refuse(last_error());
#endif
    if (std::fclose(std::exchange(file_, nullptr)) != 0) refuse(last_error());
  }

 private:
  static std::error_code last_error() { return {errno, std::generic_category()}; }

  [[noreturn]] void refuse(std::error_code error) {
    discard();
    fail(path_ + ": cannot be written: " + error.message());
  }

  void discard() {
    if (file_ != nullptr) std::fclose(std::exchange(file_, nullptr));
    if (std::exchange(pending_, false)) std::remove(temporary_.c_str());
  }

  std::string path_, temporary_;
  std::FILE* file_ = nullptr;
  bool pending_ = false;  // whether the temporary file exists
};

/// Makes the folder, and those above it, if they do not exist.
inline void make_folder(const std::string& folder) {
  require(!folder.empty(), "the path of a folder is empty");
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(folder + ": cannot be made: " + error.message());
  if (!std::filesystem::is_directory(folder, error)) fail(folder + ": is there, and must be a folder");
}

}  // namespace zoft::inline ZOFT_ISA::io
