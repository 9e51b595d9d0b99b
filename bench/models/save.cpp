// Saves a model and its tokenizer as a Hugging Face folder, for check_saved.py.
//
//   save MODEL FOLDER IDS [--tokenizer PATH] [--text FILE] [--weights f32|bf16] [--as f32|bf16]
//
// IDS are joined by commas. Prints one line of JSON: the logits of MODEL and of FOLDER on IDS, or their hidden states
// if the model has no head, and the ids of the text by the tokenizer at PATH and by the one in FOLDER.
#include <algorithm>
#include <optional>
#include <zoft/io/tokenizer.hpp>
#include <zoft/io/tokenizer/save.hpp>
#include <zoft/nn/save.hpp>

#include "program.hpp"

int main(int count, char** words) {
  return models::run([&] {
    const std::vector<std::string> given(words + std::min(count, 1), words + count);
    if (given.size() < 3 || given.size() % 2 == 0)
      throw std::runtime_error(
          "usage: save MODEL FOLDER IDS [--tokenizer PATH] [--text FILE] [--weights TYPE] [--as TYPE]");
    std::string tokenizer, text;
    zoft::nn::dtype kept = zoft::nn::dtype::f32;
    std::optional<zoft::nn::dtype> type;
    for (std::size_t i = 3; i < given.size(); i += 2) {
      if (given[i] == "--tokenizer")
        tokenizer = given[i + 1];
      else if (given[i] == "--text")
        text = given[i + 1];
      else if (given[i] == "--weights")
        kept = models::type_named(given[i + 1]);
      else if (given[i] == "--as")
        type = models::type_named(given[i + 1]);
      else
        throw std::runtime_error("save: there is no option " + given[i]);
    }
    std::vector<std::int32_t> ids;
    for (const std::string& id : models::split(given[2], ',')) ids.push_back(std::stoi(id));
    const auto outputs = [&](const zoft::nn::transformer& model) {
      return model.shape().has_head ? model.logits(ids) : model.hidden(ids);
    };
    models::json line;
    {
      const auto model = zoft::nn::load(given[0], {.weights = kept});
      zoft::nn::save(model, given[0], given[1], type);
      line["source"] = outputs(model);
    }
    line["saved"] = outputs(zoft::nn::load(given[1], {.weights = kept}));
    if (!tokenizer.empty()) {
      zoft::io::save_tokenizer(tokenizer, given[1]);
      const std::string all = text.empty() ? "" : models::read(text);
      line["source_tokens"] = zoft::io::load_tokenizer(tokenizer).encode(all);
      line["saved_tokens"] = zoft::io::load_tokenizer(given[1]).encode(all);
    }
    models::print(line);
    return 0;
  });
}
