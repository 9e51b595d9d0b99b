// What a transformer shows of its linears: the rows that it computes with, beside losses that stay what they are.
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/adapter/prefix.hpp>

#include "nn_observed_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

namespace {

bool observed_same(const observations& a, const observations& b) {
  bool same = a.entries().size() == b.entries().size();
  for (std::size_t i = 0; same && i < a.entries().size(); ++i) {
    const auto &x = a.entries()[i], &y = b.entries()[i];
    same = same_bits(x.inputs, y.inputs) && same_bits(x.squares, y.squares) &&
           (x.gradients == nullptr) == (y.gradients == nullptr) &&
           (x.gradients == nullptr || same_bits(*x.gradients, *y.gradients));
  }
  return same;
}

template <class A>
std::span<const float> observed_row(const A& values, std::size_t slot, std::size_t width) {
  return std::span<const float>(values).subspan(slot * width, width);
}
/// Wx + b of a linear.
std::vector<double> observed_product(const observed_weights& weights, const std::string& linear,
                                     std::span<const float> x) {
  const auto w = weights.of(linear + ".weight"), bias = weights.of(linear + ".bias");
  std::vector<double> y(w.size() / x.size());
  for (std::size_t o = 0; o < y.size(); ++o) {
    y[o] = bias.empty() ? 0.0 : double{bias[o]};
    for (std::size_t i = 0; i < x.size(); ++i) y[o] += double{w[o * x.size() + i]} * double{x[i]};
  }
  return y;
}
bool observed_any(std::span<const float> x) {
  return std::any_of(x.begin(), x.end(), [](float v) { return v != 0; });
}

}  // namespace

TEST_CASE("observed linears: losses are those without, to the last bit", "[nn][observed]") {
  for (const char* name : observed_fixtures) {
    INFO(name);
    const transformer model = fixture_model(name, {.threads = 2});
    const batch b = observed_batch(model, 41);
    std::vector<double> own(b.size()), unasked(b.size());
    for (const criterion of : {criterion::loss, criterion::accuracy}) {
      model.example_losses(b, zoft::adapter_stack(b.size()), own, of);
      observations seen;
      model.example_losses(b, zoft::adapter_stack(b.size()), unasked, seen, of);
      CHECK(same_bits(unasked, own));
      CHECK(seen.entries().empty());
      seen.ask({5, 3, 0}, b.size(), 2, 2, observed_names(model));
      model.example_losses(b, zoft::adapter_stack(b.size()), unasked, seen, of);
      CHECK(same_bits(unasked, own));
      seen.ask({5, 3, 0}, 1, 2, 2, observed_names(model));
      double whole = 0;
      model.losses(b, zoft::adapter_stack(1), {&whole, 1}, seen, of);
      CHECK(whole == model.loss(b, zoft::adapter_stack(1), of));
      CHECK_FALSE(seen.entries().empty());
    }
  }
}

TEST_CASE("observed linears: the same bits on any number of threads, with adapters, and labels among some tokens",
          "[nn][observed]") {
  for (const dtype type : {dtype::f32, dtype::bf16}) {
    const transformer model = observed_model({.weights = type, .threads = 1});
    batch b = observed_batch(model, 42);
    b.add(draws(43).tokens(149, 51));  // more than a thread's share
    if (type == dtype::bf16) {
      std::vector<std::int32_t> all(51);
      std::iota(all.begin(), all.end(), 0);
      b.among(all);
    }
    auto adapter = zoft::lora_fa{.rank = 2}.attach(model.layout(), zoft::seed{4});
    const std::vector<float> values = draws(44).numbers(adapter.parameters().size(), 0.3f);
    std::copy(values.begin(), values.end(), adapter.parameters().begin());
    const zoft::adapter_stack one = adapter.stack();
    zoft::adapter_stack stack(b.size());
    for (const auto& pair : adapter.pairs()) {
      zoft::low_rank l = *one.linears.find(pair.linear);
      l.a_stride = l.b_stride = 0;
      stack.linears.add(pair.linear, l);
    }
    std::vector<double> own(b.size());
    model.example_losses(b, stack, own);
    const seen_losses each = observed_at(model, b, true, 3, 2, stack), all = observed_at(model, b, false, 3, 2, one);
    CHECK(same_bits(each.losses, own));
    CHECK(all.losses[0] == model.loss(b, one));
    CHECK_FALSE(observed_same(each.seen, observed_at(model, b, true, 3, 2).seen));
    for (const std::size_t threads : sizes{2, 3}) {
      const transformer other = observed_model({.weights = type, .threads = threads});
      const seen_losses again = observed_at(other, b, true, 3, 2, stack);
      CHECK(same_bits(again.losses, own));
      CHECK(observed_same(again.seen, each.seen));
      CHECK(observed_same(observed_at(other, b, false, 3, 2, one).seen, all.seen));
    }
  }
}

