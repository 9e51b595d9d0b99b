/// A tokenizer's stages, as the readers of the file formats put them together:
///
///   text → added tokens → normalizer → added tokens → pre-tokenizer → model → post-processor → ids → decoder → text
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "../../core/config.hpp"
#include "added_tokens.hpp"
#include "decoder.hpp"
#include "normalizer.hpp"
#include "piece.hpp"
#include "vocabulary.hpp"
#include "word_cache.hpp"

namespace zoft::inline ZOFT_ISA::io::text_stage {

/// Turns pieces into ids.
class text_model {
 public:
  virtual ~text_model() = default;
  /// Calls use(sink), where the sink appends the ids of the pieces that it gets. Threads may call this at once.
  virtual void with_sink(std::vector<std::int32_t>& ids, const std::function<void(piece_sink&)>& use) const = 0;
};

/// A text_model of an M, which has encode(piece, ids, memory).
template <class M>
class model_of final : public text_model {
 public:
  explicit model_of(M model) : model_(std::move(model)) {}
  void with_sink(std::vector<std::int32_t>& ids, const std::function<void(piece_sink&)>& use) const override {
    const typename pool<typename M::memory>::loan memory(memories_);
    sink into(model_, ids, *memory);
    use(into);
  }

 private:
  struct sink final : piece_sink {
    sink(const M& m, std::vector<std::int32_t>& out, typename M::memory& own) : model(m), ids(out), memory(own) {}
    void operator()(const piece& part) override { model.encode(part.text, ids, memory); }
    const M& model;
    std::vector<std::int32_t>& ids;
    typename M::memory& memory;
  };
  M model_;
  mutable pool<typename M::memory> memories_;
};

/// Ids of tokens that have a meaning of their own, as far as the files name them.
struct special_ids {
  std::optional<std::int32_t> bos, eos, unknown, pad, mask, cls, sep;
};

struct pipeline {
  vocabulary words;  ///< the model's tokens and the added ones
  added_tokens raw, normalized;
  normalizer normalize;
  pre_tokenizer divide;
  std::shared_ptr<const text_model> model;
  std::vector<std::int32_t> before, after;  ///< what the post-processor puts around the ids
  decoder decode;
  std::unordered_set<std::string> special_texts;  ///< tokens that decode() leaves out
  special_ids special;
  std::optional<std::string> chat_template;

  /// Adds a token that is found in texts. The normalizer must be complete.
  void add(const added_token& token, const std::string& where) {
    words.add(static_cast<std::size_t>(token.id), token.text, where);
    if (token.special) special_texts.insert(token.text);
    std::string pattern = token.text;
    if (token.normalized) normalize(pattern);
    (token.normalized ? normalized : raw).add(token, pattern);
  }

  std::optional<std::int32_t> find(std::string_view text) const {
    const std::int32_t id = words.find(text);
    return id == vocabulary::none ? std::nullopt : std::optional(id);
  }
};

}  // namespace zoft::inline ZOFT_ISA::io::text_stage
