/// The parameters at one step of a run, beside its journal, so that the steps before it need not be made again.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "../concepts.hpp"
#include "../core/fingerprint.hpp"
#include "../io/file/output_file.hpp"

namespace zoft::inline ZOFT_ISA::journals {

/// Calls f(span) for all that is trained, a piece at a time and in order. What f makes of it is kept.
template <class T, std::size_t N, class F>
void each_piece(std::span<T, N> x, F f) {
  f(std::span<T>(x));
}
template <weighted_model Model, class F>
void each_piece(Model& model, F f) {
  using T = typename Model::weight_type;
  // There is no other way to all weights that takes no buffer. An f that changes nothing changes no weight.
  model.update_weights(
      std::vector<bool>(model.weights_layout().tensors().size(), true), [&](std::uint64_t, std::span<T> w) { f(w); },
      false);
}

/// A file with a line of text, `zoft snapshot 1 STEP BYTES`, and the parameters as they are stored, little-endian. Of a
/// model that keeps its weights, these are widened as it shows them.
///
/// It needs no checksum: it is used only if the journal has a fingerprint of the parameters at its step, and that is
/// theirs. So one that is torn, or of another run, is no snapshot, and the steps are made again from the first.
class snapshot {
 public:
  static std::string path_beside(const std::string& journal) { return journal + ".snapshot"; }

  template <class X>
  static void write(const std::string& journal, std::size_t step, X& x) {
    std::size_t size = 0;
    each_piece(x, [&](auto piece) { size += piece.size_bytes(); });
    io::output_file file(path_beside(journal));
    file.write(std::string(begins) + text(step) + " " + text(size) + "\n");
    each_piece(x, [&](auto piece) { file.write({reinterpret_cast<const char*>(piece.data()), piece.size_bytes()}); });
    file.commit();
  }

  /// That beside the journal. If there is none, or it is not whole, its step is 0.
  explicit snapshot(const std::string& journal) : file_(path_beside(journal), std::ios::binary) {
    std::string first;
    if (!std::getline(file_, first) || !first.starts_with(begins)) return;
    std::size_t step = 0;
    const char* const end = first.data() + first.size();
    const auto number = std::from_chars(first.data() + begins.size(), end, step);
    if (number.ptr == end || std::from_chars(number.ptr + 1, end, size_).ptr != end) return;
    std::error_code error;
    values_ = first.size() + 1;
    if (std::filesystem::file_size(path_beside(journal), error) == values_ + size_) step_ = step;
  }

  std::size_t step() const { return step_; }

  /// x becomes its parameters, if these have the fingerprint.
  template <class X>
  bool take(std::uint64_t wanted, X& x) {
    std::size_t size = 0;
    each_piece(x, [&](auto piece) { size += piece.size_bytes(); });
    if (size != size_ || fingerprint_of_values() != wanted) return false;
    begin();
    each_piece(x, [&](auto piece) { read(reinterpret_cast<char*>(piece.data()), piece.size_bytes()); });
    return true;
  }

 private:
  static constexpr std::string_view begins = "zoft snapshot 1 ";

  void begin() {
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(values_));
  }
  void read(char* to, std::size_t n) { file_.read(to, static_cast<std::streamsize>(n)); }

  std::uint64_t fingerprint_of_values() {
    begin();
    fingerprint all;
    std::vector<char> buffer(1 << 16);
    for (std::size_t done = 0; done < size_; done += buffer.size()) {
      buffer.resize(std::min(buffer.size(), size_ - done));
      read(buffer.data(), buffer.size());
      all.add(std::span<const char>(buffer));
    }
    return all.value();
  }

  std::ifstream file_;
  std::size_t step_ = 0, size_ = 0, values_ = 0;
};

}  // namespace zoft::inline ZOFT_ISA::journals
