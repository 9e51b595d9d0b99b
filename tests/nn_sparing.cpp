// A forward that stops behind each block, which shows what one that does not stop shows; and the A that are made of it.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>
#include <zoft/adapter/lora_fa.hpp>
#include <zoft/calibrated.hpp>
#include <zoft/nn/sparing.hpp>
#include <zoft/random/normal.hpp>
#include <zoft/random/orthonormal.hpp>

#include "catch.hpp"
#include "nn_observed_support.hpp"
#include "sparing_support.hpp"

using namespace nn_test;
using namespace zoft::nn;

namespace {

std::vector<std::string> walked_names(const transformer& model) {
  std::vector<std::string> result;
  for (const zoft::tensor& t : model.layout()) result.push_back(t.name);
  return result;
}

/// Sequences of few tokens and of many, of which some have no label, or none behind their middle.
batch walked_batch(const transformer& model, std::uint64_t seed, std::size_t longest) {
  draws d(seed);
  batch result;
  for (const std::size_t length : sizes{4, longest, 1, 2, 3, 9, 5, longest / 2}) {
    const auto tokens = d.tokens(length, model.shape().vocabulary);
    auto labels = d.tokens(length, model.shape().vocabulary);
    for (std::size_t t = 0; t < length; ++t)
      if (length == 4 || (length == 9 && t % 3 == 1) || (length == longest && (t % 2 == 0 || t > length - length / 8)))
        labels[t] = ignored;
    result.add(tokens, labels);
  }
  return result;
}

/// The same sequences, with a label wherever there can be one.
batch walked_fully(const batch& b) {
  batch result;
  for (std::size_t i = 0; i < b.size(); ++i) result.add(b[i].tokens);
  return result;
}

/// What a whole forward shows.
observations walked_whole(const transformer& model, const batch& b, std::size_t rows) {
  observations seen;
  seen.ask({5, 3, 0}, 1, 1, rows, walked_names(model));
  double loss = 0;
  model.losses(b, zoft::adapter_stack(1), {&loss, 1}, seen);
  return seen;
}

std::span<const float> walked_row(const observations::entry& e, std::size_t slot) {
  return std::span(e.inputs).subspan(slot * e.in, e.in);
}
bool walked_equal(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}
bool walked_zero(std::span<const float> x) {
  return std::all_of(x.begin(), x.end(), [](float v) { return v == 0; });
}
bool walked_same_parts(const observations::entry& a, const observations::entry& b) {
  return a.in == b.in &&
         std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(), [](const auto& p, const auto& q) {
           return p.name == q.name && p.first == q.first && p.out == q.out;
         });
}

