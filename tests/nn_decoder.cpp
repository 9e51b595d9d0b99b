#include <zoft/nn/model/decoder.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;
using zoft::low_rank;
using zoft::low_rank_stack;

namespace {

constexpr std::size_t rows = 19;

/// A decoder whose parts are in the open: what transformer keeps to itself.
struct parts {
  config c;
  weights w;
  model_angles angles;
  end_additions ends;

  explicit parts(std::size_t context = odd_shape().context) : c(with_context(context)), angles(c) {
    draws d(31);
    const std::size_t queries = c.heads * c.head_dim, keys = c.kv_heads * c.head_dim;
    const auto make = [&](std::size_t layer, std::size_t in,
                          std::initializer_list<std::pair<const char*, std::size_t>> named, bool biased) {
      linear l;
      std::size_t out = 0;
      for (const auto& [name, size] : named) {
        l.parts.push_back({std::to_string(layer) + name, out, size});
        out += size;
      }
      l.weight = pack(d.numbers(out * in, 2 / std::sqrt(static_cast<float>(in))), out, in);
      if (biased) l.bias = d.numbers(out, 0.3f);
      return l;
    };
    w.embedding = pack(d.numbers(c.vocabulary * c.dim), c.vocabulary, c.dim);
    w.final_norm.gain = d.numbers(c.dim, 0.3f, 1);
    for (std::size_t layer = 0; layer < c.layers; ++layer) {
      block& b = w.blocks.emplace_back();
      b.attention_norm.gain = d.numbers(c.dim, 0.3f, 1);
      b.mlp_norm.gain = d.numbers(c.dim, 0.3f, 1);
      b.qkv = make(layer, c.dim, {{"q", queries}, {"k", keys}, {"v", keys}}, layer == 1);
      b.output = make(layer, queries, {{"o", c.dim}}, false);
      b.gate_up = make(layer, c.dim, {{"gate", c.hidden}, {"up", c.hidden}}, layer == 1);
      b.down = make(layer, c.hidden, {{"down", c.dim}}, layer == 1);
    }
  }

  static config with_context(std::size_t context) {
    config result = odd_shape();
    result.context = context;
    return result;
  }

  decoder<> run(const thread_pool* threads = nullptr) const { return {c, w, angles, ends, threads}; }
  std::vector<block_additions> additions(const low_rank_stack& stack) const {
    std::vector<block_additions> result;
    for (const block& b : w.blocks) result.emplace_back(b, stack);
    return result;
  }
};

/// Random additions of some groups to the linears of those names.
struct random_stack {
  std::vector<std::vector<float>> storage;
  low_rank_stack stack;

  random_stack(const parts& p, std::size_t groups, bool shared_a, const std::vector<std::string>& names)
      : stack(groups) {
    draws d(32);
    for (const block& b : p.w.blocks)
      for (const linear* l : {&b.qkv, &b.output, &b.gate_up, &b.down})
        for (const linear::part& part : l->parts) {
          if (std::find(names.begin(), names.end(), part.name) == names.end()) continue;
          const std::size_t rank = d.size(1, 5), in = l->weight.in();
          storage.push_back(d.numbers((shared_a ? 1 : groups) * rank * in));
          storage.push_back(d.numbers(groups * part.out * rank, 0.2f));
          stack.add(part.name, {.a = storage[storage.size() - 2].data(),
                                .b = storage.back().data(),
                                .a_stride = shared_a ? 0 : rank * in,
                                .b_stride = part.out * rank,
                                .rank = rank,
                                .in = in,
                                .out = part.out,
                                .scale = 1.5f});
        }
    REQUIRE(stack.linears() == names.size());
  }
};

const std::vector<std::int32_t>& tokens() {
  static const auto result = draws(33).tokens(rows, odd_shape().vocabulary);
  return result;
}

}  // namespace

