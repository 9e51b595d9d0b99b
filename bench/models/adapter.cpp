// Trains LoRA on every linear of SmolLM2 for some steps and writes it for llama.cpp and for peft, for
// compare_adapter.py:
//
//     adapter MODEL TEXT FOLDER STEPS THREADS
//
// MODEL is a GGUF file. Writes FOLDER/adapter.gguf; FOLDER/adapter_config.json and adapter_model.safetensors; and of
// the text's 64 tokens after those that were trained on FOLDER/ids (int32), FOLDER/base.logits and
// FOLDER/adapted.logits (float32), from weights in f32. Prints the losses of the trained text before and after.
#include <zoft/adapter/lora.hpp>
#include <zoft/io/gguf/model.hpp>
#include <zoft/io/gguf_adapter.hpp>
#include <zoft/io/peft.hpp>
#include <zoft/io/rotary_rows.hpp>
#include <zoft/io/tokenizer.hpp>
#include <zoft/prge.hpp>

#include "program.hpp"

namespace {

using models::json;
using zoft::io::owned_low_rank_tensor;

/// The adapter by the GGUF model's names and in its order of rows.
void write_for_llama(const std::string& folder, const std::string& model, const zoft::nn::config& shape,
                     const zoft::low_rank_adapter& trained) {
  std::vector<zoft::io::low_rank_tensor> tensors;
  for (const auto& p : trained.pairs())
    tensors.push_back({zoft::io::gguf_name(shape, p.linear), p.out, p.in, trained.rank(), p.a, p.b});
  zoft::io::write_gguf_adapter(folder + "/adapter.gguf", tensors, trained.alpha(),
                               zoft::io::gguf(model).string("general.architecture"));
}

/// The adapter by Hugging Face's names and in its order of rows: a GGUF file of a llama interleaves those of q and k.
void write_for_peft(const std::string& folder, const std::string& model, const zoft::nn::config& shape,
                    const zoft::low_rank_adapter& trained) {
  std::vector<std::vector<float>> moved;
  std::vector<zoft::io::low_rank_tensor> tensors;
  for (const auto& p : trained.pairs()) {
    std::span<const float> b = p.b;
    const bool query = p.linear.ends_with(shape.names.query), key = p.linear.ends_with(shape.names.key);
    if (shape.pairing == zoft::nn::rope::interleaved && (query || key)) {
      std::vector<float>& split = moved.emplace_back(b.size());
      zoft::io::split_rows(b, query ? shape.heads : shape.kv_heads, trained.rank(), std::span(split));
      b = split;
    }
    tensors.push_back({p.linear, p.out, p.in, trained.rank(), p.a, b});
  }
  zoft::io::write_peft(folder, tensors, trained.alpha(), model);
}

int run(const std::vector<std::string>& given) {
  const std::string &path = given[0], &folder = given[2];
  const std::size_t steps = models::number(given[3]), threads = models::number(given[4]);
  constexpr std::size_t sequences = 8, length = 64;
  const auto ids = zoft::io::load_tokenizer(path).encode(models::read(given[1]));
  if (ids.size() < (sequences + 1) * length) throw std::runtime_error(given[1] + " is too short");
  zoft::nn::batch batch;
  for (std::size_t i = 0; i < sequences; ++i) batch.add(std::span(ids).subspan(i * length, length));

  auto tuner = zoft::prge({.queries = 4, .epsilon = 1e-2, .learning_rate = 1e-2, .seed = 42},
                          zoft::lora{.rank = 8, .alpha = 16});
  {
    const auto model = zoft::nn::load(path, {.weights = zoft::nn::dtype::bf16, .threads = threads});
    tuner.attach(model);
    const double before = model.loss(batch);
    for (std::size_t i = 0; i < steps; ++i)
      tuner.step([&](const auto& adapters, std::span<double> losses) { model.losses(batch, adapters, losses); });
    models::print({{"steps", steps}, {"before", before}, {"after", model.loss(batch, tuner.adapter())}});
  }

  const auto model = zoft::nn::load(path, {.threads = threads});
  write_for_llama(folder, path, model.shape(), tuner.adapter());
  write_for_peft(folder, path, model.shape(), tuner.adapter());
  const auto next = std::span(ids).subspan(sequences * length, length);
  models::write(folder + "/ids", next);
  models::write(folder + "/base.logits", std::span<const float>(model.logits(next)));
  models::write(folder + "/adapted.logits", std::span<const float>(model.logits(next, tuner.adapter())));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    std::cerr << "adapter MODEL TEXT FOLDER STEPS THREADS\n";
    return 2;
  }
  return models::run([&] { return run({arguments + 1, arguments + count}); });
}
