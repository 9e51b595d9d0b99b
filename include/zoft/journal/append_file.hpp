/// A file that grows at its end, and that one program at a time may write.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "../core/config.hpp"

namespace zoft::inline ZOFT_ISA::journals {

/// Opens the file, or makes it, and locks it until it is destroyed. Errors throw, naming the path and the system's
/// reason.
class append_file {
 public:
  enum class mode { read, write };

  append_file(std::string path, mode m) : path_(std::move(path)) {
    require(!path_.empty(), "the path of a journal is empty");
    file_ = ::open(path_.c_str(), (m == mode::write ? O_RDWR | O_CREAT : O_RDONLY) | O_CLOEXEC, 0644);
    if (file_ < 0) refuse("cannot be opened");
    struct stat status {};
    if (::fstat(file_, &status) != 0 || !S_ISREG(status.st_mode)) {
      close();
      fail(path_ + ": is no file, and must be one to be a journal");
    }
    if (m == mode::write && ::flock(file_, LOCK_EX | LOCK_NB) != 0) {
      close();
      fail(path_ + ": another program is writing this journal");
    }
  }
  append_file(const append_file&) = delete;
  append_file& operator=(const append_file&) = delete;
  ~append_file() { close(); }

  const std::string& path() const { return path_; }

  std::string read() const {
    std::string result;
    char buffer[1 << 16];
    for (;;) {
      const ssize_t n = ::pread(file_, buffer, sizeof buffer, static_cast<off_t>(result.size()));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) refuse("cannot be read");
      if (n == 0) return result;
      result.append(buffer, static_cast<std::size_t>(n));
    }
  }

  /// Writes the bytes from `at` on. If that fails, what was written in part is cut off again.
  void write(std::size_t at, std::string_view bytes) {
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t n = ::pwrite(file_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(at + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) {
        const int reason = n == 0 ? ENOSPC : errno;
        [[maybe_unused]] const int cut = ::ftruncate(file_, static_cast<off_t>(at));
        errno = reason;
        refuse("cannot be written");
      }
      done += static_cast<std::size_t>(n);
    }
  }

  void cut(std::size_t size) {
    if (::ftruncate(file_, static_cast<off_t>(size)) != 0) refuse("cannot be cut");
  }

  /// Puts the file on the disk. Some file systems cannot, and answer EINVAL.
  void sync() {
    if (::fsync(file_) != 0 && errno != EINVAL) refuse("cannot be written");
  }

  /// Puts the file's name on the disk.
  void sync_name() {
    std::string folder = std::filesystem::path(path_).parent_path().string();
    if (folder.empty()) folder = ".";
    const int f = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC);
    if (f < 0) return;  // a folder that may not be read
    ::fsync(f);
    ::close(f);
  }

 private:
  [[noreturn]] void refuse(const char* what) const {
    fail(path_ + ": " + what + ": " + std::error_code(errno, std::generic_category()).message());
  }
  void close() {
    if (file_ >= 0) ::close(std::exchange(file_, -1));
  }

  std::string path_;
  int file_ = -1;
};

}  // namespace zoft::inline ZOFT_ISA::journals