TEST_CASE("low-rank additions: y += s·(xAᵀ)Bᵀ for each group and part", "[nn]") {
  const parts p;
  const linear& l = p.w.blocks[1].qkv;
  draws d(34);
  for (const bool shared_a : {true, false}) {
    const random_stack r(p, 3, shared_a, {"1q", "1v"});
    const addition extra(l, r.stack);
    CHECK(!extra.empty());
    const std::size_t in = l.weight.in(), out = l.weight.out();
    for (const std::size_t groups : sizes{1, 3}) {
      const std::vector<float> x = d.numbers(groups * rows * in);
      std::vector<float> y, scratch;
      REQUIRE(apply<zoft::simd::arch>(l, extra, x, groups, rows, {0, 3}, y) == 3);
      REQUIRE(y.size() == 3 * rows * out);
      double worst = 0;
      for (std::size_t g = 0; g < 3; ++g)
        for (std::size_t row = 0; row < rows; ++row)
          for (const linear::part& part : l.parts)
            for (std::size_t o = 0; o < part.out; ++o) {
              const float* from = x.data() + ((groups == 1 ? 0 : g) * rows + row) * in;
              double sum = l.bias[part.first + o];
              for (std::size_t i = 0; i < in; ++i) sum += double{from[i]} * l.weight.at(part.first + o, i);
              if (const low_rank* a = r.stack.find(part.name))
                for (std::size_t k = 0; k < a->rank; ++k) {
                  double u = 0;
                  for (std::size_t i = 0; i < in; ++i) u += double{from[i]} * a->a_of(g)[k * in + i];
                  sum += double{a->scale} * u * a->b_of(g)[o * a->rank + k];
                }
              worst = std::max(worst, std::abs(y[(g * rows + row) * out + part.first + o] - sum));
            }
      CHECK(worst < 2e-5);  // terms of order 1, some tens of them
    }
  }
}

TEST_CASE("decoder: a group among others has the bits of that group alone", "[nn]") {
  const parts p;
  const std::vector<std::vector<std::string>> cases{
      {"0q", "0k", "0v", "0o", "0gate", "0up", "0down", "1q", "1o", "1up", "2k", "2down"},
      {"1v"},
      {"1o"},
      {"2gate", "2up"},
      {"2down"},
      {"0down", "2q"}};
  for (const auto& names : cases)
    for (const bool shared_a : {true, false}) {
      INFO("first of " << names.size() << ": " << names[0] << (shared_a ? ", one A" : ", an A each"));
      const std::size_t groups = 5;
      const random_stack r(p, groups, shared_a, names);
      const auto additions = p.additions(r.stack);
      workspace all;
      p.run().run(tokens(), counted(0, rows), additions, {0, groups}, all);
      REQUIRE(all.groups == groups);
      const std::size_t one = rows * p.c.dim;
      const auto part = [&](std::size_t first, std::size_t count) {
        const float* from = all.stream.data() + first * one;
        return std::vector<float>(from, from + count * one);
      };
      CHECK(part(0, 1) != part(1, 1));
      workspace some;  // used again and again: what a forward leaves behind must not matter
      for (std::size_t first = 0; first < groups; ++first)
        for (std::size_t count = 1; first + count <= groups; ++count) {
          p.run().run(tokens(), counted(0, rows), additions, {first, count}, some);
          CHECK(same_bits(some.stream, part(first, count)));
        }
    }
}

TEST_CASE("decoder: groups appear where they first differ", "[nn]") {
  const parts p;
  const std::size_t groups = 5, width = p.c.heads * p.c.head_dim;
  // Which intermediate results of the last block exist once, and which for each group, tells what was shared.
  struct expected {
    std::vector<std::string> adapted;
    std::size_t attended, gated, stream;
  };
  const std::vector<expected> cases{{{"2down"}, 1, 1, groups},
                                    {{"2up"}, 1, groups, groups},
                                    {{"2o"}, 1, groups, groups},
                                    {{"2v"}, groups, groups, groups},
                                    {{"1down"}, groups, groups, groups}};
  for (const expected& e : cases) {
    INFO(e.adapted[0]);
    const random_stack r(p, groups, true, e.adapted);
    workspace s;
    p.run().run(tokens(), counted(0, rows), p.additions(r.stack), {0, groups}, s);
    CHECK(s.attended.size() == e.attended * rows * width);
    CHECK(s.gated.size() == e.gated * rows * p.c.hidden);
    CHECK(s.stream.size() == e.stream * rows * p.c.dim);
    CHECK(s.groups == e.stream);
  }
  // No block before the first adapted one has more than one group: a stack on the last block leaves a decoder of the
  // blocks before it at one.
  parts shorter;
  const random_stack r(p, groups, true, {"2q"});
  shorter.w.blocks.pop_back();
  workspace s;
  shorter.run().run(tokens(), counted(0, rows), shorter.additions(r.stack), {0, groups}, s);
  CHECK(s.groups == 1);
  CHECK(s.stream.size() == rows * p.c.dim);
}

