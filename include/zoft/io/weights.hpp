/// The tensors of one model by their Hugging Face names, whatever file they are in.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../core/config.hpp"
#include "../core/model_config.hpp"
#include "memory_map.hpp"
#include "printable.hpp"
#include "tensor.hpp"

namespace zoft::inline ZOFT_ISA::io {

/// The largest extent that a model may claim. No model comes near it, and products of two extents fit into 64 bits.
inline constexpr std::size_t largest_extent = std::size_t{1} << 24;

/// Which linears of every block have a bias.
struct biases {
  bool query_key_value = false;
  bool attention_output = false;
  bool mlp = false;
};

/// Calls visit(name, shape) for each tensor of a model of that shape. A linear's weight is (out, in).
template <class F>
void for_each_tensor(const nn::config& c, const biases& bias, F visit) {
  using shape = std::vector<std::size_t>;
  const std::size_t queries = saturating_product(c.heads, c.head_dim),
                    keys = saturating_product(c.kv_heads, c.head_dim);
  const auto linear = [&](const std::string& name, std::size_t out, std::size_t in, bool with_bias) {
    visit(name + ".weight", shape{out, in});
    if (with_bias) visit(name + ".bias", shape{out});
  };
  visit(std::string("model.embed_tokens.weight"), shape{c.vocabulary, c.dim});
  for (std::size_t layer = 0; layer < c.layers; ++layer) {
    const std::string block = "model.layers." + text(layer) + ".";
    visit(block + "input_layernorm.weight", shape{c.dim});
    linear(block + "self_attn.q_proj", queries, c.dim, bias.query_key_value);
    linear(block + "self_attn.k_proj", keys, c.dim, bias.query_key_value);
    linear(block + "self_attn.v_proj", keys, c.dim, bias.query_key_value);
    linear(block + "self_attn.o_proj", c.dim, queries, bias.attention_output);
    visit(block + "post_attention_layernorm.weight", shape{c.dim});
    linear(block + "mlp.gate_proj", c.hidden, c.dim, bias.mlp);
    linear(block + "mlp.up_proj", c.hidden, c.dim, bias.mlp);
    linear(block + "mlp.down_proj", c.dim, c.hidden, bias.mlp);
  }
  visit(std::string("model.norm.weight"), shape{c.dim});
  if (!c.tied_head) visit(std::string("lm_head.weight"), shape{c.vocabulary, c.dim});
}

/// A model's shape, and views of its tensors in the files, which it keeps mapped. It has exactly the tensors that
/// for_each_tensor names, in their shapes. open_checkpoint makes one. Views live as long as the checkpoint, even if it
/// is moved.
class checkpoint {
 public:
  using tensor_map = std::map<std::string, tensor_view, std::less<>>;

  checkpoint(std::string path_of_model, const nn::config& shape, const biases& bias, std::vector<memory_map> files,
             tensor_map tensors)
      : path(std::move(path_of_model)), shape_(shape), files_(std::move(files)), tensors_(std::move(tensors)) {
    for_each_tensor(shape_, bias, [&](const std::string& name, std::vector<std::size_t> wanted) { at(name, wanted); });
  }
  checkpoint(checkpoint&&) = default;
  checkpoint& operator=(checkpoint&&) = default;

  std::string path;  ///< the file or folder, as it was given

  const nn::config& shape() const { return shape_; }

  /// The tensor of that name, such as model.layers.0.self_attn.q_proj.weight, or nothing if the model has none.
  std::optional<tensor_view> find(std::string_view name) const {
    const auto found = tensors_.find(name);
    return found == tensors_.end() ? std::nullopt : std::optional(found->second);
  }

  /// The tensor of that name. Throws if there is none, or if it has another shape.
  tensor_view at(std::string_view name, const std::vector<std::size_t>& shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end())
      fail(path + ": " + printable(name) + " is missing, and must be of shape " + text_of(shape));
    if (found->second.shape != shape)
      fail(path + ": " + printable(name) + " has shape " + text_of(found->second.shape) + ", and must have " +
           text_of(shape));
    return found->second;
  }

  /// The tensor's elements as floats; out.size() == elements(shape). Throws as at() does, and if one is not finite.
  void read(std::string_view name, const std::vector<std::size_t>& shape, std::span<float> out) const {
    widen(at(name, shape), out);
    if (const auto i = first_not_finite(out))
      fail(path + ": " + printable(name) + " is " + text(out[*i]) + " at element " + text(*i) + ", and must be finite");
  }

 private:
  nn::config shape_;
  std::vector<memory_map> files_;
  tensor_map tensors_;
};

}  // namespace zoft::inline ZOFT_ISA::io
