#include <thread>
#include <type_traits>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;
using zoft::low_rank_stack;

// Or a vector of models would copy their weights when it grows.
static_assert(std::is_nothrow_move_constructible_v<transformer>);

namespace {

using ids = std::vector<std::int32_t>;

constexpr std::size_t plenty = std::size_t{1} << 24;

struct fill {
  std::size_t block;
  ids tokens;
  float value;
};

/// Four bytes a token, and four for each of two numbers of its stream.
constexpr std::size_t dim = 2;
constexpr std::size_t bytes_kept(std::size_t tokens, std::size_t width = dim) { return tokens * (width + 1) * 4; }

std::vector<float> stream_of(const fill& f) { return std::vector<float>(f.tokens.size() * dim, f.value); }
void keep(activation_cache& c, const fill& f) { c.keep(f.block, f.tokens, stream_of(f)); }
bool has(activation_cache& c, const fill& f) {
  std::vector<float> found(f.tokens.size() * dim, not_a_number);
  if (c.find(f.block, f.tokens, found)) return same_bits(found, stream_of(f));
  for (const float value : found) CHECK(std::isnan(value));
  return false;
}

bool equal(const activation_cache::counters& c, std::size_t hits, std::size_t misses, std::size_t sequences,
           std::size_t bytes) {
  INFO(c.hits << " hits, " << c.misses << " misses, " << c.sequences << " sequences, " << c.bytes << " bytes");
  CHECK((c.hits == hits && c.misses == misses && c.sequences == sequences && c.bytes == bytes));
  return c.hits == hits && c.misses == misses && c.sequences == sequences && c.bytes == bytes;
}

/// Some of the sequences of one long list, labelled in part: a batch shares sequences with those before it.
batch drawn_batch(std::size_t seed, std::size_t vocabulary, std::size_t longest) {
  draws choice(seed);
  batch result;
  for (std::size_t i = 0; i < 5; ++i) {
    draws d(100 + choice.word() % 8);
    const ids tokens = d.tokens(d.size(1, longest), vocabulary);
    ids labels = tokens;
    for (auto& label : labels)
      if (d.word() % 4 == 0) label = ignored;
    result.add(tokens, labels);
  }
  result.add(draws(99).tokens(longest / 2, vocabulary));
  return result;
}

batch of(const std::vector<ids>& sequences) {
  batch result;
  for (const ids& s : sequences) result.add(s);
  return result;
}

/// An adapter away from its start, where it is the model.
template <class Adapter>
auto moved_tuner(const transformer& model, const Adapter& adapter, std::size_t queries = 2) {
  auto tuner = zoft::prge({.queries = queries, .epsilon = 0.2, .learning_rate = 0.1, .seed = 5}, adapter);
  tuner.attach(model);
  tuner.ask();
  std::vector<double> losses(2 * queries);
  for (std::size_t i = 0; i < losses.size(); ++i) losses[i] = static_cast<double>(i * i % 5);
  tuner.tell(losses);
  return tuner;
}

transformer odd_model(std::size_t cache, std::size_t threads = 1, dtype type = dtype::f32) {
  return random_model(odd_shape(), {true, false, true}, 53,
                      {.weights = type, .threads = threads, .activation_cache = cache});
}

struct run {
  std::vector<double> losses;
  std::vector<float> trained;

  friend bool operator==(const run& a, const run& b) {
    return same_bits(a.losses, b.losses) && same_bits(a.trained, b.trained);
  }
};

template <class Adapter>
run train(const transformer& model, const Adapter& adapter, std::size_t steps) {
  auto tuner = zoft::prge({.queries = 3, .epsilon = 0.1, .learning_rate = 0.05, .seed = 7}, adapter);
  tuner.attach(model);
  run result;
  for (std::size_t step = 0; step < steps; ++step) {
    const batch b = drawn_batch(step, model.shape().vocabulary, 40);
    tuner.step([&](const auto& adapters, std::span<double> losses) {
      model.losses(b, adapters, losses);
      result.losses.insert(result.losses.end(), losses.begin(), losses.end());
    });
  }
  const auto trained = tuner.adapter().parameters();
  result.trained.assign(trained.begin(), trained.end());
  return result;
}

template <class Adapter>
void check_training(const Adapter& adapter, dtype type) {
  const run plain = train(odd_model(0, 1, type), adapter, 12);
  CHECK(plain.losses.size() == 12 * 6);
  CHECK(std::any_of(plain.trained.begin(), plain.trained.end(), [](float x) { return x != 0; }));
  for (const std::size_t threads : sizes{1, 2, 7})
    for (const std::size_t bytes : {std::size_t{1}, bytes_kept(60, 22), plenty}) {
      INFO(name_of(type) << ", " << adapter.targets[0] << ", " << threads << " threads, " << bytes << " bytes");
      const transformer model = odd_model(bytes, threads, type);
      CHECK(train(model, adapter, 12) == plain);
      const auto count = model.activations().count();
      CHECK(count.bytes <= bytes);
      CHECK(count.misses > 0);
      CHECK((count.hits > 0) == (bytes > 1));
      CHECK((count.sequences > 0) == (bytes > 1));
      if (bytes < plenty) continue;
      CHECK(train(model, adapter, 12) == plain);
      const auto again = model.activations().count();
      CHECK((again.misses == count.misses && again.bytes == count.bytes));
    }
}

}  // namespace

