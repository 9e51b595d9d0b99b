// A stacked forward equals the forwards that it stands for, bit for bit.
#include <functional>
#include <numeric>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>

#include "nn_support.hpp"

using namespace nn_test;
using namespace zoft::nn;
using zoft::low_rank_stack;

namespace {

constexpr std::size_t queries = 3;

batch ragged(std::size_t vocabulary, std::size_t longest) {
  draws d(51);
  batch result;
  for (const std::size_t length : {longest, std::size_t{2}, longest / 2, std::size_t{1}, std::size_t{7}}) {
    const std::vector<std::int32_t> ids = d.tokens(length, vocabulary);
    std::vector<std::int32_t> labels = ids;
    for (auto& label : labels)
      if (d.word() % 4 == 0) label = ignored;
    result.add(ids, labels);
  }
  return result;
}

batch single(std::size_t vocabulary, std::size_t length) {
  batch result;
  result.add(draws(52).tokens(length, vocabulary));
  return result;
}

/// The losses of all 2q candidates of one step, away from the start so that neither A nor B is what it began as: in one
/// forward, and in 2q.
template <class Adapter>
void check_stack(const std::vector<transformer>& models, const batch& b, const Adapter& adapter) {
  const auto make = [&] {
    auto tuner = zoft::prge({.queries = queries, .epsilon = 0.2, .learning_rate = 0.1, .seed = 5}, adapter);
    tuner.attach(models[0]);
    tuner.ask();
    tuner.tell(std::vector<double>{1.5, 0.5, 2.0, 1.0, 0.0, 3.0});
    return tuner;
  };
  auto tuner = make();
  std::vector<double> stacked(2 * queries);
  std::vector<token_score> scores;
  {
    const auto all = tuner.ask();
    REQUIRE(all.size() == 2 * queries);
    models[0].losses(b, all, stacked);
    scores = models[0].score(b, all);
    for (std::size_t i = 1; i < models.size(); ++i) {
      std::vector<double> by_threads(2 * queries);
      models[i].losses(b, all, by_threads);
      INFO("threads " << models[i].threads().workers());
      CHECK(same_bits(by_threads, stacked));
      CHECK(same_bits(models[i].score(b, all), scores));
    }
  }
  for (std::size_t i = 0; i < 2 * queries; ++i) {
    const auto one = tuner.ask(i, 1);
    REQUIRE(one.size() == 1);
    CHECK(same_bits(std::vector{models[0].loss(b, one)}, {stacked[i]}));
    const auto from = scores.begin() + static_cast<std::ptrdiff_t>(i * b.predicted());
    CHECK(same_bits(models[0].score(b, one), {from, from + static_cast<std::ptrdiff_t>(b.predicted())}));
    for (std::size_t j = 0; j < i; ++j) CHECK(stacked[i] != stacked[j]);
  }
  // Some of the candidates, as when a step is cut into calls; of five, no two threads get as many.
  const auto some = tuner.ask(1, 5);
  for (const transformer& model : models) {
    std::vector<double> part(5);
    model.losses(b, some, part);
    CHECK(same_bits(part, {stacked.begin() + 1, stacked.end()}));
  }
}

std::vector<transformer> in_threads(const std::function<transformer(const load_options&)>& make) {
  std::vector<transformer> result;
  for (const std::size_t threads : sizes{1, 2, 7}) result.push_back(make({.threads = threads}));
  return result;
}

const std::vector<std::vector<std::string>>& target_sets() {
  static const std::vector<std::vector<std::string>> result{
      {},
      {"q_proj", "v_proj"},
      {"model.layers.1.self_attn.q_proj", "model.layers.1.mlp.up_proj", "model.layers.1.mlp.down_proj"},
      {"model.layers.1.mlp.down_proj"},
      {"model.layers.0.self_attn.o_proj"}};
  return result;
}

}  // namespace

TEST_CASE("groups: the stacked losses of Hugging Face's models, for lora and lora_fa on any linears", "[nn]") {
  for (const std::string name : {"llama_tied_f32", "llama_untied_f32", "qwen2_f32"}) {
    const auto models = in_threads([&](const load_options& o) { return fixture_model(name, o); });
    for (const auto& targets : target_sets())
      for (const batch& b : {ragged(32, 32), single(32, 20)}) {
        INFO(name << ", " << targets.size() << " targets, " << b.size() << " sequences");
        check_stack(models, b, zoft::lora_fa{.rank = 4, .alpha = 8, .targets = targets});
        check_stack(models, b, zoft::lora{.rank = 3, .alpha = 6, .targets = targets});
      }
  }
}