/// Compares a walk through all blocks with a whole forward. Behind attention in the last block, that shows only tokens
/// that predict a label; the walk shows all that were chosen. The others are compared with a forward in which all
/// predict one.
void check_walk(const transformer& model, const batch& b, std::size_t rows) {
  const observations whole = walked_whole(model, b, rows);
  const batch fully = walked_fully(b);
  const observations all = walked_whole(model, fully, fully.tokens());
  std::size_t tokens = 0;  // up to the last one of each sequence that predicts a label
  for (std::size_t i = 0; i < b.size(); ++i) {
    std::size_t end = 0;
    for (std::size_t t = 1; t < b[i].labels.size(); ++t)
      if (b[i].labels[t] != ignored) end = t;
    tokens += end;
  }
  const std::size_t others = std::min(rows, tokens) - std::min(rows, b.predicted());

  auto walk = model.walk(b, rows, {5, 3, 0});
  std::size_t at = 0, layer = 0;
  for (; walk.next(); ++layer) {
    REQUIRE(layer < model.shape().layers);
    const bool last = layer + 1 == model.shape().layers;
    const std::vector<observations::entry>& own = walk.shown().entries();
    REQUIRE(own.size() == 4);
    REQUIRE(walk.shown().slots() == rows);
    // Where the tokens of the rows stand in `all`: the inputs of the block tell.
    std::vector<std::vector<std::size_t>> places(rows);
    for (std::size_t s = 0; last && s < rows; ++s)
      for (std::size_t to = 0; to < all.slots() && !walked_zero(walked_row(own[0], s)); ++to)
        if (walked_equal(walked_row(own[0], s), walked_row(all.entries()[at], to))) places[s].push_back(to);
    for (std::size_t e = 0; e < 4; ++e, ++at) {
      REQUIRE(at < whole.entries().size());
      const observations::entry& expected = whole.entries()[at];
      INFO(expected.parts[0].name << " of " << rows << " rows");
      CHECK(walked_same_parts(own[e], expected));
      CHECK(own[e].gradients == nullptr);
      if (!last || e == 0) {
        CHECK(same_bits(own[e].inputs, expected.inputs));
        if (!last) CHECK(same_bits(own[e].squares, expected.squares));
        continue;
      }
      bool same = true, found = true;
      std::size_t more = 0, shown = 0;
      for (std::size_t s = 0; s < rows; ++s) {
        const auto row = walked_row(own[e], s);
        const bool is_more = walked_zero(walked_row(expected, s)) && !walked_zero(row);
        more += is_more;
        shown += !walked_zero(row);
        if (!is_more) same &= walked_equal(row, walked_row(expected, s));
        if (!walked_zero(row))
          found &= std::any_of(places[s].begin(), places[s].end(),
                               [&](std::size_t to) { return walked_equal(row, walked_row(all.entries()[at], to)); });
      }
      CHECK(same);
      CHECK(found);
      CHECK(more == others);
      CHECK(shown == std::min(rows, tokens));
    }
  }
  CHECK(layer == model.shape().layers);
  CHECK(at == whole.entries().size());
  CHECK_FALSE(walk.next());
  CHECK_FALSE(walk.next());

  const observations at_once = model.shown(b, rows, {5, 3, 0});
  CHECK(at_once.slots() == rows);
  REQUIRE(at_once.entries().size() == whole.entries().size());
  for (std::size_t e = 0; e + 3 < whole.entries().size(); ++e)
    CHECK(same_bits(at_once.entries()[e].inputs, whole.entries()[e].inputs));
}

std::string walked_error(const std::function<void()>& f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "nothing was thrown";
}

/// Texts of two kinds: learned are sequences of the first tokens of the vocabulary, and spared are of the others.
batch sparing_texts(const transformer& model, bool learned, std::uint64_t seed, std::size_t sequences = 6) {
  draws d(seed);
  const std::size_t first = model.shape().vocabulary / 4;
  batch result;
  for (std::size_t i = 0; i < sequences; ++i) {
    auto tokens = d.tokens(12 + i % 3, learned ? first : model.shape().vocabulary - first);
    if (!learned)
      for (auto& token : tokens) token += static_cast<std::int32_t>(first);
    result.add(tokens);
  }
  return result;
}

/// The mean square change of logits on the batch by an adapter that begins so, with this B.
double sparing_change(const transformer& model, const batch& b, const std::vector<zoft::low_rank_values>& start,
                      std::size_t rank, const std::vector<float>& trained) {
  auto adapter = zoft::lora_fa{.rank = rank, .start = start}.attach(model.layout(), zoft::seed{1});
  std::copy(trained.begin(), trained.end(), adapter.parameters().begin());
  double sum = 0, n = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const auto before = model.logits(b[i].tokens), after = model.logits(b[i].tokens, adapter.stack());
    for (std::size_t j = 0; j < before.size(); ++j) sum += std::pow(double{after[j]} - double{before[j]}, 2.0);
    n += static_cast<double>(before.size());
  }
  return sum / n;
}

}  // namespace

TEST_CASE("input walk: block by block, the inputs are those of a whole forward, to the last bit", "[nn][observed]") {
  for (const char* name : observed_fixtures)
    for (const dtype type : {dtype::f32, dtype::bf16})
      for (const std::size_t threads : sizes{1, 3}) {
        INFO(name << " on " << threads << " threads");
        const transformer model = fixture_model(name, {.weights = type, .threads = threads});
        const batch b = walked_batch(model, 61, model.shape().context);
        for (const std::size_t rows : sizes{1, 7, b.tokens() + 3}) check_walk(model, b, rows);
      }
}

