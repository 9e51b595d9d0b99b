// What weights in fewer bits do to losses, and to the slopes that training depends on.
#include <zoft/io/tokenizer/llama2c.hpp>
#include <zoft/prge.hpp>

#include "nn_reference.hpp"
#include "nn_support.hpp"

using namespace nn_test;
using namespace io_test;
using namespace zoft::nn;
using zoft::io::json;

namespace {

double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  double ma = 0, mb = 0, ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    ma += a[i] / static_cast<double>(a.size()), mb += b[i] / static_cast<double>(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
  }
  return ab / std::sqrt(aa * bb);
}

}  // namespace

TEST_CASE("precision: the golden text's loss with weights in fewer bits", "[nn]") {
  const struct {
    const char *folder, *checkpoint;
  } models[] = {{"stories260K", "stories260K.bin"}, {"babyllama_tok105", "model5000.bin"}};
  // 4 bits have no bound of their own: what they come to is said.
  const struct {
    dtype type;
    double bound;
  } kept[] = {{dtype::bf16, 0.01}, {dtype::i8, 0.02}, {dtype::i4, 0.5}, {dtype::nf4, 0.5}};
  for (const auto& m : models) {
    const auto golden = real_data(std::string(m.folder) + "/golden.json"),
               path = real_data(std::string(m.folder) + "/" + m.checkpoint);
    if (!golden || !path) return;
    const json expected = json::parse(read_file(*golden));
    batch b;
    b.add(expected["tokens"].get<std::vector<std::int32_t>>());
    for (const auto& k : kept) {
      const double apart = load(*path, {.weights = k.type}).loss(b) - expected["mean_nll"].get<double>();
      std::printf("%s, %s: mean nll %+.5f\n", m.folder, std::string(name_of(k.type)).c_str(), apart);
      CHECK(std::abs(apart) < k.bound);
    }
  }
}

TEST_CASE("precision: slopes of stories260K along many directions, against a forward in double", "[nn]") {
  const auto path = real_data("stories260K/stories260K.bin"), golden = real_data("stories260K/golden.json");
  if (!path || !golden) return;
  auto ids = json::parse(read_file(*golden))["tokens"].get<std::vector<std::int32_t>>();
  ids.resize(std::min<std::size_t>(ids.size(), 24));
  batch b;
  b.add(ids);
  // Sanitizers make these forwards ten times as slow, and see all that they do in the first of them.
#if defined(__SANITIZE_ADDRESS__)
  constexpr std::size_t directions = 25;
#else
  constexpr std::size_t directions = 200;
#endif
  for (const dtype type : {dtype::f32, dtype::bf16, dtype::i8, dtype::i4, dtype::nf4}) {
    const transformer model = load(*path, {.weights = type});
    const reference_model exact(model);
    auto tuner = zoft::prge({.queries = directions, .epsilon = 1e-2, .learning_rate = 0, .seed = 71}, zoft::lora_fa{});
    tuner.attach(model);
    const auto shown = tuner.ask();
    std::vector<double> losses(shown.size()), reference(shown.size()), slopes, reference_slopes;
    model.losses(b, shown, losses);
    double mean = 0, square = 0;
    for (std::size_t i = 0; i < losses.size(); ++i) {
      reference[i] = exact.loss(ids, shown, i);
      const double error = losses[i] - reference[i], count = static_cast<double>(losses.size());
      mean += error / count;
      square += error * error / count;
    }
    for (std::size_t i = 0; i < losses.size(); i += 2) {
      slopes.push_back(losses[i] - losses[i + 1]);
      reference_slopes.push_back(reference[i] - reference[i + 1]);
    }
    const double r = correlation(slopes, reference_slopes);
    std::printf("%s: correlation of slopes 1 - %.1e, noise of the loss %.1e\n", std::string(name_of(type)).c_str(),
                1 - r, std::sqrt(std::max(0.0, square - mean * mean)));
    CHECK(r >= 0.99);
    // Rounding activations to bfloat16 moves this text's loss by some 10⁻³, much the same in all groups.
    CHECK(std::abs(mean) < (packed_matrix::in_pairs && type != dtype::f32 ? 1e-2 : 1e-5));
  }
}
