/// Prefix tuning: trained keys and values before those of the sequence, in every attention.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../core/adapter_stack.hpp"
#include "../core/candidates.hpp"
#include "../core/layout.hpp"
#include "../random/stream.hpp"

namespace zoft::inline ZOFT_ISA {

/// A model that states the size of its vocabulary and of its context, and returns the keys and values that its
/// attentions, from first to last, make for given tokens.
template <class M>
concept has_attention_states = requires(const M& model, std::span<const std::int32_t> tokens) {
  { model.shape().vocabulary } -> std::convertible_to<std::size_t>;
  { model.shape().context } -> std::convertible_to<std::size_t>;
  { model.attention_states(tokens) } -> std::same_as<std::vector<attention_state>>;
};

/// A prefix that is attached to a model.
class prefix_adapter {
 public:
  /// `start` has the keys and values of `length` tokens in each attention.
  prefix_adapter(std::size_t length, const std::vector<attention_state>& start) : length_(length) {
    for (const attention_state& of : start) {
      const std::size_t width = of.keys.size() / length;
      attentions_.push_back({of.name, trained_.size(), width});
      trained_.add(of.name + ".prefix_keys", length, width);
      trained_.add(of.name + ".prefix_values", length, width);
      parameters_.insert(parameters_.end(), of.keys.begin(), of.keys.end());
      parameters_.insert(parameters_.end(), of.values.begin(), of.values.end());
    }
  }

  std::size_t length() const { return length_; }  ///< tokens of the prefix

  /// The trained buffer and its layout.
  std::span<float> parameters() { return parameters_; }
  /// The same, to read.
  std::span<const float> parameters() const { return parameters_; }
  /// The layout of parameters().
  const zoft::layout& layout() const { return trained_; }

  /// The current prefix, as one group.
  adapter_stack stack() const { return show(candidates<float>(parameters_.data(), 1, parameters_.size())); }

  /// Each candidate's prefix, as one group per candidate. Candidates that have no owner must stay alive.
  adapter_stack show(const candidates<float>& c) const {
    adapter_stack result(c.size());
    result.linears.keep(c.owner());
    for (const attention& a : attentions_) {
      const float* const keys = c.stack().data() + a.keys;
      result.prefixes[a.name] = {keys, keys + length_ * a.width, c.dimension(), length_, a.width};
    }
    return result;
  }

 private:
  struct attention {
    std::string name;
    std::size_t keys;  // where the keys start in the trained buffer; the values follow them
    std::size_t width;
  };

  std::size_t length_;
  std::vector<attention> attentions_;
  zoft::layout trained_;
  std::vector<float> parameters_;
};

/// softmax(q·[P_K; K]ᵀ/√d)·[P_V; V] in every attention, with P_K and P_V (length, width) trained and all else frozen.
/// Li and Liang 2021, arXiv:2101.00190. P_K and P_V start as the keys and values that the model makes for real tokens
/// (Malladi et al. 2023, arXiv:2305.17333, whose program draws the tokens). Keys are trained after their rotation to
/// positions 0 … length − 1, and sequences start at position `length`. So the adapted model starts as the model that
/// reads those tokens before every sequence. A prefix takes `length` tokens of the model's context. No file format
/// exists for it: save parameters() yourself.
struct prefix {
  using attached = prefix_adapter;

  std::size_t length = 5;                 ///< tokens, at least 1
  std::vector<std::int32_t> tokens = {};  ///< `length` tokens whose keys and values are the start; empty: drawn by seed

  template <has_attention_states Model>
  prefix_adapter attach(const Model& model, seed run) const {
    require(length > 0, "prefix: length is 0, and must be at least 1");
    if (!tokens.empty() && tokens.size() != length)
      fail("prefix: there are " + text(tokens.size()) + " tokens, and must be as many as length, which is " +
           text(length) + ", or none");
    const std::size_t vocabulary = model.shape().vocabulary, context = model.shape().context;
    if (length >= context)
      fail("prefix: length is " + text(length) + ", and must be below the model's context, which is " + text(context));
    for (const std::int32_t token : tokens)
      if (token < 0 || static_cast<std::size_t>(token) >= vocabulary)
        fail("prefix: token " + text(token) + " is not in the vocabulary of " + text(vocabulary));
    return {length, model.attention_states(tokens.empty() ? drawn(vocabulary, run) : tokens)};
  }

 private:
  /// Uniform tokens, from the run's own random words.
  std::vector<std::int32_t> drawn(std::uint64_t vocabulary, seed run) const {
    std::vector<std::int32_t> result;
    for (std::size_t i = 0; i < length; ++i)
      result.push_back(static_cast<std::int32_t>(
          random::word({run.value, 0, 0}, random::stream::initialisation, i) * vocabulary >> 32));
    return result;
  }
};

}  // namespace zoft::inline ZOFT_ISA