TEST_CASE("input walk: sequences that are computed in segments", "[nn][observed]") {
  config c = odd_shape();
  c.context = 1100;
  for (const bool parallel : {false, true})
    for (const dtype type : {dtype::f32, dtype::bf16})
      for (const std::size_t threads : sizes{1, 3}) {
        INFO((parallel ? "parallel" : "sequential") << " on " << threads << " threads");
        c.parallel = parallel;
        const transformer model = random_model(c, {true, false, true}, 62, {.weights = type, .threads = threads});
        const batch b = walked_batch(model, 63, 1060);  // and 530
        for (const std::size_t rows : sizes{40, b.tokens()}) check_walk(model, b, rows);
      }
}

TEST_CASE("input walk: only blocks with a wanted linear are stopped at", "[nn][observed]") {
  for (const char* name : observed_fixtures)
    for (const std::size_t threads : sizes{1, 3}) {
      INFO(name);
      const transformer model = fixture_model(name, {.threads = threads});
      const batch b = walked_batch(model, 64, model.shape().context);
      const std::size_t rows = b.tokens();
      std::vector<observations::entry> all;
      for (auto walk = model.walk(b, rows, {5, 3, 0}); walk.next();)
        for (const auto& e : walk.shown().entries()) all.push_back(e);
      for (std::size_t which = 0; which < all.size(); ++which) {
        const std::string wanted = all[which].parts.back().name;
        INFO(wanted);
        auto walk = model.walk(b, rows, {5, 3, 0}, {wanted});
        REQUIRE(walk.next());
        const auto& own = walk.shown().entries();
        REQUIRE(own.size() == 1);
        REQUIRE(own[0].parts.size() == 1);  // others that read the same inputs are left out
        CHECK(own[0].parts[0].name == wanted);
        CHECK(same_bits(own[0].inputs, all[which].inputs));
        CHECK_FALSE(walk.next());
        CHECK_FALSE(walk.next());
        const observations at_once = model.shown(b, rows, {5, 3, 0}, {wanted});
        REQUIRE_FALSE(at_once.entries().empty());
        CHECK(same_bits(at_once.entries()[0].inputs, all[which].inputs));
      }
    }
  // The first block and the last, but not the one between them.
  const transformer model = observed_model();
  const batch b = walked_batch(model, 65, 40);
  auto walk = model.walk(b, 20, {}, {"model.layers.2.self_attn.o_proj", "model.layers.0.mlp.up_proj"});
  REQUIRE(walk.next());
  REQUIRE(walk.shown().entries().size() == 1);
  CHECK(walk.shown().find("model.layers.0.mlp.up_proj"));
  CHECK_FALSE(walk.shown().find("model.layers.0.mlp.gate_proj"));
  REQUIRE(walk.next());
  REQUIRE(walk.shown().entries().size() == 1);
  CHECK(walk.shown().find("model.layers.2.self_attn.o_proj"));
  CHECK_FALSE(walk.next());
  CHECK_THROWS_WITH(model.walk(b, 20, {}, {"up_proj"}),
                    "zoft: transformer: 'up_proj' is to be shown, and is no linear of the model");
}

TEST_CASE("input walk: a token pattern holds in each block", "[nn][observed]") {
  config c = odd_shape();
  c.context = 300;
  for (const dropped_tokens dropped : {dropped_tokens::unseen, dropped_tokens::seen})
    for (const std::size_t threads : sizes{1, 3}) {
      const transformer model = random_model(c, {true, false, true}, 70, {.threads = threads});
      const auto pattern = std::make_shared<token_pattern>();
      pattern->dropped = dropped;
      pattern->kept = {{0, 1, 2, 3, 4}, {0, 4}, {0, 2, 4}};
      draws d(70);
      const auto tokens = d.tokens(300, 51);
      std::vector<std::int32_t> labels = tokens;
      std::fill_n(labels.begin(), 270, ignored);
      batch b, plain;
      b.add(tokens, labels, pattern);
      plain.add(tokens, labels);
      const observations whole = walked_whole(model, b, 20), at_once = model.shown(b, 20, {5, 3, 0}),
                         other = model.shown(plain, 20, {5, 3, 0});
      REQUIRE(at_once.entries().size() == whole.entries().size());
      for (std::size_t e = 0; e < whole.entries().size(); ++e)
        CHECK(same_bits(at_once.entries()[e].inputs, whole.entries()[e].inputs));
      CHECK_FALSE(same_bits(at_once.entries().back().inputs, other.entries().back().inputs));
    }
}

