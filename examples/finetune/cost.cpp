#include "cost.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>
#include <utility>
#include <vector>

#include "model.hpp"
#include "text.hpp"
#include "trainer.hpp"

namespace finetune {

namespace {

using zoft::nn::config;
using zoft::nn::dtype;

std::string gigabytes(std::size_t bytes) { return fixed(static_cast<double>(bytes) / 1e9, 2) + " GB"; }

std::size_t threads_of(const options& o) {
  return o.threads > 0 ? o.threads : std::max<std::size_t>(1, std::thread::hardware_concurrency());
}

}  // namespace

std::size_t weight_bytes(const config& shape, dtype type) {
  const dtype words = zoft::nn::bits_of(type) < 8 ? dtype::i8 : type;
  std::size_t bits = 0;
  zoft::io::for_each_tensor(shape, [&](const std::string& name, const std::vector<std::size_t>& extents) {
    const std::size_t numbers = zoft::io::elements(extents);
    if (extents.size() == 1) {
      bits += 32 * numbers;
      return;
    }
    const dtype kept = name.starts_with(shape.names.block) ? type : words;
    // Codes have a scale of 32 bits for each row, or for each 32 numbers.
    const std::size_t each = kept == dtype::i8 ? extents[1] : 32;
    bits += zoft::nn::bits_of(kept) * numbers + (zoft::nn::bits_of(kept) <= 8 ? 32 * numbers / each : 0);
  });
  return bits / 8;
}

std::size_t working_bytes(const options& o, const config& shape, std::size_t threads) {
  constexpr std::size_t rows = 512;  // of a task, in all groups
  const std::size_t width = 5 * shape.dim + 2 * (shape.heads + 2 * shape.kv_heads) * shape.head_dim + 3 * shape.hidden;
  const std::size_t candidates = o.method == "mezo" ? 1 : 2 * o.queries;
  const std::size_t forwards = threads * std::max(rows, candidates) * (width + 1024) * sizeof(float);
  if (o.adapter == "full")  // half a block for each of a direction's two points
    return forwards + 2 * weight_bytes(shape, o.weights) / std::max<std::size_t>(1, shape.layers);
  const std::size_t linears = shape.layers * (4 * shape.dim + 3 * shape.hidden + shape.heads * shape.head_dim * 4);
  const std::size_t trained = o.adapter == "lora" || o.adapter == "lora_fa" ? linears * o.rank : linears;
  return forwards + (candidates + 2) * trained * sizeof(float);
}

std::size_t free_bytes() {
  std::ifstream memory("/proc/meminfo");
  for (std::string word; memory >> word;)
    if (std::size_t kilobytes = 0; word == "MemAvailable:" && memory >> kilobytes) return kilobytes * 1024;
  return 0;
}

void check_memory(const options& o) {
  const config shape = shape_of_model(o);
  const std::size_t working = working_bytes(o, shape, threads_of(o)), free = free_bytes();
  const std::size_t needed = weight_bytes(shape, o.weights) + working;
  if (free == 0 || needed <= free) return;
  const std::pair<const char*, dtype> smaller[] = {{"bf16", dtype::bf16}, {"i8", dtype::i8}, {"i4", dtype::i4}};
  std::string would;
  for (const auto& [name, type] : smaller)
    if (zoft::nn::bits_of(type) < zoft::nn::bits_of(o.weights) && weight_bytes(shape, type) + working <= free &&
        !(o.adapter == "full" && zoft::nn::bits_of(type) < 16)) {
      would = std::string("--weights ") + name + " needs " + gigabytes(weight_bytes(shape, type) + working);
      break;
    }
  refuse(o.model + ": needs about " + gigabytes(needed) + " of memory in this run, and " + gigabytes(free) +
         " are free; " + (would.empty() ? "no smaller --weights would fit either: take a smaller model" : would));
}

double trial_seconds(const options& o, zoft::nn::transformer& model, const task& t, token_chooser& chooser,
                     const std::vector<zoft::low_rank_values>& start) {
  using clock = std::chrono::steady_clock;
  const auto seconds_since = [](clock::time_point begin) {
    return std::chrono::duration<double>(clock::now() - begin).count();
  };
  if (o.adapter == "full") {
    const auto begin = clock::now();
    evaluate(model, t.batch(0), criterion_of(o));
    return seconds_since(begin) * static_cast<double>(2 * o.queries);
  }
  const std::unique_ptr<trainer> trial = make_trainer(o, model, start);
  const auto begin = clock::now();
  trial->step(chooser.chosen(t.batch(0), 0, trial->current()));
  return seconds_since(begin);
}

std::string duration(double seconds) {
  if (seconds < 100) return fixed(seconds, seconds < 10 ? 2 : 0) + " s";
  if (seconds < 100 * 60) return fixed(seconds / 60, 1) + " min";
  return fixed(seconds / 3600, 1) + " h";
}

}  // namespace finetune
