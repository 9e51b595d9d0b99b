#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "../core/layout.hpp"
#include "../engine/points/restore.hpp"
#include "../engine/update/rounding.hpp"
#include "../random/stream.hpp"

namespace zoft::inline ZOFT_ISA {

/// The order in which blocks take turns.
enum class block_order {
  rotating,  ///< in the layout's order, and then from the start again
  random,    ///< drawn from all blocks each time, whichever moved the time before
};

// Functions that name a tensor's block. Tensors with the same name make one block.

/// A tensor's layer: its name up to and including the first part that is a number, such as "model.layers.3" for
/// "model.layers.3.mlp.up_proj". If no part is a number, as in "lm_head", the tensor is a block by itself.
inline std::string layer(const tensor& t) {
  for (std::size_t begin = 0; begin < t.name.size();) {
    const std::size_t end = std::min(t.name.find('.', begin), t.name.size());
    const auto is_digit = [&](char c) { return c >= '0' && c <= '9'; };
    if (end > begin && std::all_of(t.name.begin() + static_cast<std::ptrdiff_t>(begin),
                                   t.name.begin() + static_cast<std::ptrdiff_t>(end), is_digit))
      return t.name.substr(0, end);
    begin = end + 1;
  }
  return t.name;
}

/// Each tensor is a block.
inline std::string itself(const tensor& t) { return t.name; }

/// Which blocks move in a step: `active` of them for `interval` steps, then others. A function of (seed, step).
struct turns {
  std::size_t active;                   ///< blocks that move in a step
  std::uint32_t interval;               ///< steps until others move
  block_order order;                    ///< how they take turns
  std::string (*block)(const tensor&);  ///< names a tensor's block

  void check(const layout& shape) const {
    const std::size_t count = names(shape).size();
    require(interval >= 1, "blocks", "interval", interval, "at least 1");
    if (active < 1 || active > count)
      refuse("blocks", "active", text(active), "at least 1 and at most " + text(count) + ", the layout's blocks");
  }

  /// Which tensors of the layout move in the step that d names.
  std::vector<bool> trains(const layout& shape, direction d) const {
    const auto blocks = names(shape);
    const std::vector<bool> moves = chosen(blocks.size(), d);
    std::vector<bool> result;
    for (const tensor& t : shape) result.push_back(moves[blocks.at(block(t))]);
    return result;
  }

 private:
  /// The number of each block, by name. Blocks are numbered in the order of the layout.
  std::map<std::string, std::size_t> names(const layout& shape) const {
    std::map<std::string, std::size_t> result;
    for (const tensor& t : shape) result.try_emplace(block(t), result.size());
    return result;
  }

  /// Which of `count` blocks move. Random ones are drawn without replacement, by words of a stream of their own.
  std::vector<bool> chosen(std::size_t count, direction d) const {
    const std::uint32_t turn = d.step / interval;
    std::vector<std::size_t> blocks(count);
    std::iota(blocks.begin(), blocks.end(), std::size_t{0});
    std::vector<bool> result(count, false);
    for (std::size_t i = 0; i < active; ++i) {
      if (order == block_order::random) {
        const std::uint64_t word = random::word({d.seed, turn, 0}, random::stream::block, i);
        std::swap(blocks[i], blocks[i + static_cast<std::size_t>(word * (count - i) >> 32)]);
        result[blocks[i]] = true;
      } else {
        result[(turn * std::uint64_t{active} + i) % count] = true;
      }
    }
    return result;
  }
};

/// Trains a buffer that the user owns, in blocks of tensors: each step perturbs and updates only some blocks, which
/// change from turn to turn. Besides its forwards, a step costs only that share of a step with full, and the slopes
/// have less variance. Park et al. 2025, arXiv:2501.19099 (MeZO-BCD); Wang et al. 2024, arXiv:2410.09823 (LeZO, with
/// random blocks).
///
/// A resting tensor keeps every bit, and so does the optimizer's state for it. No noise is made for it. A moving tensor
/// gets the same noise as with full. The functor is shown the whole buffer.
struct blocks {
  zoft::layout layout = {};                              ///< the buffer's tensors
  std::size_t active = 1;                                ///< blocks that move in a step, at least 1
  std::uint32_t interval = 1;                            ///< steps for which they stay the same, at least 1
  block_order order = block_order::rotating;             ///< which blocks come next
  std::string (*block)(const tensor&) = layer;           ///< names a tensor's block
  zoft::restore restore = zoft::restore::exact;          ///< how the buffer comes back from the points
  zoft::rounding rounding = zoft::rounding::stochastic;  ///< how updates of 16-bit numbers are rounded

  void check() const { turns{active, interval, order, block}.check(layout); }
  std::vector<bool> trains(const zoft::layout& shape, direction d) const {
    return turns{active, interval, order, block}.trains(shape, d);
  }
};

/// The same for the parameters that another adapter owns. With lora, a layer's block has its A and B.
template <class Adapter>
struct blocks_of {
  Adapter adapter = {};                         ///< lora, lora_fa
  std::size_t active = 1;                       ///< blocks that move in a step, at least 1
  std::uint32_t interval = 1;                   ///< steps for which they stay the same, at least 1
  block_order order = block_order::rotating;    ///< which blocks come next
  std::string (*block)(const tensor&) = layer;  ///< names a tensor's block

  using attached = typename Adapter::attached;

  template <class Model>
  requires requires(const Adapter& a, const Model& model, seed run) { a.attach(model, run); }
  attached attach(const Model& model, seed run) const {
    attached result = adapter.attach(model, run);
    turns{active, interval, order, block}.check(result.layout());
    return result;
  }
  std::vector<bool> trains(const layout& shape, direction d) const {
    return turns{active, interval, order, block}.trains(shape, d);
  }
};

}  // namespace zoft::inline ZOFT_ISA