TEST_CASE("decoder: the tokens that are wanted have the bits they have among all", "[nn]") {
  const parts p;
  const std::vector<std::vector<std::string>> cases{{}, {"0q", "2v"}, {"2o"}, {"2down"}, {"1up"}};
  for (const auto& names : cases)
    for (const std::vector<std::size_t>& wanted : {std::vector<std::size_t>{0}, {rows - 1}, {1, 2, rows - 3}}) {
      const random_stack r(p, 3, true, names);
      const auto additions = p.additions(r.stack);
      workspace all, some;
      p.run().run(tokens(), counted(0, rows), additions, {0, 3}, all);
      p.run().run(tokens(), wanted, additions, {0, 3}, some);
      REQUIRE(some.groups == all.groups);
      REQUIRE(some.stream.size() == some.groups * wanted.size() * p.c.dim);
      for (std::size_t g = 0; g < all.groups; ++g)
        for (std::size_t i = 0; i < wanted.size(); ++i) {
          const float* a = all.stream.data() + (g * rows + wanted[i]) * p.c.dim;
          const float* b = some.stream.data() + (g * wanted.size() + i) * p.c.dim;
          CHECK(same_bits(std::vector<float>(a, a + p.c.dim), std::vector<float>(b, b + p.c.dim)));
        }
      // The last block's own work is done for those alone.
      CHECK(some.gated.size() % (wanted.size() * p.c.hidden) == 0);
      CHECK(some.gated.size() <= some.groups * wanted.size() * p.c.hidden);
    }
}

TEST_CASE("decoder: scores of a vocabulary of several blocks are those of all its logits", "[nn]") {
  for (const std::size_t vocabulary : sizes{1024, 1025, 2500}) {
    draws d(35);
    parts p;
    p.c.vocabulary = vocabulary;
    p.w.embedding = pack(d.numbers(vocabulary * p.c.dim), vocabulary, p.c.dim);
    // A label of each block, and those at a block's ends.
    const std::vector<std::int32_t> labels{0, 5, 1023, static_cast<std::int32_t>(vocabulary - 1)};
    const std::vector<std::size_t> wanted{1, 2, 7, rows - 1};
    const random_stack r(p, 3, true, {"1q"});
    workspace s;
    p.run().run(tokens(), wanted, p.additions(r.stack), {0, 3}, s);
    const std::vector<token_score> scores = p.run().scores(labels, s);
    p.run().head().logits(s);
    REQUIRE(scores.size() == 3 * labels.size());
    for (std::size_t row = 0; row < scores.size(); ++row) {
      const std::span<const float> of_row(s.logits.data() + row * vocabulary, vocabulary);
      const auto label = static_cast<std::size_t>(labels[row % labels.size()]);
      const token_score wanted_score = cross_entropy_reference(of_row, label);
      INFO("vocabulary " << vocabulary << ", row " << row);
      CHECK(scores[row].best == wanted_score.best);
      // The roundings of an exponential, and of a sum of 16 in each lane and then over the lanes.
      CHECK(std::abs(scores[row].nll - wanted_score.nll) <= unit * (20 + zoft::simd::floats<>::size));
    }
  }
}

