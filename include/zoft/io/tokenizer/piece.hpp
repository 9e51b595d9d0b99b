/// What a text is divided into before a model sees it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "../../core/config.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// A part of the text. Its characters live until the sink that it is given to returns.
struct piece {
  std::string_view text;
  bool first = false;  ///< whether it begins where the whole input begins
};

class piece_sink {
 public:
  virtual void operator()(const piece& part) = 0;

 protected:
  ~piece_sink() = default;
};

/// Divides a piece, and gives the parts to the next stage from left to right. The parts may be rewritten.
class splitter {
 public:
  virtual ~splitter() = default;
  virtual void operator()(const piece& whole, piece_sink& next) const = 0;
};

/// Splitters one after the other. Without any, the piece goes to the sink as it is. Empty pieces go nowhere.
class pre_tokenizer {
 public:
  static constexpr std::size_t most = 32;  // bounds the recursion

  void add(std::shared_ptr<const splitter> stage) { stages_.push_back(std::move(stage)); }
  std::size_t size() const { return stages_.size(); }

  void operator()(const piece& whole, piece_sink& sink) const { chain(stages_, sink)(whole); }

 private:
  using stages = std::span<const std::shared_ptr<const splitter>>;
  struct chain final : piece_sink {
    chain(stages some, piece_sink& last) : rest(some), end(last) {}
    void operator()(const piece& part) override {
      if (part.text.empty()) return;
      if (rest.empty()) return end(part);
      chain next(rest.subspan(1), end);
      (*rest.front())(part, next);
    }
    stages rest;
    piece_sink& end;
  };

  std::vector<std::shared_ptr<const splitter>> stages_;
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
