// The order of an adapter's rows in files and in models.
#include <string>
#include <vector>
#include <zoft/io/adapter_rows.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;
namespace nn = zoft::nn;

namespace {

nn::config rows_shape() {
  nn::config c;
  c.dim = 4, c.hidden = 5, c.layers = 2, c.heads = 2, c.kv_heads = 1, c.head_dim = 4, c.vocabulary = 7, c.context = 8;
  c.pairing = nn::rope::interleaved;
  return c;
}

/// Row r of B holds 10·r, 10·r + 1 …
struct counted_adapter {
  std::vector<float> a, b;
  low_rank_tensor tensor;
  counted_adapter(const std::string& name, std::size_t out, std::size_t rank) : a(rank * 4, 0.5f), b(out * rank) {
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(10 * (i / rank) + i % rank);
    tensor = {name, out, 4, rank, a, b, 6};
  }
  counted_adapter(const counted_adapter&) = delete;
};

std::vector<std::size_t> row_numbers(const owned_low_rank_tensor& t) {
  std::vector<std::size_t> result;
  for (std::size_t row = 0; row < t.out; ++row) {
    result.push_back(static_cast<std::size_t>(t.b[row * t.rank]) / 10);
    for (std::size_t i = 0; i < t.rank; ++i) CHECK(t.b[row * t.rank + i] == static_cast<float>(10 * result.back() + i));
  }
  return result;
}

using numbers_of_rows = std::vector<std::size_t>;

}  // namespace

TEST_CASE("adapter rows: q and k of an interleaved model are put into halves, and back", "[io]") {
  const nn::config c = rows_shape();
  const counted_adapter q("model.layers.1.self_attn.q_proj", 8, 2), k("model.layers.0.self_attn.k_proj", 4, 3),
      v("model.layers.0.self_attn.v_proj", 4, 1), head("lm_head", 7, 2);
  const std::vector<low_rank_tensor> all{q.tensor, k.tensor, v.tensor, head.tensor};
  const auto halves = in_row_order(all, c, nn::rope::half_split);
  REQUIRE(halves.size() == 4);
  CHECK(row_numbers(halves[0]) == numbers_of_rows{0, 2, 1, 3, 4, 6, 5, 7});
  CHECK(row_numbers(halves[1]) == numbers_of_rows{0, 2, 1, 3});
  CHECK(row_numbers(halves[2]) == numbers_of_rows{0, 1, 2, 3});
  CHECK(row_numbers(halves[3]) == numbers_of_rows{0, 1, 2, 3, 4, 5, 6});
  for (std::size_t i = 0; i < all.size(); ++i) {
    const owned_low_rank_tensor& t = halves[i];
    CHECK((t.name == all[i].name && t.out == all[i].out && t.in == 4 && t.rank == all[i].rank && t.alpha == 6));
    CHECK(t.scale == 6 / static_cast<double>(t.rank));
    CHECK(t.a == std::vector<float>(t.rank * 4, 0.5f));
  }
  const std::vector<low_rank_tensor> views(halves.begin(), halves.end());
  const auto back = in_order_of(c, views, nn::rope::half_split);
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(back[i].b == std::vector<float>(all[i].b.begin(), all[i].b.end()));
  CHECK(row_numbers(in_row_order(all, c, nn::rope::interleaved)[0]) == numbers_of_rows{0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("adapter rows: a model in halves is interleaved for the files that want that", "[io]") {
  nn::config c = rows_shape();
  c.head_dim = 8, c.heads = 1, c.pairing = nn::rope::half_split;
  const counted_adapter q("model.layers.0.self_attn.q_proj", 8, 1);
  const std::vector<low_rank_tensor> all{q.tensor};
  const auto made = in_row_order(all, c, nn::rope::interleaved);
  CHECK(row_numbers(made[0]) == numbers_of_rows{0, 4, 1, 5, 2, 6, 3, 7});
  c.learned_positions = true;  // nothing is rotated
  CHECK(row_numbers(in_row_order(all, c, nn::rope::interleaved)[0]) == numbers_of_rows{0, 1, 2, 3, 4, 5, 6, 7});
}

TEST_CASE("adapter rows: what does not fit the model is refused", "[io]") {
  nn::config c = rows_shape();
  const counted_adapter q("model.layers.0.self_attn.q_proj", 6, 2), fused("model.layers.0.self_attn.qkv_proj", 16, 1);
  const auto moving = [&](const low_rank_tensor& t) {
    return [&, t] { in_row_order(std::vector{t}, c, nn::rope::half_split); };
  };
  check_refused(moving(q.tensor), {"model.layers.0.self_attn.q_proj", "(6, 2)", "8 rows"});
  low_rank_tensor short_b = q.tensor;
  short_b.out = 8;
  check_refused(moving(short_b), {"12 values", "8 rows"});
  short_b.rank = 0;
  check_refused(moving(short_b), {"8 rows"});
  CHECK(in_row_order(std::vector{fused.tensor}, c, nn::rope::half_split)[0].b == fused.b);  // not a part of this model
  c.names.query_key_value = "self_attn.qkv_proj";
  check_refused(moving(fused.tensor), {"qkv_proj", "cannot be changed"});
}