TEST_CASE("groups: the stacked losses of a model of odd extents, in every type of weights", "[nn]") {
  for (const dtype type : {dtype::f32, dtype::bf16, dtype::i8, dtype::i4, dtype::nf4}) {
    const auto models = in_threads([&](load_options o) {
      o.weights = type;
      return random_model(odd_shape(), {true, false, true}, 53, o);
    });
    for (const batch& b : {ragged(51, 150), single(51, 101)}) {
      INFO(name_of(type) << ", " << b.size() << " sequences");
      check_stack(models, b, zoft::lora_fa{.rank = 5});
      check_stack(models, b, zoft::lora{.rank = 5, .targets = {"k_proj", "gate_proj", "down_proj"}});
    }
  }
}

TEST_CASE("groups: the stacked losses for prefix, bias_only and norm_only", "[nn]") {
  const auto check = [](const std::vector<transformer>& models, const batch& b) {
    check_stack(models, b, zoft::prefix{});
    check_stack(models, b, zoft::prefix{.length = 1, .tokens = {7}});
    check_stack(models, b, zoft::bias_only{});
    check_stack(models, b, zoft::bias_only{.targets = {"layers.1.self_attn.v_proj", "down_proj"}});
    check_stack(models, b, zoft::norm_only{});
    for (const std::string norm : {"0.input_layernorm", "1.post_attention_layernorm", "model.norm"})
      check_stack(models, b, zoft::norm_only{.targets = {norm}});
  };
  for (const std::string name : {"llama_tied_f32", "qwen2_f32"}) {
    const auto models = in_threads([&](const load_options& o) { return fixture_model(name, o); });
    for (const batch& b : {ragged(32, 27), single(32, 20)}) check(models, b);
  }
  for (const dtype type : {dtype::f32, dtype::bf16, dtype::i8, dtype::i4, dtype::nf4}) {
    const auto models = in_threads([&](load_options o) {
      o.weights = type;
      return random_model(odd_shape(), {true, false, true}, 53, o);
    });
    INFO(name_of(type));
    check(models, ragged(51, 145));
    // Longer than a block of keys, beginning within one.
    check_stack(models, ragged(51, 90), zoft::prefix{.length = 37});
  }
}