TEST_CASE("input walk: two side by side do not disturb each other, and the batch need not stay", "[nn][observed]") {
  const transformer model = observed_model({.threads = 3});
  const auto begin = [&](std::uint64_t seed) { return model.walk(walked_batch(model, seed, 150), 30, {seed, 0, 0}); };
  auto a = begin(66), b = begin(67);
  const observations of_a = model.shown(walked_batch(model, 66, 150), 30, {66, 0, 0}),
                     of_b = model.shown(walked_batch(model, 67, 150), 30, {67, 0, 0});
  for (std::size_t at = 0; at < of_a.entries().size(); at += 4) {
    REQUIRE(a.next());
    REQUIRE(b.next());
    for (std::size_t e = 0; e < 4; ++e) {
      CHECK(same_bits(a.shown().entries()[e].inputs, of_a.entries()[at + e].inputs));
      CHECK(same_bits(b.shown().entries()[e].inputs, of_b.entries()[at + e].inputs));
    }
  }
}

TEST_CASE("input walk: what has no inputs to show is refused", "[nn][observed]") {
  const transformer encoder = fixture_model("bert", {.threads = 1});
  const batch b = observed_batch(encoder, 68);
  const std::string message = "zoft: transformer: only decoders show their linears, and the model is an encoder";
  CHECK(walked_error([&] { encoder.walk(b, 4); }) == message);
  CHECK(walked_error([&] { encoder.shown(b, 4); }) == message);
  CHECK(walked_error([&] { zoft::nn::sparing(encoder, b, b, {.rank = 2}); }) == message);
  const transformer model = observed_model();
  const std::string none = "zoft: transformer: the batch has no labels, and must have at least one that is not ignored";
  CHECK(walked_error([&] { model.walk({}, 4); }) == none);
  CHECK(walked_error([&] { zoft::nn::sparing(model, observed_batch(model, 68), {}, {.rank = 2}); }) == none);
}

TEST_CASE("observations: asked for inputs alone, a forward makes nothing else", "[nn][observed]") {
  for (const char* name : observed_fixtures) {
    INFO(name);
    const transformer model = fixture_model(name, {.threads = 1});
    const batch b = observed_batch(model, 69);
    observations whole, inputs;
    CHECK_FALSE(inputs.asked());
    CHECK_FALSE(inputs.wants_gradients());
    // With the head, of which inputs are made behind the blocks.
    whole.ask({5, 3, 0}, 1, 1, 6, observed_names(model));
    inputs.ask_inputs({5, 3, 0}, 6, observed_names(model));
    CHECK(whole.wants_gradients());
    CHECK(whole.unanswered().wants_gradients());
    CHECK(inputs.asked());
    CHECK_FALSE(inputs.wants_gradients());
    CHECK_FALSE(inputs.unanswered().wants_gradients());
    CHECK(inputs.unanswered().asked());
    CHECK(inputs.slots() == 6);
    CHECK(inputs.step().seed == 5);
    CHECK(inputs.step().step == 3);
    double loss = 0, same = 0;
    model.losses(b, zoft::adapter_stack(1), {&loss, 1}, whole);
    model.losses(b, zoft::adapter_stack(1), {&same, 1}, inputs);
    CHECK(same == loss);
    REQUIRE(inputs.entries().size() == whole.entries().size());
    bool any = false;
    for (std::size_t e = 0; e < inputs.entries().size(); ++e) {
      any |= whole.entries()[e].gradients != nullptr;
      CHECK(inputs.entries()[e].gradients == nullptr);
      CHECK(same_bits(inputs.entries()[e].inputs, whole.entries()[e].inputs));
    }
    CHECK(any);
    inputs.ask({}, 1, 1, 1, {});
    CHECK(inputs.wants_gradients());
  }
}