TEST_CASE("observed linears: the squares of outputs are those of the inputs beside them, of every linear and family",
          "[nn][observed]") {
  const auto check = [](const transformer& model) {
    for (const bool each : {true, false}) {
      const observed_weights weights(model);
      const observations seen = observed_at(model, observed_batch(model, 45), each, 2, each ? 3 : 6).seen;
      const std::string last = model.shape().block_name(model.shape().layers - 1);
      for (const zoft::tensor& linear : model.layout()) {
        INFO(linear.name);
        const auto found = seen.find(linear.name);
        REQUIRE(found);
        const std::size_t in = linear.columns, out = linear.rows;
        REQUIRE(found.of->in == in);
        REQUIRE(found.which->out == out);
        std::size_t shown = 0;
        double apart = 0;
        for (std::size_t s = 0; s < seen.slots(); ++s) {
          const auto x = observed_row(found.of->inputs, s, in);
          const std::size_t place = static_cast<std::size_t>(found.which - found.of->parts.data());
          const double noted = found.of->squares[s * found.of->parts.size() + place];
          // The last block makes no queries of tokens that predict nothing.
          if (!observed_any(x) || (linear.name.starts_with(last) && noted == 0)) continue;
          ++shown;
          double square = 0;
          for (const double y : observed_product(weights, linear.name, x)) square += y * y;
          apart = std::max(apart, std::abs(square - noted) / square);
        }
        CHECK(apart < 1e-5);
        // Of 9 + 3 + 0 + 12 tokens, 5 + 1 + 0 + 11 predict a label. With 6 rows each, 6 + 2 + 6 are shown.
        CHECK(shown <= (each ? 14u : 12u));
        CHECK(shown >= 12);
      }
    }
  };
  for (const char* name : observed_fixtures) {
    INFO(name);
    check(fixture_model(name, {.threads = 1}));
  }
  // Queries as wide as whole panels, which are left out where only keys are needed.
  config panels = odd_shape();
  panels.heads = 4, panels.kv_heads = 2, panels.head_dim = 32;
  check(random_model(panels, {true, false, true}, 33, {.threads = 1}));
}

