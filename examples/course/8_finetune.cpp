// 8. The fine-tune, in 40 lines.
//
// A character-level Llama of 176,768 parameters writes dates the American way; it shall learn the British way, from
// examples and forward passes alone. `examples/finetune` is the same with options, data of one's own, and a curve.
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>
#include <zoft/io/tokenizer/llama2c.hpp>
#include <zoft/nn/transformer.hpp>
#include <zoft/prge.hpp>
#include <zoft/schedule/linear.hpp>

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : ZOFT_DEFAULT_TASK;
  const zoft::io::llama2c_tokenizer tokenizer(folder + "/tokenizer.bin");
  const zoft::nn::transformer model = zoft::nn::load(folder);

  // A line of the data is a prompt, a tab, and the answer; the loss is the answer's.
  const auto read = [&](const std::string& name) {
    std::vector<zoft::nn::batch> batches;
    std::ifstream file(folder + name);
    std::size_t lines = 0;
    for (std::string line; std::getline(file, line); ++lines) {
      const std::size_t tab = line.find('\t');
      const std::size_t given = tokenizer.encode(line.substr(0, tab) + "\n").size();
      const auto tokens = tokenizer.encode(line.substr(0, tab) + "\n" + line.substr(tab + 1), true, true);
      auto labels = tokens;
      std::fill_n(labels.begin(), given, zoft::nn::ignored);
      if (lines % 16 == 0) batches.emplace_back();
      batches.back().add(tokens, labels);
    }
    return batches;
  };
  const auto train = read("/train.pairs"), heldout = read("/heldout.pairs");

  constexpr std::uint32_t steps = 300;
  auto tuner =
      zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 5e-2, .schedule = zoft::linear(steps, 50), .seed = 0},
                 zoft::lora_fa{.rank = 8, .alpha = 16});
  tuner.attach(model);
  for (std::uint32_t step = 0; step <= steps; ++step) {
    if (step % 50 == 0) std::printf("step %3u: held-out loss %.4f\n", step, model.loss(heldout[0], tuner.adapter()));
    tuner.step([&](const auto& adapters, std::span<double> losses) {
      model.losses(train[step % train.size()], adapters, losses);
    });
  }
  const auto answer =
      model.generate(tokenizer.encode("Thu 21:50\n"), 24, zoft::io::llama2c_tokenizer::eos, tuner.adapter());
  std::printf("%s\n", tokenizer.decode(answer).c_str());
}
