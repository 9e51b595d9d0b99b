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

/// In which order blocks have their turn.
enum class block_order {
  rotating,  ///< as they come in the layout, and from the start again
  random,    ///< each time some of all, without regard to the time before
};

// Which tensors make a block: those for which such a function gives the same name.

/// A tensor's layer: its name up to and with the first part that is a number, so "model.layers.3" for
/// "model.layers.3.mlp.up_proj". Where no part is, as in "lm_head", the tensor is a block by itself.
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

/// Which blocks move in a step: `active` of them, for `interval` steps, and then others. A function of (seed, step).
struct turns {
  std::size_t active;
  std::uint32_t interval;
  block_order order;
  std::string (*block)(const tensor&);

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
  /// The blocks' numbers, in the order in which they come in the layout.
  std::map<std::string, std::size_t> names(const layout& shape) const {
    std::map<std::string, std::size_t> result;
    for (const tensor& t : shape) result.try_emplace(block(t), result.size());
    return result;
  }

  /// Random ones are drawn without putting back, by words of the seed's own stream.
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

/// Of a buffer that the user owns, a step perturbs and updates only some blocks of tensors, others at other steps: what
/// a step costs besides its forwards is that part of what it costs with full, and the slopes have less variance. Park
/// et al. 2025, arXiv:2501.19099 (MeZO-BCD); Wang et al. 2024, arXiv:2410.09823 (LeZO, with random blocks).
///
/// A tensor that rests keeps every bit, and so does what an optimizer keeps of it; no noise is made of it. The noise of
/// one that moves is the same as with full. The functor is shown the whole buffer.
struct blocks {
  zoft::layout layout = {};                              ///< what the buffer consists of
  std::size_t active = 1;                                ///< blocks that move in a step, at least 1
  std::uint32_t interval = 1;                            ///< steps that they stay the same, at least 1
  block_order order = block_order::rotating;             ///< which are next
  std::string (*block)(const tensor&) = layer;           ///< names a tensor's block
  zoft::restore restore = zoft::restore::exact;          ///< how the buffer comes back from the points
  zoft::rounding rounding = zoft::rounding::stochastic;  ///< how updates of 16-bit numbers are rounded

  void check() const { turns{active, interval, order, block}.check(layout); }
  std::vector<bool> trains(const zoft::layout& shape, direction d) const {
    return turns{active, interval, order, block}.trains(shape, d);
  }
};

/// The same of the parameters that another adapter owns: of lora's, a layer's block is its A and B.
template <class Adapter>
struct blocks_of {
  Adapter adapter = {};                         ///< lora, lora_fa
  std::size_t active = 1;                       ///< blocks that move in a step, at least 1
  std::uint32_t interval = 1;                   ///< steps that they stay the same, at least 1
  block_order order = block_order::rotating;    ///< which are next
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