TEST_CASE("nn::sparing: a value for each targeted linear, in the layout's order, the same on any number of threads",
          "[nn][observed]") {
  for (const char* name : observed_fixtures) {
    INFO(name);
    const transformer model = fixture_model(name, {.threads = 1}), other = fixture_model(name, {.threads = 3});
    const batch learned = sparing_texts(model, true, 71), spared = sparing_texts(model, false, 72);
    const std::vector<std::string> names = walked_names(model);
    std::vector<std::vector<std::string>> targets{
        {}, {names.back()}, {names[1], names.back()}, {"layers.0"}, {names[0]}};
    if (std::string(name) == "gpt2") targets[3] = {"h.0"};
    for (const auto& some : targets) {
      const sparing_options o{.rank = 3, .rows = 60, .targets = some, .seed = zoft::seed{9}};
      const auto result = zoft::nn::sparing(model, learned, spared, o),
                 again = zoft::nn::sparing(other, learned, spared, o);
      const std::vector<zoft::tensor> wanted = zoft::targeted(model.layout(), some, "test", "linear");
      REQUIRE(result.size() == wanted.size());
      REQUIRE(again.size() == wanted.size());
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        CHECK(result[i].linear == wanted[i].name);
        REQUIRE(result[i].a.size() == 3 * wanted[i].columns);
        CHECK(result[i].b == std::vector<float>(3 * wanted[i].rows));
        CHECK(std::all_of(result[i].a.begin(), result[i].a.end(), [](float v) { return std::isfinite(v); }));
        CHECK(same_bits(result[i].a, again[i].a));
      }
    }
  }
}

TEST_CASE("nn::sparing: only targets must have as many outputs as the rank", "[nn][observed]") {
  // 12 queries, beside 6 keys and 6 values.
  const transformer model = fixture_model("phi", {.threads = 1});
  const auto result = zoft::nn::sparing(model, sparing_texts(model, true, 71), sparing_texts(model, false, 72),
                                        {.rank = 8, .targets = {"q_proj"}});
  REQUIRE(result.size() == 2);
  CHECK(result[1].linear == "model.layers.1.self_attn.q_proj");
  CHECK(result[1].a.size() == 8 * 12);
}

TEST_CASE("nn::sparing: A spans the leading eigenvectors of what the linears are given", "[nn][observed]") {
  const transformer model = observed_model({.threads = 1});
  const batch learned = sparing_texts(model, true, 73), spared = sparing_texts(model, false, 74, 20);
  // With fewer rows than there are tokens, and with more. Few rows of spared inputs leave many directions alike, of
  // which 24 iterations lose a few percent: at most (1 − ρ)ρ⁴⁸ < 1/133 for each that is ρ times as good as the r-th.
  for (const std::size_t rows : sizes{45, 2048}) {
    const auto seen = [&](const batch& b) { return model.shown(b, std::min(rows, b.tokens()), {7, 0, 0}); };
    const observations of_learned = seen(learned), of_spared = seen(spared);
    const auto result =
        zoft::nn::sparing(model, learned, spared, {.rank = 4, .damping = 0.02, .rows = rows, .seed = zoft::seed{7}});
    for (const auto& one : result) {
      INFO(one.linear << ", " << rows << " rows");
      const auto x = of_learned.find(one.linear), s = of_spared.find(one.linear);
      REQUIRE(x);
      REQUIRE(s);
      const sparing_test::pencil exact(sparing_test::input_rows(x.of->inputs, x.of->in),
                                       sparing_test::input_rows(s.of->inputs, s.of->in), 0.02);
      CHECK(exact.share(sparing_test::input_rows(one.a, x.of->in)) > 0.97);
    }
  }
}