TEST_CASE("activation_cache: by block and all tokens", "[nn]") {
  activation_cache c(plenty);
  CHECK(c.most_bytes() == plenty);
  const fill a{1, {3, 1, 4}, 1}, prefix{1, {3, 1}, 2}, longer{1, {3, 1, 4, 1}, 3}, other{1, {3, 1, 5}, 4},
      above{2, {3, 1, 4}, 5}, first{1, {2, 1, 4}, 6};
  const std::vector<fill> all{a, prefix, longer, other, above, first};
  for (std::size_t n = 0; n < all.size(); ++n) {
    for (std::size_t i = 0; i < all.size(); ++i) CHECK(has(c, all[i]) == (i < n));
    keep(c, all[n]);
  }
  for (const fill& f : all) CHECK(has(c, f));
  CHECK(equal(c.count(), 15 + 6, 21, 6, bytes_kept(3 + 2 + 4 + 3 + 3 + 3)));
  // What is there already takes no more room.
  keep(c, a);
  CHECK(equal(c.count(), 21, 21, 6, bytes_kept(18)));
  c.clear();
  CHECK(equal(c.count(), 21, 21, 0, 0));
  for (const fill& f : all) CHECK(!has(c, f));
}

TEST_CASE("activation_cache: what was used least recently goes first, and only as much as must", "[nn]") {
  const fill a{1, {1, 1}, 1}, b{1, {2, 2}, 2}, c{1, {3, 3}, 3}, d{1, {4, 4}, 4}, large{1, {5, 5, 5, 5, 5}, 5};
  activation_cache x(bytes_kept(6));
  for (const fill& f : {a, b, c}) keep(x, f);
  CHECK(equal(x.count(), 0, 0, 3, bytes_kept(6)));
  CHECK(has(x, a));
  keep(x, d);
  CHECK(!has(x, b));
  CHECK((has(x, a) && has(x, c) && has(x, d)));
  keep(x, a);  // a use too
  keep(x, b);
  CHECK(!has(x, c));
  CHECK((has(x, d) && has(x, a) && has(x, b)));
  keep(x, large);
  CHECK((!has(x, d) && !has(x, a) && !has(x, b)));
  CHECK(has(x, large));
  CHECK(x.count().bytes == bytes_kept(5));
  // Too large for all of it: nothing has to go for it.
  keep(x, {1, ids(7, 6), 6});
  CHECK(has(x, large));
  keep(x, {1, ids(6, 6), 6});
  CHECK(equal(x.count(), x.count().hits, x.count().misses, 1, bytes_kept(6)));

  activation_cache off;
  keep(off, a);
  CHECK(!has(off, a));
  CHECK(off.count().bytes == 0);
}

TEST_CASE("activation_cache: a copy begins empty, with the same bound", "[nn]") {
  const fill a{1, {1, 2}, 1};
  activation_cache x(1000), y(10);
  keep(x, a);
  activation_cache copy = x;
  CHECK((copy.most_bytes() == 1000 && copy.count().bytes == 0 && !has(copy, a)));
  keep(copy, {1, {1, 2}, 2});
  CHECK(has(x, a));
  x = y;
  CHECK((x.most_bytes() == 10 && !has(x, a)));
  const auto& self = copy;
  copy = self;
  CHECK(has(copy, {1, {1, 2}, 2}));
}