TEST_CASE("observed linears: all rows of a place are of one token, which predicts a label if there are enough",
          "[nn][observed]") {
  const transformer model = observed_model();
  const config& c = model.shape();
  const observed_weights weights(model);
  const auto row_of = [&](const std::string& name) { return weights.of(name); };
  // norm(x) with the gain of that name.
  const auto norm = [&](std::vector<double> x, const std::string& name) {
    double square = c.norm_epsilon;
    for (const double v : x) square += v * v / static_cast<double>(c.dim);
    for (std::size_t i = 0; i < c.dim; ++i) x[i] *= double{row_of(name + ".weight")[i]} / std::sqrt(square);
    return x;
  };
  const auto of_linear = [&](const std::string& name, std::span<const float> x) {
    return observed_product(weights, name, x);
  };
  // No token comes twice, so an embedding's row tells which it is.
  std::vector<std::int32_t> tokens(12), labels(12);
  for (std::size_t t = 0; t < 12; ++t) tokens[t] = static_cast<std::int32_t>(7 * t % 51), labels[t] = 50;
  for (const std::size_t t : sizes{2, 3, 8, 11}) labels[t] = ignored;  // predicting: 0 3 4 5 6 8 9, and 10 is cut off
  batch b;
  b.add(tokens, labels);
  const std::vector<bool> predicting{true, false, false, true, true, true, true, false, true, true};
  const auto logits = model.logits(tokens);
  std::vector<std::size_t> times(10);
  for (std::uint32_t step = 0; step < 20; ++step)
    for (const std::size_t rank : sizes{2, 9}) {
      observations seen = observed_at(model, b, step % 2 == 0, 1, rank, zoft::adapter_stack(1), step).seen;
      observations::entry *qkv = nullptr, *output = nullptr, *gate_up = nullptr, *down = nullptr, *head = nullptr;
      for (auto& e : seen.entries())
        for (const auto& [suffix, to] : {std::pair{"layers.0.self_attn.q_proj", &qkv},
                                         {"layers.0.self_attn.o_proj", &output},
                                         {"layers.0.mlp.up_proj", &gate_up},
                                         {"layers.0.mlp.down_proj", &down},
                                         {"lm_head", &head}})
          for (const auto& p : e.parts)
            if (p.name.ends_with(suffix)) *to = &e;
      std::vector<bool> used(10);
      for (std::size_t s = 0; s < seen.slots(); ++s) {
        std::size_t token = 10;
        std::vector<double> x;
        for (std::size_t t = 0; t < 10 && token == 10; ++t) {
          const auto row =
              row_of("model.embed_tokens.weight").subspan(static_cast<std::size_t>(tokens[t]) * c.dim, c.dim);
          x.assign(row.begin(), row.end());
          if (distance(norm(x, "model.layers.0.input_layernorm"), qkv->input(s)) < 1e-5) token = t;
        }
        REQUIRE(token < 10);
        REQUIRE_FALSE(used[token]);
        used[token] = true;
        ++times[token];
        CHECK((s >= 7 || predicting[token]));
        const auto added = of_linear("model.layers.0.self_attn.o_proj", output->input(s));
        for (std::size_t i = 0; i < c.dim; ++i) x[i] += added[i];
        CHECK(distance(norm(x, "model.layers.0.post_attention_layernorm"), gate_up->input(s)) < 1e-5);
        auto gated = of_linear("model.layers.0.mlp.gate_proj", gate_up->input(s));
        const auto up = of_linear("model.layers.0.mlp.up_proj", gate_up->input(s));
        for (std::size_t i = 0; i < c.hidden; ++i) gated[i] *= up[i] / (1 + std::exp(-gated[i]));
        CHECK(distance(gated, down->input(s)) < 1e-5);
        double square = 0;
        const auto of_token = observed_row(logits, token, 51);
        if (predicting[token]) {
          CHECK(distance(of_linear("lm_head", head->input(s)), of_token) < 1e-5);
          for (const float z : of_token) square += double{z} * double{z};
        } else {
          CHECK_FALSE(observed_any(head->input(s)));
        }
        CHECK(head->squares[s] == Approx(square).epsilon(1e-5));
      }
    }
  for (const std::size_t n : times) CHECK(n > 0);
}

TEST_CASE("observed linears: what cannot be shown is refused by name", "[nn][observed]") {
  const auto message = [](auto f) {
    try {
      f();
    } catch (const std::invalid_argument& e) {
      return std::string(e.what());
    }
    return std::string("nothing was thrown");
  };
  const transformer model = observed_model();
  const batch b = observed_batch(model, 51);
  CHECK(message([&] { observed_at(model, b, true, 1, 2, zoft::adapter_stack(8)); }) ==
        "zoft: transformer: 8 losses of 8 adapters are to show 4 examples, and there are 4 sequences");
  CHECK(message([&] { observed_at(model, b, false, 1, 2, zoft::adapter_stack(2)); }) ==
        "zoft: transformer: 2 losses of 2 adapters are to show 1 examples, and the batch is one");
  CHECK(message([&] { observed_at(model, b, true, 1, 2, zoft::adapter_stack(4), 3, {"model.norm.weight"}); }) ==
        "zoft: transformer: linears are to be shown, and what is trained is none: it has "
        "'model.layers.0.self_attn.q_proj' for instance");
  batch unlabelled;
  unlabelled.add(std::vector<std::int32_t>{1, 2, 3}, std::vector<std::int32_t>(3, ignored));
  for (const bool each : {true, false})
    CHECK(message([&] { observed_at(model, unlabelled, each, 1, 2); }) ==
          "zoft: transformer: the batch has no labels, and must have at least one that is not ignored");
  const auto prefix = zoft::prefix{}.attach(model, zoft::seed{1});
  CHECK(message([&] { observed_at(model, b, false, 1, 2, prefix.stack()); }) ==
        "zoft: transformer: a model with a prefix does not show its linears");
  const transformer encoder = fixture_model("bert", {.threads = 1});
  CHECK(message([&] { observed_at(encoder, observed_batch(encoder, 52), true, 1, 2); }) ==
        "zoft: transformer: only decoders show their linears, and the model is an encoder");
  // Only what is wanted is shown, and what reads the same input comes with it.
  const observations some =
      observed_at(model, b, true, 1, 2, zoft::adapter_stack(4), 3, {"model.layers.1.mlp.up_proj.lora_B"}).seen;
  REQUIRE(some.entries().size() == 1);
  CHECK(some.find("model.layers.1.mlp.gate_proj"));
  CHECK_FALSE(some.find("lm_head"));
}
