// What files may hold beside the tensors of a model, and what they may call them.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "io_hugging_face_support.hpp"

using namespace io_test;
using namespace zoft::io;

TEST_CASE("hugging face: files of a model without its head lack the first part of the names", "[io]") {
  for (const auto& [name, first] : std::vector<std::pair<std::string, std::string>>{{"qwen3", "model."},
                                                                                    {"gpt2", "transformer."},
                                                                                    {"opt", "model."},
                                                                                    {"bert", "bert."},
                                                                                    {"roberta", "roberta."},
                                                                                    {"distilbert", "distilbert."}}) {
    INFO(name);
    const copied model(name);
    const checkpoint whole = open_checkpoint(fixture(name));
    const auto base = [&, first = first](const std::string& tensor) {
      return tensor.starts_with(first) ? tensor.substr(first.size()) : "";
    };
    model.renamed(base)();
    const checkpoint found = open_checkpoint(model.path());
    CHECK(found.shape().has_head == found.shape().causal);  // a decoder's is the embedding
    for_each_tensor(found.shape(), [&](const std::string& tensor, const std::vector<std::size_t>&) {
      CHECK(values_of(found, tensor) == values_of(whole, tensor));
    });
    check_refused(model.renamed([&](const std::string& tensor) {
      const std::string short_name = base(tensor);
      return short_name.find(".1.") == std::string::npos ? short_name : "";  // without block 1
    }),
                  {model.path(), ".1.", "is missing"});
  }
  const copied untied("gpt_neox");
  check_refused(
      untied.renamed([](const std::string& tensor) { return tensor.starts_with("gpt_neox.") ? tensor.substr(9) : ""; }),
      {untied.path(), "embed_out.weight is missing"});
}

TEST_CASE("hugging face: old names of LayerNorm's gain and bias", "[io]") {
  const copied model("bert");
  const checkpoint now = open_checkpoint(fixture("bert"));
  const auto old = [](std::string tensor) {
    if (tensor.ends_with("LayerNorm.weight")) return tensor.replace(tensor.size() - 6, 6, "gamma");
    if (tensor.ends_with("LayerNorm.bias")) return tensor.replace(tensor.size() - 4, 4, "beta");
    return tensor;
  };
  model.renamed(old)();
  const checkpoint found = open_checkpoint(model.path());
  const std::string norm = "bert.encoder.layer.1.output.LayerNorm.";
  CHECK(values_of(found, norm + "weight") == values_of(now, norm + "weight"));
  CHECK(values_of(found, norm + "bias") == values_of(now, norm + "bias"));
  CHECK(found.shape().has_head);
  const std::vector<float> other(12, 1.0f);
  model.write("model.safetensors", read_file(fixture("bert") + "/model.safetensors"));
  check_refused(model.with_tensors({{norm + "gamma", {12}, other}}), {norm + "gamma", "does not have"});
}

TEST_CASE("hugging face: buffers are ignored, and what looks like one is not", "[io]") {
  const std::vector<float> one{1}, bias(12, 1.0f);
  for (const auto& [name, buffer] :
       std::vector<std::pair<std::string, std::string>>{{"gpt2", "transformer.h.0.attn.bias"},
                                                        {"gpt2", "transformer.h.1.attn.masked_bias"},
                                                        {"gpt_neox", "gpt_neox.layers.0.attention.bias"},
                                                        {"gpt_neox", "gpt_neox.layers.1.attention.masked_bias"},
                                                        {"gpt_neox", "gpt_neox.layers.1.attention.rotary_emb.inv_freq"},
                                                        {"bert", "bert.embeddings.position_ids"},
                                                        {"roberta", "roberta.embeddings.token_type_ids"}}) {
    INFO(buffer);
    CHECK_NOTHROW(copied(name).with_tensors({{buffer, {1, 1}, one}})());
  }
  const copied neox("gpt_neox");
  check_refused(neox.with_tensors({{"gpt_neox.layers.0.attention.out.bias", {12}, bias}}),
                {"attention.out.bias", "does not have"});
  check_refused(neox.renamed([](const std::string& name) {
    return name == "gpt_neox.layers.0.attention.dense.bias" ? "" : name;
  }),
                {"gpt_neox.layers.0.attention.dense.bias is missing"});
}

TEST_CASE("hugging face: saved copies of tied heads", "[io]") {
  for (const auto& [name, head, embedding] : std::vector<std::array<std::string, 3>>{
           {"gpt2", "lm_head.weight", "transformer.wte.weight"},
           {"opt", "lm_head.weight", "model.decoder.embed_tokens.weight"},
           {"bert", "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"},
           {"bert", "cls.predictions.decoder.bias", "cls.predictions.bias"},
           {"roberta", "lm_head.decoder.weight", "roberta.embeddings.word_embeddings.weight"},
           {"roberta", "lm_head.decoder.bias", "lm_head.bias"},
           {"distilbert", "vocab_projector.weight", "distilbert.embeddings.word_embeddings.weight"}}) {
    INFO(name << " " << head);
    const copied model(name);
    const checkpoint original = open_checkpoint(fixture(name));
    const std::vector<std::size_t> shape = original.find(embedding)->shape;
    std::vector<float> values = values_of(original, embedding);
    CHECK_NOTHROW(model.with_tensors({{head, shape, values}})());
    values.back() += 1;
    check_refused(model.with_tensors({{head, shape, values}}), {head + " differs from " + embedding});
  }
}

TEST_CASE("hugging face: a vocabulary padded to any size", "[io]") {
  const std::string embedding = "model.embed_tokens.weight";
  const copied model("llama_tied_f32");
  std::vector<float> values = values_of(open_checkpoint(fixture("llama_tied_f32")), embedding);
  for (const std::size_t rows : std::vector<std::size_t>{33, 37, 64}) {
    values.resize(rows * 16);
    model.renamed([&](const std::string& name) { return name == embedding ? "" : name; },
                  {{embedding, {rows, 16}, values}});
    model.with({{"vocab_size", std::to_string(rows)}})();
    CHECK(open_checkpoint(model.path()).shape().vocabulary == rows);
  }
}

TEST_CASE("hugging face: encoders with a head of their own, without one, and with a pooler", "[io]") {
  const auto opened_shape = [](const std::string& name) { return open_checkpoint(fixture(name)).shape(); };
  CHECK((opened_shape("bert").has_head && opened_shape("bert").names.pooler.empty()));
  CHECK((!opened_shape("bert_classes").has_head && opened_shape("bert_classes").names.pooler == "bert.pooler.dense"));
  CHECK((!opened_shape("roberta_classes").has_head && opened_shape("roberta_classes").names.pooler.empty()));
  CHECK((opened_shape("distilbert").has_head && opened_shape("distilbert").names.pooler.empty()));
  const std::vector<float> some(12, 1.0f);
  for (const std::string other :
       {"cls.seq_relationship.bias", "classifier.bias", "pre_classifier.bias", "qa_outputs.bias"})
    CHECK_NOTHROW(copied("bert").with_tensors({{other, {12}, some}})());
  const copied bert("bert");
  check_refused(bert.with_tensors({{"bert.encoder.layer.0.extra.bias", {12}, some}}), {"extra.bias", "does not have"});
  check_refused(bert.with_tensors({{"bert.pooler.dense.weight", {1, 12}, some}}), {"bert.pooler.dense", "(1, 12)"});
  check_refused(bert.renamed([](const std::string& name) {
    return name == "cls.predictions.transform.LayerNorm.bias" ? "" : name;
  }),
                {"cls.predictions.transform.LayerNorm.bias is missing"});
}