TEST_CASE("nn::sparing: with any B, it changes logits of what is spared less than other beginnings do",
          "[nn][observed]") {
  constexpr std::size_t rank = 2;
  const transformer model = observed_model({.threads = 1});
  const batch learned = sparing_texts(model, true, 75, 12), spared = sparing_texts(model, false, 76, 20),
              unseen = sparing_texts(model, false, 77, 12);
  const auto own = zoft::nn::sparing(model, learned, spared, {.rank = rank});
  const auto principal = zoft::calibrated(model.shown(learned, learned.tokens()), rank);
  std::vector<zoft::low_rank_values> random = own;
  for (std::size_t i = 0; i < random.size(); ++i) {
    std::vector<double> a(random[i].a.size());
    zoft::random::gaussian_direction({78, 0, static_cast<std::uint32_t>(i)}).axpy(std::span(a), 1.0);
    zoft::random::orthonormalise(a, rank);
    for (std::size_t j = 0; j < a.size(); ++j) random[i].a[j] = static_cast<float>(a[j] / std::sqrt(3.0));
  }
  REQUIRE(principal.size() == own.size());
  std::size_t numbers = 0;
  for (const auto& one : own) numbers += one.b.size();
  // To first order, and for B of independent numbers, the change is a sum over linears of what each passes on of
  // tr ASAᵀ. So it is smaller by at least as much as that is in the linear where it is smallest.
  const observations seen = model.shown(spared, spared.tokens());
  double least_random = 1e9, least_principal = 1e9;
  for (std::size_t i = 0; i < own.size(); ++i) {
    const auto s = seen.find(own[i].linear);
    REQUIRE(s);
    const sparing_test::MatrixXd rows = sparing_test::input_rows(s.of->inputs, s.of->in);
    const auto passed = [&](const std::vector<zoft::low_rank_values>& start) {
      return (rows * sparing_test::input_rows(start[i].a, s.of->in).transpose()).squaredNorm();
    };
    least_random = std::min(least_random, passed(random) / passed(own));
    least_principal = std::min(least_principal, passed(principal) / passed(own));
  }
  const auto changes = [&](const batch& of, const std::vector<zoft::low_rank_values>& start) {
    draws d(79);
    double sum = 0;
    for (int repeat = 0; repeat < 8; ++repeat) sum += sparing_change(model, of, start, rank, d.numbers(numbers, 0.01f));
    return sum;
  };
  const double of_own = changes(spared, own), of_random = changes(spared, random);
  REQUIRE(least_random > 1.5);
  REQUIRE(least_principal > 4);
  CHECK(least_random * of_own < of_random);
  CHECK(least_principal * of_own < changes(spared, principal));
  // Texts like those that were spared, of which nothing was seen.
  CHECK(2 * changes(unseen, own) < changes(unseen, random));
  // It is not that nothing changes anywhere.
  CHECK(changes(learned, own) > changes(learned, random));
}

TEST_CASE("nn::sparing: bad input is named", "[nn][observed]") {
  const transformer model = observed_model();
  const batch learned = sparing_texts(model, true, 81), spared = sparing_texts(model, false, 82);
  const auto message = [&](const sparing_options& o) {
    return walked_error([&] { zoft::nn::sparing(model, learned, spared, o); });
  };
  CHECK(message({.rank = 2, .targets = {"q_proj", "qproj"}}) ==
        "zoft: sparing: no linear is named 'qproj', but for instance 'model.layers.0.self_attn.q_proj'");
  CHECK(message({.rank = 2, .damping = 0}) == "zoft: sparing: damping is 0, and must be positive and finite");
  CHECK(message({.rank = 2, .rows = 0}) == "zoft: sparing: rows is 0, and must be at least 1");
  CHECK(message({.rank = 0}) == "zoft: sparing: rank is 0, and 'model.layers.0.self_attn.q_proj' is 60 by 22");
  CHECK(message({.rank = 23}) == "zoft: sparing: rank is 23, and 'model.layers.0.self_attn.q_proj' is 60 by 22");
}
