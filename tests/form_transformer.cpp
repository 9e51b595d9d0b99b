// The promised forms of use 7 and 8, as a user writes them.
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>

#include "nn_support.hpp"

namespace {

/// A working folder in which the fixture is called model-dir.
class beside_model {
 public:
  explicit beside_model(const std::string& name) : before_(std::filesystem::current_path()) {
    std::filesystem::create_directory_symlink(io_test::fixture(name), folder_.path("model-dir"));
    std::filesystem::current_path(folder_.path());
  }
  ~beside_model() { std::filesystem::current_path(before_); }

 private:
  io_test::scratch folder_;
  std::filesystem::path before_;
};

}  // namespace

TEST_CASE("form 7: LoRA-FA on the built-in transformer, all 2q copies in one forward", "[form]") {
  const beside_model here("llama_tied_f32");
  zoft::nn::batch task;
  for (const std::int32_t first : {1, 9, 17, 25})
    task.add(std::vector<std::int32_t>{first, first + 1, first + 2, first + 3, first + 4, first + 5, first + 6});
  const std::vector<zoft::nn::batch> data(400, task);

  // clang-format off
  auto model = zoft::nn::load("model-dir", {.weights = zoft::nn::dtype::bf16});
  auto tuner = zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 1e-2, .seed = 42}, zoft::lora_fa{.rank = 8, .alpha = 16});
  tuner.attach(model);                            // A and B for its linears; anything with a layout() can be attached to
  for (const auto& batch : data)
    tuner.step([&](const auto& adapters, std::span<double> losses) { model.losses(batch, adapters, losses); });
  tuner.adapter();                                // what was trained: to save, to merge, to generate with
  // clang-format on

  const double before = model.loss(task), after = model.loss(task, tuner.adapter());
  INFO("from " << before << " to " << after);
  CHECK(after < 0.5 * before);
  CHECK(model.generate(std::vector<std::int32_t>{1}, 3, -1, tuner.adapter()).size() == 4);
}

TEST_CASE("form 8: kernels can be used alone", "[form]") {
  nn_test::draws d(71);
  const std::size_t rows = 3;
  const std::vector<float> weights = d.numbers(std::size_t{2048} * 2048), x = d.numbers(rows * 2048);
  std::vector<float> y(rows * 2048), reference(rows * 2048);

  // clang-format off
  zoft::nn::packed_matrix w = zoft::nn::pack(std::span<const float>(weights), /*out*/ 2048, /*in*/ 2048, zoft::nn::dtype::bf16);
  zoft::nn::matmul(x, rows, w, y);              // y = x · wᵀ
  // clang-format on

  zoft::nn::matmul_reference(x, rows, weights, reference);
  // 2048 terms xw of standard deviation 1/3, each with a relative rounding error uniform in ±2⁻⁸ at most: six standard
  // deviations of their sum are 6·√2048·(1/3)·2⁻⁸/√3 = 0.2.
  CHECK(nn_test::distance(y, reference) < 0.21);
  CHECK(nn_test::distance(y, reference) > 1e-4);
}
