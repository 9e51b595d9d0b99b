// The examples that finetune would train on and be asked, as tokens, for first_order.py:
//
//     items OPTIONS OF FINETUNE...
//
// Prints a line of JSON for each. {"tokens", "labels"} is one to train on; {"right", "choices"} is a question, where
// choices has the same of each answer. labels[t] is what is to be predicted for place t, or -100 if nothing is.
#include "finetune/items.hpp"

#include "finetune/task.hpp"
#include "program.hpp"

namespace {

models::json as_json(const finetune::item& one) {
  std::vector<std::int32_t> labels = one.labels;
  for (std::int32_t& label : labels)
    if (label == zoft::nn::ignored) label = -100;
  return {{"tokens", one.tokens}, {"labels", labels}};
}

}  // namespace

int main(int count, char** words) {
  return models::run([&] {
    finetune::options o;
    if (!finetune::parse(count, words, o)) return 0;
    const auto tokens = zoft::io::load_tokenizer(o.tokenizer);
    const auto model = zoft::nn::load(o.model, {.weights = o.weights});
    const zoft::nn::config& shape = model.shape();
    const finetune::item_maker make(o, tokens, shape, finetune::sequence_length(o, shape));
    const finetune::item_data data = finetune::read_items(o, make, shape);
    for (const finetune::item& one : data.train) models::print(as_json(one));
    for (const finetune::question& q : data.heldout) {
      models::json choices = models::json::array();
      for (const finetune::item& one : q.choices) choices.push_back(as_json(one));
      models::print({{"right", q.right}, {"choices", choices}});
    }
    return 0;
  });
}
