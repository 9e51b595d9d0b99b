// Trains LoRA on every linear of SmolLM2 for some steps and writes it for llama.cpp and for peft, for
// compare_adapter.py:
//
//     adapter MODEL TEXT FOLDER STEPS THREADS
//     adapter MODEL TEXT FOLDER ADAPTER THREADS
//
// MODEL is a GGUF file. Writes FOLDER/adapter.gguf; FOLDER/adapter_config.json and adapter_model.safetensors; and of
// the text's 64 tokens after those that were trained on: FOLDER/ids (int32), FOLDER/base.logits and
// FOLDER/adapted.logits (float32), from weights in f32. Prints the losses of the trained text before and after. With
// ADAPTER, a folder of peft's, nothing is trained: the losses and logits are those of that adapter.
#include <filesystem>
#include <zoft/adapter/lora.hpp>
#include <zoft/io/adapter_rows.hpp>
#include <zoft/io/gguf/model.hpp>
#include <zoft/io/gguf_adapter.hpp>
#include <zoft/io/peft.hpp>
#include <zoft/io/tokenizer.hpp>
#include <zoft/prge.hpp>

#include "program.hpp"

namespace {

using zoft::io::low_rank_tensor;

std::vector<low_rank_tensor> tensors_of(const zoft::low_rank_adapter& trained) {
  std::vector<low_rank_tensor> result;
  for (const auto& p : trained.pairs()) result.push_back({p.linear, p.out, p.in, trained.rank(), p.a, p.b});
  return result;
}

/// By the names of the GGUF model, whose order of rows the adapter has.
void write_for_llama(const std::string& path, const std::string& model, const zoft::nn::config& shape,
                     const zoft::low_rank_adapter& trained) {
  std::vector<low_rank_tensor> tensors = tensors_of(trained);
  for (low_rank_tensor& t : tensors) t.name = zoft::io::gguf_name(shape, t.name);
  zoft::io::write_gguf_adapter(path, tensors, trained.alpha(), zoft::io::gguf(model).string("general.architecture"));
}

/// By Hugging Face's names and in its order of rows: a GGUF file of a llama holds those of q and k in pairs.
void write_for_peft(const std::string& folder, const std::string& model, const zoft::nn::config& shape,
                    const zoft::low_rank_adapter& trained) {
  const auto turned = zoft::io::in_row_order(tensors_of(trained), shape, zoft::nn::rope::half_split);
  zoft::io::write_peft(folder, std::vector<low_rank_tensor>(turned.begin(), turned.end()), trained.alpha(), model);
}

void write_logits(const std::string& folder, const zoft::nn::transformer& model, std::span<const std::int32_t> ids,
                  const zoft::adapter_stack& adapter) {
  models::write(folder + "/ids", ids);
  models::write(folder + "/base.logits", std::span<const float>(model.logits(ids)));
  models::write(folder + "/adapted.logits", std::span<const float>(model.logits(ids, adapter)));
}

/// The logits of an adapter that somebody trained.
void look_at(const std::string& adapter, const std::string& path, const std::string& folder, std::size_t threads,
             const zoft::nn::batch& batch, std::span<const std::int32_t> ids) {
  const zoft::io::peft_adapter read = zoft::io::read_peft(adapter);
  const auto model = zoft::nn::load(path, {.threads = threads});
  const auto tensors =
      zoft::io::in_order_of(model.shape(), std::vector<low_rank_tensor>(read.tensors.begin(), read.tensors.end()),
                            zoft::nn::rope::half_split);
  const auto stack = zoft::io::stack_of(tensors);
  models::print({{"steps", 0}, {"before", model.loss(batch)}, {"after", model.loss(batch, stack)}});
  write_logits(folder, model, ids, stack);
}

int run(const std::vector<std::string>& given) {
  const std::string &path = given[0], &folder = given[2];
  const std::size_t threads = models::number(given[4]);
  constexpr std::size_t sequences = 8, length = 64;
  const auto ids = zoft::io::load_tokenizer(path).encode(models::read(given[1]));
  if (ids.size() < (sequences + 1) * length) throw std::runtime_error(given[1] + " is too short");
  zoft::nn::batch batch;
  for (std::size_t i = 0; i < sequences; ++i) batch.add(std::span(ids).subspan(i * length, length));
  const auto next = std::span(ids).subspan(sequences * length, length);
  if (std::filesystem::is_directory(given[3])) {
    look_at(given[3], path, folder, threads, batch, next);
    return 0;
  }
  const std::size_t steps = models::number(given[3]);

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
  write_for_llama(folder + "/adapter.gguf", path, model.shape(), tuner.adapter());
  write_for_peft(folder, path, model.shape(), tuner.adapter());
  write_logits(folder, model, next, tuner.adapter());
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) {
    std::cerr << "adapter MODEL TEXT FOLDER STEPS|ADAPTER THREADS\n";
    return 2;
  }
  return models::run([&] { return run({arguments + 1, arguments + count}); });
}
