/// A run at one of its steps, beside its journal, so that the steps before it need not be made again.
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
#include "../core/state.hpp"
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

/// A file with a line of text, `zoft snapshot 2 STEP BYTES STATE`; then BYTES bytes, the parameters as they are stored,
/// little-endian; STATE bytes, what the engine's policies keep; and 8 bytes, the fingerprint of these. Of a model that
/// keeps its weights, the parameters are widened as it shows them.
///
/// The parameters need no checksum: a snapshot is used only if the journal has a fingerprint of the parameters at its
/// step, and that is theirs. So one that is torn, or of another run, is no snapshot, and the steps are made again from
/// the first.
class snapshot {
 public:
  static std::string path_beside(const std::string& journal) { return journal + ".snapshot"; }

  template <class X, class Engine>
  static void write(const std::string& journal, std::size_t step, X& x, Engine& engine) {
    const std::uint64_t size = size_of_all(x);
    std::uint64_t of_state = 0;
    engine.each_state(state::writer([&](std::span<const std::byte> part) { of_state += part.size(); }));
    io::output_file file(path_beside(journal));
    const auto put = [&](std::span<const std::byte> bytes) {
      file.write({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    };
    file.write(std::string(begins) + text(step) + " " + text(size) + " " + text(of_state) + "\n");
    each_piece(x, [&](auto piece) { put(std::as_bytes(piece)); });
    fingerprint all;
    engine.each_state(state::writer([&](std::span<const std::byte> part) { all.add(part), put(part); }));
    const std::uint64_t value = all.value();
    put(std::as_bytes(std::span(&value, 1)));
    file.commit();
  }

  /// That beside the journal. If there is none, or it is not whole, its step is 0.
  explicit snapshot(const std::string& journal) : file_(path_beside(journal), std::ios::binary) {
    std::string first;
    if (!std::getline(file_, first) || !first.starts_with(begins)) return;
    std::uint64_t numbers[3] = {};  // the step, and both sizes
    const char *at = first.data() + begins.size() - 1, *const end = first.data() + first.size();
    for (std::uint64_t& number : numbers) {
      if (at == end) return;
      const auto read = std::from_chars(at + 1, end, number);
      if (*at != ' ' || read.ec != std::errc()) return;
      at = read.ptr;
    }
    values_ = first.size() + 1;
    size_ = numbers[1];
    of_state_ = numbers[2];
    std::error_code error;
    const std::uint64_t there = std::filesystem::file_size(path_beside(journal), error);
    if (at == end && !error && size_ <= there && of_state_ <= there - size_ &&
        values_ + size_ + of_state_ + sizeof(std::uint64_t) == there)
      step_ = numbers[0];
  }

  std::size_t step() const { return step_; }

  /// x and what the engine keeps become the snapshot's, if the fingerprint is that of its parameters, and it has what
  /// the engine wants. Otherwise nothing changes. The engine is one that was started.
  template <class X, class Engine>
  bool take(std::uint64_t wanted, X& x, Engine& engine) {
    std::uint64_t of_state = 0;
    if (size_of_all(x) != size_ || fingerprint_of(values_, size_) != wanted) return false;
    const std::uint64_t found = fingerprint_of(values_ + size_, of_state_);
    if (!read(std::as_writable_bytes(std::span(&of_state, 1))) || found != of_state) return false;
    if (!each_part(engine, true)) return false;
    go_to(values_);
    each_piece(x, [&](auto piece) { read(std::as_writable_bytes(piece)); });
    return each_part(engine, false);
  }

 private:
  static constexpr std::string_view begins = "zoft snapshot 2 ";

  template <class X>
  static std::uint64_t size_of_all(X& x) {
    std::uint64_t size = 0;
    each_piece(x, [&](auto piece) { size += piece.size_bytes(); });
    return size;
  }

  template <class Engine>
  bool each_part(Engine& engine, bool try_only) {
    go_to(values_ + size_);
    const auto from = [this](std::byte* to, std::uint64_t n) {
      if (to == nullptr)
        file_.seekg(static_cast<std::streamoff>(n), std::ios::cur);
      else
        read({to, static_cast<std::size_t>(n)});
    };
    state::reader all(from, of_state_, try_only);
    engine.each_state([&](auto& part) { all(part); });
    return all.fits();
  }

  void go_to(std::uint64_t place) {
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(place));
  }
  bool read(std::span<std::byte> to) {
    return bool(file_.read(reinterpret_cast<char*>(to.data()), static_cast<std::streamsize>(to.size())));
  }

  /// Leaves the file behind these bytes.
  std::uint64_t fingerprint_of(std::uint64_t first, std::uint64_t size) {
    go_to(first);
    fingerprint all;
    std::vector<std::byte> buffer(1 << 16);
    for (std::uint64_t done = 0; done < size; done += buffer.size()) {
      buffer.resize(static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size - done)));
      read(buffer);
      all.add(buffer);
    }
    return all.value();
  }

  std::ifstream file_;
  std::size_t step_ = 0;
  std::uint64_t values_ = 0, size_ = 0, of_state_ = 0;  // where the parameters begin; bytes of these, and of the state
};

}  // namespace zoft::inline ZOFT_ISA::journals