TEST_CASE("decoder: with a cache, in any pieces, the bits of the whole", "[nn]") {
  const parts p;
  const random_stack r(p, 1, true, {"0q", "1k", "1v", "2down"});
  const auto additions = p.additions(r.stack);
  workspace whole, s;
  p.run().run(tokens(), counted(0, rows), additions, {0, 1}, whole);
  for (const std::vector<std::size_t>& pieces : {std::vector<std::size_t>{rows},
                                                 {1, rows - 1},
                                                 std::vector<std::size_t>(rows, 1),
                                                 {7, 1, 1, rows - 9},
                                                 {rows - 1, 1}}) {
    cache past{std::vector(p.c.layers, key_values(p.c.kv_heads, p.c.head_dim, dtype::f32))};
    std::vector<float> joined;
    std::size_t at = 0;
    for (const std::size_t n : pieces) {
      p.run().run(std::span(tokens()).subspan(at, n), counted(0, n), additions, {0, 1}, s, &past);
      joined.insert(joined.end(), s.stream.begin(), s.stream.end());
      at += n;
      CHECK(past.length == at);
    }
    CHECK(same_bits(joined, whole.stream));
  }
}

TEST_CASE("decoder: a long sequence in segments that threads share, in any number of groups, has the bits of the whole",
          "[nn]") {
  constexpr std::size_t length = 500, groups = 3, before = 3;  // as many rows of one group are computed at once
  const parts p(length + before);
  draws d(37);
  const auto ids = d.tokens(length, p.c.vocabulary);
  const random_stack r(p, groups, true, {"0v", "0down", "1q", "2o"});
  auto additions = p.additions(r.stack);
  const std::size_t width = p.c.kv_heads * p.c.head_dim;
  const std::vector<float> prefix = d.numbers(2 * groups * before * width);
  std::vector<std::size_t> all = counted(0, length), some;
  for (const std::size_t row : all)
    if (d.word() % 7 == 0) some.push_back(row);
  const std::size_t end[] = {length};

  for (const bool prefixed : {false, true}) {
    for (block_additions& one : additions)
      one.prefix = prefixed ? zoft::group_prefixes{prefix.data(), prefix.data() + before * width, 2 * before * width,
                                                   before, width}
                            : zoft::group_prefixes{};
    for (const auto& wanted : {all, some}) {
      const auto labels = d.tokens(wanted.size(), p.c.vocabulary);
      std::vector<float> streams, losses;
      for (std::size_t g = 0; g < groups; ++g) {
        workspace s;
        p.run().run(ids, end, wanted, additions, {g, 1}, s);
        REQUIRE(s.parts.empty());  // nothing was cut
        streams.insert(streams.end(), s.stream.begin(), s.stream.end());
        for (const token_score& score : p.run().scores(labels, s, {g, 1}))
          losses.push_back(static_cast<float>(score.nll));
      }
      for (const std::size_t workers : sizes{0, 1, 3}) {
        INFO("prefix " << prefixed << ", wanted " << wanted.size() << ", threads " << workers);
        const thread_pool threads(std::max<std::size_t>(workers, 1));
        const decoder<> run = p.run(workers == 0 ? nullptr : &threads);
        workspace s;
        run.run(ids, end, wanted, additions, {0, groups}, s);
        CHECK(!s.parts.empty());
        CHECK(same_bits(s.stream, streams));
        std::vector<float> own;
        for (const token_score& score : run.scores(labels, s, {0, groups}))
          own.push_back(static_cast<float>(score.nll));
        CHECK(same_bits(own, losses));
      }
    }
  }
}

TEST_CASE("decoder: behind a cache, a long sequence that threads share has the bits of the whole", "[nn]") {
  constexpr std::size_t length = 400;
  const parts p(length);
  draws d(38);
  const auto ids = d.tokens(length, p.c.vocabulary);
  workspace whole, s;
  p.run().run(ids, counted(0, length), {}, {0, 1}, whole);
  const thread_pool threads(2);
  for (const std::size_t first : sizes{0, 1, 64, 131}) {
    cache past{std::vector(p.c.layers, key_values(p.c.kv_heads, p.c.head_dim, dtype::f32))};
    std::vector<float> joined;
    for (const auto& [from, n] : {std::pair{std::size_t{0}, first}, std::pair{first, length - first}}) {
      if (n == 0) continue;
      p.run(&threads).run(std::span(ids).subspan(from, n), counted(0, n), {}, {0, 1}, s, &past);
      joined.insert(joined.end(), s.stream.begin(), s.stream.end());
    }
    CHECK(same_bits(joined, whole.stream));
  }
}