TEST_CASE("groups: a sequence has the scores that it has alone, whatever is scored beside it", "[nn]") {
  draws d(54);
  // Ragged ones, single tokens, and ones whose labels all, or the last of them, are ignored: those have no row, or
  // fewer.
  const std::size_t lengths[] = {1, 30, 9, 2, 1, 40, 5, 17, 3, 1};
  std::vector<std::vector<std::int32_t>> tokens, labels;
  for (const std::size_t length : lengths) {
    tokens.push_back(d.tokens(length, 51));
    labels.push_back(tokens.back());
    for (auto& label : labels.back())
      if (length == 9 || d.word() % 3 == 0) label = ignored;
  }
  labels[5][39] = labels[5][38] = ignored;
  labels[3][1] = labels[7][16] = 4;
  for (const dtype type : {dtype::f32, dtype::bf16, dtype::i8, dtype::i4, dtype::nf4})
    for (const std::size_t threads : sizes{1, 2, 7}) {
      const transformer model =
          random_model(odd_shape(), {true, false, true}, 55, {.weights = type, .threads = threads});
      const auto check = [&](const low_rank_stack& adapters, std::span<const std::size_t> chosen) {
        INFO(name_of(type) << ", threads " << threads << ", groups " << adapters.size() << ", sequences "
                           << chosen.size() << " from " << chosen[0]);
        batch all;
        std::vector<token_score> wanted;
        std::vector<std::vector<token_score>> alone;
        for (const std::size_t i : chosen) {
          all.add(tokens[i], labels[i]);
          batch one;
          one.add(tokens[i], labels[i]);
          alone.push_back(one.predicted() == 0 ? std::vector<token_score>{} : model.score(one, adapters));
        }
        for (std::size_t g = 0; g < adapters.size(); ++g)
          for (const auto& scores : alone) {
            const std::size_t n = scores.size() / adapters.size();
            for (std::size_t t = 0; t < n; ++t) wanted.push_back(scores[g * n + t]);
          }
        CHECK(same_bits(model.score(all, adapters), wanted));
      };
      const auto check_all = [&](const low_rank_stack& adapters) {
        const std::vector<std::vector<std::size_t>> compositions{
            {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, {2, 5, 2, 0, 5}, {7, 7, 7}, {0, 0, 3, 2}};
        for (const auto& chosen : compositions) check(adapters, chosen);
      };
      check_all(low_rank_stack(1));
      auto tuner = zoft::prge({.queries = queries, .epsilon = 0.2, .seed = 8}, zoft::lora{.rank = 3});
      tuner.attach(model);
      check_all(tuner.ask());
      check_all(tuner.ask(2, 1));
    }
}

TEST_CASE("groups: the stacked losses of a real model", "[nn]") {
  const auto path = io_test::real_data("stories260K/stories260K.bin");
  if (!path) return;
  const auto models = in_threads([&](const load_options& o) { return load(*path, o); });
  for (const batch& b : {ragged(512, 100), single(512, 130)}) {
    check_stack(models, b, zoft::lora_fa{.rank = 8});
    check_stack(models, b, zoft::lora{.rank = 8, .targets = {"q_proj", "v_proj"}});
  }
}

TEST_CASE("groups: an adapter that begins at 0 changes no bit", "[nn]") {
  for (const std::string name : {"llama_tied_f32", "llama_untied_f32", "qwen2_f32"}) {
    INFO(name);
    const transformer model = fixture_model(name);
    const batch b = ragged(32, 32);
    const auto check = [&](const auto& adapter) {
      auto tuner = zoft::prge({.queries = queries, .seed = 6}, adapter);
      tuner.attach(model);
      CHECK(same_bits(model.score(b, tuner.adapter()), model.score(b)));
      CHECK(model.loss(b, tuner.adapter()) == model.loss(b));
    };
    check(zoft::lora{.rank = 4});
    check(zoft::bias_only{});
    check(zoft::norm_only{});
  }
}

TEST_CASE("groups: a stack that adapts nothing has the model's loss in every place", "[nn]") {
  const transformer model = fixture_model("llama_tied_f32");
  const batch b = ragged(32, 32);
  std::vector<double> losses(4);
  model.losses(b, low_rank_stack(4), losses);
  CHECK(same_bits(losses, std::vector<double>(4, model.loss(b))));
}

TEST_CASE("groups: of examples, each on its own sequence, and their mean is the batch's loss", "[nn]") {
  const batch b = ragged(51, 40);
  const auto check = [&](const std::vector<transformer>& models, const auto& adapter, criterion of) {
    auto tuner = zoft::prge({.queries = b.size(), .epsilon = 0.2, .seed = 5}, adapter);
    tuner.attach(models[0]);
    std::vector<double> losses(2 * b.size());
    models[0].example_losses(b, tuner.ask(), losses, of);
    for (const transformer& model : models) {
      std::vector<double> by_threads(losses.size());
      model.example_losses(b, tuner.ask(), by_threads, of);
      CHECK(same_bits(by_threads, losses));
    }
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const batch::sequence own = b[i % b.size()];
      batch one;
      one.add(own.tokens, own.labels);
      const double weight = counted(of, one) * static_cast<double>(b.size()) / counted(of, b);
      CHECK(losses[i] == (weight == 0 ? 0 : weight * models[0].loss(one, tuner.ask(i, 1), of)));
    }
    std::vector<double> few(4);
    CHECK(io_test::message_of([&] { models[0].example_losses(b, tuner.ask(0, 4), few); }) ==
          "zoft: transformer: there are 4 losses of 4 adapters on 5 sequences, and must be as many of each sequence");
  };
  const auto models = in_threads([](const load_options& o) {
    return random_model(odd_shape(), {true, false, true}, 53, o);
  });
  for (const criterion of : {criterion::loss, criterion::accuracy, criterion::exact_match}) {
    check(models, zoft::lora{.rank = 2}, of);
    check(models, zoft::lora_fa{.rank = 3}, of);
    check(models, zoft::prefix{}, of);
    check(models, zoft::bias_only{}, of);
    check(models, zoft::norm_only{}, of);
    std::vector<double> losses(b.size());
    models[0].example_losses(b, low_rank_stack(b.size()), losses, of);
    CHECK(std::accumulate(losses.begin(), losses.end(), 0.0) / static_cast<double>(losses.size()) ==
          Approx(models[0].loss(b, low_rank_stack(1), of)).epsilon(1e-12));
  }
}