TEST_CASE("activation_cache: only what is missing is computed, all together", "[nn]") {
  activation_cache c(plenty);
  keep(c, {1, {1, 2}, 9});
  const ids tokens{7, 1, 2, 1, 2, 3, 8};
  const std::vector<std::size_t> ends{1, 3, 3, 6, 7};
  std::vector<float> stream;
  std::size_t calls = 0;
  const auto complete = [&] {
    c.complete(1, tokens, ends, dim, stream, [&](const ids& t, const std::vector<std::size_t>& e) {
      ++calls;
      CHECK(t == ids{7, 1, 2, 3, 8});
      CHECK(e == std::vector<std::size_t>{1, 4, 5});
      static const std::vector<float> result{1, 1, 2, 2, 3, 3, 4, 4, 5, 5};
      return std::span<const float>(result);
    });
    CHECK(stream == std::vector<float>{1, 1, 9, 9, 9, 9, 2, 2, 3, 3, 4, 4, 5, 5});
  };
  complete();
  CHECK(equal(c.count(), 1, 3, 4, bytes_kept(7)));
  stream.assign(100, not_a_number);
  complete();
  CHECK(equal(c.count(), 5, 3, 4, bytes_kept(7)));
  CHECK(calls == 1);
}

TEST_CASE("activation_cache: training upper blocks gives the same bits with it and without", "[nn]") {
  for (const dtype type : {dtype::f32, dtype::bf16}) {
    for (const std::string target : {"layers.2", "layers.1.mlp.down_proj", "2.mlp.down_proj"}) {
      check_training(zoft::lora_fa{.rank = 4, .targets = {target}}, type);
      check_training(zoft::lora{.rank = 3, .targets = {target}}, type);
    }
    check_training(zoft::bias_only{.targets = {"layers.1.mlp.down_proj"}}, type);
    for (const std::string target : {"layers.2", "1.post_attention_layernorm", "model.norm"})
      check_training(zoft::norm_only{.targets = {target}}, type);
  }
}

TEST_CASE("activation_cache: below what is adapted in the first block there is nothing to keep", "[nn]") {
  const transformer model = odd_model(plenty), plain = odd_model(0);
  const auto check = [&](const auto& adapter) {
    CHECK(train(model, adapter, 3) == train(plain, adapter, 3));
    CHECK(equal(model.activations().count(), 0, 0, 0, 0));
  };
  check(zoft::prefix{});
  check(zoft::bias_only{});
  check(zoft::norm_only{.targets = {"layers.0.input_layernorm", "model.norm"}});
}

TEST_CASE("activation_cache: of a model, what is kept and found", "[nn]") {
  transformer model = odd_model(plenty);
  const transformer plain = odd_model(0);
  draws d(71);
  const ids a = d.tokens(9, 51), b = d.tokens(14, 51), c = d.tokens(5, 51);
  const auto bytes = [](std::size_t tokens) { return bytes_kept(tokens, 22); };
  auto top = moved_tuner(model, zoft::lora_fa{.rank = 4, .targets = {"layers.2"}});
  auto middle = moved_tuner(model, zoft::lora_fa{.rank = 4, .targets = {"layers.1.self_attn.v_proj", "layers.2"}});
  auto bottom = moved_tuner(model, zoft::lora_fa{.rank = 4, .targets = {"layers.0.mlp.down_proj", "layers.2"}});
  const auto check = [&](const batch& x, const low_rank_stack& adapters) {
    CHECK(same_bits(model.score(x, adapters), plain.score(x, adapters)));
  };

  // Neither a model without adapters nor one with adapters in its first block has a use for it.
  check(of({a, b}), low_rank_stack(1));
  check(of({a, b}), bottom.adapter());
  CHECK(equal(model.activations().count(), 0, 0, 0, 0));
  model.logits(a, top.adapter());
  CHECK(equal(model.activations().count(), 0, 0, 0, 0));

  // The last token of a sequence predicts nothing.
  check(of({a, b}), top.adapter());
  CHECK(equal(model.activations().count(), 0, 2, 2, bytes(8 + 13)));
  // Batches that share a sequence: alone, among others, and with other adapters of the same blocks.
  check(of({b}), top.adapter());
  check(of({c, b, a}), top.ask());
  CHECK(equal(model.activations().count(), 3, 3, 3, bytes(8 + 13 + 4)));
  // The same tokens into another block.
  check(of({a}), middle.adapter());
  check(of({a}), middle.ask());
  check(of({a}), top.ask());
  CHECK(equal(model.activations().count(), 5, 4, 4, bytes(2 * 8 + 13 + 4)));
  // Labels are no part of it, but for where the last one is; and without labels nothing is computed.
  ids labels(14, ignored), none(9, ignored);
  labels[13] = 3;
  batch labelled;
  labelled.add(b, labels);
  labelled.add(a, none);
  check(labelled, top.adapter());
  CHECK(equal(model.activations().count(), 6, 4, 4, bytes(2 * 8 + 13 + 4)));
  labels[13] = ignored;
  labels[6] = 3;
  batch shorter;
  shorter.add(b, labels);
  check(shorter, top.adapter());
  CHECK(equal(model.activations().count(), 6, 5, 5, bytes(2 * 8 + 13 + 4 + 6)));

  // A copy has its own.
  const transformer copy = model;
  CHECK(equal(copy.activations().count(), 0, 0, 0, 0));
  CHECK(same_bits(copy.score(of({a}), top.adapter()), plain.score(of({a}), top.adapter())));
  CHECK(equal(copy.activations().count(), 0, 1, 1, bytes(8)));
  CHECK(equal(model.activations().count(), 6, 5, 5, bytes(2 * 8 + 13 + 4 + 6)));
}

TEST_CASE("activation_cache: with other weights nothing is left of it", "[nn]") {
  transformer model = odd_model(plenty), plain = odd_model(0);
  const batch b = drawn_batch(3, 51, 30);
  auto tuner = moved_tuner(model, zoft::lora_fa{.rank = 4, .targets = {"layers.2"}});
  const auto before = model.score(b, tuner.adapter());
  CHECK(model.activations().count().bytes > 0);
  std::vector<float> weights = model.weights();
  for (float& w : weights) w *= 1.1f;
  model.assign(weights);
  plain.assign(weights);
  CHECK(model.activations().count().bytes == 0);
  const auto after = model.score(b, tuner.adapter());
  CHECK(!same_bits(after, before));
  CHECK(same_bits(after, plain.score(b, tuner.adapter())));
  // The whole model is another.
  model = odd_model(plenty);
  CHECK(same_bits(model.score(b, tuner.adapter()), before));
}

TEST_CASE("activation_cache: a task may have some of its sequences kept, in any places", "[nn]") {
  const transformer plain = odd_model(0);
  const std::vector<ids> all = [] {
    draws d(72);
    std::vector<ids> result;
    for (const std::size_t length : sizes{12, 2, 30, 7, 19}) result.push_back(d.tokens(length, 51));
    return result;
  }();
  auto tuner = moved_tuner(plain, zoft::lora_fa{.rank = 4, .targets = {"layers.1"}}, 3);
  const low_rank_stack adapters = tuner.ask();
  const auto wanted = plain.score(of(all), adapters);
  for (const std::size_t threads : sizes{1, 7})
    for (std::size_t kept = 0; kept < 32; ++kept) {
      const transformer model = odd_model(plenty, threads);
      for (std::size_t i = 0; i < all.size(); ++i)
        if ((kept >> i & 1) != 0) model.loss(of({all[i]}), tuner.adapter());
      INFO("kept: " << kept << ", " << threads << " threads");
      CHECK(same_bits(model.score(of(all), adapters), wanted));
      CHECK(same_bits(model.score(of(all), adapters), wanted));
      CHECK(model.activations().count().sequences == all.size());
    }
}

TEST_CASE("activation_cache: several threads may share a model", "[nn]") {
  const transformer plain = odd_model(0);
  for (const std::size_t bytes : {bytes_kept(70, 22), plenty}) {
    const transformer model = odd_model(bytes, 2);
    std::vector<std::vector<token_score>> found(3 * 6), wanted;
    const auto top = moved_tuner(model, zoft::lora_fa{.rank = 4, .targets = {"layers.2"}});
    const auto middle = moved_tuner(model, zoft::lora_fa{.rank = 4, .targets = {"layers.1"}});
    const auto score = [&](const transformer& m, std::size_t caller, std::size_t step) {
      return m.score(drawn_batch(step, 51, 30), caller == 2 ? middle.adapter() : top.adapter());
    };
    std::vector<std::thread> callers;
    for (std::size_t caller = 0; caller < 3; ++caller)
      callers.emplace_back([&, caller] {
        for (std::size_t step = 0; step < 6; ++step) {
          found[caller * 6 + step] = score(model, caller, step);
          if (model.activations().count().bytes > bytes) found[caller * 6 + step].clear();
        }
      });
    for (std::thread& caller : callers) caller.join();
    for (std::size_t caller = 0; caller < 3; ++caller)
      for (std::size_t step = 0; step < 6; ++step)
        CHECK(same_bits(found[caller * 6 + step], score(plain, caller, step)));
    CHECK(model.activations().count().hits > 0);
  }
}
