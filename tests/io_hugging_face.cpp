#include <string>
#include <utility>
#include <vector>

#include "io_hugging_face_support.hpp"

using namespace io_test;
using namespace zoft::io;
namespace nn = zoft::nn;

namespace {

const std::string q_weight = "model.layers.0.self_attn.q_proj.weight";

}  // namespace

TEST_CASE("hugging face: shapes, types and elements are those that transformers saved", "[io]") {
  const std::string name =
      GENERATE("llama_tied_f32", "llama_tied_f16", "llama_tied_bf16", "llama_tied_f32_sharded",
               "llama_tied_f16_sharded", "llama_tied_bf16_sharded", "llama_untied_f32", "qwen2_f32", "qwen2_bf16");
  INFO(name);
  const checkpoint model = open_checkpoint(fixture(name));
  const bool sharded = name.ends_with("_sharded");
  const std::string whole = sharded ? name.substr(0, name.size() - 8) : name;
  CHECK(std::filesystem::exists(fixture(name) + "/model.safetensors") == !sharded);

  const json elements_of = json::parse(read_file(fixture(whole) + "/expected.json"))["elements"];
  CHECK(elements_of.size() >= 20);
  for (const auto& [tensor, expected] : elements_of.items()) {  // [shape, index, value]
    INFO(tensor);
    const auto view = model.at(tensor, expected[0].get<std::vector<std::size_t>>());
    CHECK(whole.ends_with(view.type == storage::f32 ? "_f32" : view.type == storage::f16 ? "_f16" : "_bf16"));
    CHECK(values_of(model, tensor)[expected[1].get<std::size_t>()] == expected[2].get<float>());
  }

  const nn::config& c = model.shape();
  CHECK((c.dim == 16 && c.hidden == 20 && c.layers == 2 && c.heads == 4 && c.kv_heads == 2));
  CHECK((c.vocabulary == 32 && c.context == 32 && c.pairing == nn::rope::half_split));
  const bool untied = whole == "llama_untied_f32", qwen2 = whole.starts_with("qwen2");
  CHECK(c.tied_head == !untied);
  CHECK(c.head_dim == (untied ? 6 : 4));
  CHECK(c.rope_base == (untied ? 500.0 : qwen2 ? 1e6 : 1e4));
  CHECK(c.norm_epsilon == (untied || qwen2 ? 1e-6 : 1e-5));
  CHECK(model.find("lm_head.weight").has_value() == untied);
  CHECK(model.find("model.layers.1.self_attn.k_proj.bias").has_value() == (untied || qwen2));
  CHECK(model.find("model.layers.1.self_attn.o_proj.bias").has_value() == untied);
  CHECK(model.find("model.layers.1.mlp.down_proj.bias").has_value() == untied);
}

TEST_CASE("hugging face: whole and in shards is the same", "[io]") {
  for (const std::string name : {"llama_tied_f32", "llama_tied_f16", "llama_tied_bf16"}) {
    const checkpoint whole = open_checkpoint(fixture(name)), sharded = open_checkpoint(fixture(name + "_sharded"));
    for_each_tensor(whole.shape(), [&](const std::string& tensor, const std::vector<std::size_t>&) {
      CHECK(values_of(whole, tensor) == values_of(sharded, tensor));
    });
  }
}

TEST_CASE("config.json as transformers 4 writes it, and with what may be left out", "[io]") {
  const copied model("llama_tied_f32");
  const auto shape_with = [&](const std::vector<std::pair<std::string, std::string>>& changes) {
    model.with(changes);
    return open_checkpoint(model.path()).shape();
  };
  CHECK(shape_with({{"rope_parameters", ""},
                    {"rope_theta", "500000.0"},
                    {"rope_scaling", "null"},
                    {"dtype", ""},
                    {"torch_dtype", "\"float32\""}})
            .rope_base == 500000.0);
  CHECK(shape_with({{"rope_parameters", ""}, {"rope_theta", "25"}, {"rope_scaling", R"({"type": "default"})"}})
            .rope_base == 25.0);
  CHECK(shape_with({{"rope_parameters", ""}}).rope_base == 1e4);
  CHECK(shape_with({{"rope_parameters", "{}"}, {"rope_theta", "25"}}).rope_base == 25.0);
  CHECK(shape_with({{"rope_parameters", R"({"rope_theta": 30, "rope_type": "default"})"}, {"rope_theta", "25"}})
            .rope_base == 30.0);
  CHECK(shape_with({{"rope_parameters", R"({"rope_theta": 30})"}, {"rope_scaling", "{}"}}).rope_base == 30.0);
  CHECK(shape_with({{"head_dim", ""}}).head_dim == 4);
  CHECK(shape_with({{"head_dim", "null"}}).head_dim == 4);
  CHECK(shape_with({{"hidden_act", ""}}).act == nn::activation::silu);
  CHECK(shape_with({{"rms_norm_eps", ""}}).norm_epsilon == 1e-6);
  CHECK(shape_with({{"attention_bias", ""}, {"mlp_bias", ""}}).dim == 16);
  CHECK(shape_with({{"layer_types", R"(["full_attention", "full_attention"])"}}).layers == 2);

  const copied untied("llama_untied_f32");
  CHECK_NOTHROW(untied.with({{"tie_word_embeddings", ""}})());
  CHECK_FALSE(open_checkpoint(untied.path()).shape().tied_head);  // false where it is absent, as in transformers

  // Without num_key_value_heads there are as many as heads, which these tensors contradict.
  check_refused(model.with({{"num_key_value_heads", ""}}),
                {"model.layers.0.self_attn.k_proj.weight", "(8, 16)", "(16, 16)"});
}

TEST_CASE("config.json: fields that are absent, of another type, or beyond reason", "[io]") {
  const copied model("llama_tied_f32");
  const std::string file = model.path("config.json");
  for (const std::string field : {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
                                  "vocab_size", "max_position_embeddings"}) {
    const std::string most = field == "num_hidden_layers" ? "65536" : "16777216";
    check_refused(model.with({{field, ""}}),
                  {file + ": " + field + " is missing, and must be a whole number from 1 to " + most});
    check_refused(model.with({{field, "-3"}}), {file + ": " + field + " is -3"});
    check_refused(model.with({{field, "0"}}), {file + ": " + field + " is 0"});
    check_refused(model.with({{field, "16.0"}}), {file + ": " + field + " is 16.0"});
    check_refused(model.with({{field, "\"16\""}}), {file + ": " + field + " is \"16\""});
    check_refused(model.with({{field, "16777217"}}), {file + ": " + field + " is 16777217"});
  }
  check_refused(model.with({{"rms_norm_eps", "-1e-5"}}), {file + ": rms_norm_eps is -1e-05"});
  check_refused(model.with({{"rms_norm_eps", "\"small\""}}), {file + ": rms_norm_eps is \"small\""});
  check_refused(model.with({{"model_type", ""}}),
                {file + ": model_type is missing, and must be one of llama, mistral"});
  check_refused(model.with({{"model_type", "\"lama\""}}), {file + ": model_type is \"lama\""});
  check_refused(model.with({{"model_type", "7"}}), {file + ": model_type is 7"});
  check_refused(model.with({{"head_dim", "3"}}), {file, "3 of the 3 elements of a head are rotated"});
  check_refused(model.with({{"head_dim", ""}, {"num_attention_heads", "3"}}),
                {file + ": hidden_size is 16", "num_attention_heads, which is 3"});
  check_refused(model.with({{"num_key_value_heads", "3"}}),
                {file + ": num_key_value_heads is 3", "divisor", "which is 4"});
  check_refused(model.with({{"num_key_value_heads", "0"}}), {file + ": num_key_value_heads is 0"});
  check_refused(model.with({{"tie_word_embeddings", "1"}}),
                {file + ": tie_word_embeddings is 1, and must be true or false"});
  model.write("config.json", "[]");
  check_refused(model.opening(), {file + ": is a list of 0, and must be an object"});
  model.write("config.json", "{\"hidden_size\": 16, \"hidden_size\": 16}");
  check_refused(model.opening(), {file + ": names 'hidden_size' twice"});
  model.write("config.json", "");
  check_refused(model.opening(), {file + ": is empty"});
  std::filesystem::remove(file);
  check_refused(model.opening(), {file, "No such file"});
}

TEST_CASE("config.json: what would change the mathematics is refused by name", "[io]") {
  const copied model("qwen2_f32");
  const std::string file = model.path("config.json");
  CHECK_NOTHROW(model.opening()());
  check_refused(model.with({{"hidden_act", "\"quick_gelu\""}}),
                {file + ": hidden_act is \"quick_gelu\", and must be silu, gelu"});
  check_refused(model.with({{"hidden_act", "7"}}), {file + ": hidden_act is 7, and must be a string"});
  check_refused(model.with({{"use_sliding_window", "1"}}), {file + ": use_sliding_window is 1"});
  check_refused(model.with({{"layer_types", R"(["full_attention", "sliding_attention"])"}}),
                {file + ": block 1 attends to a sliding window by layer_types, and there is no window"});
  check_refused(model.with({{"layer_types", R"(["full_attention", "linear_attention"])"}}),
                {file + ": layer_types holds \"linear_attention\""});
  check_refused(model.with({{"layer_types", "3"}}), {file + ": layer_types is 3, and must be a list of 2"});
  check_refused(model.with({{"quantization_config", R"({"bits": 4})"}}), {file + ": quantization_config is an object"});
  check_refused(model.with({{"partial_rotary_factor", "0.5"}}), {file + ": partial_rotary_factor is 0.5"});
  check_refused(model.with({{"rope_parameters", R"({"rope_type": "llama3", "rope_theta": 1e6})"}}),
                {file + ": rope_parameters: factor is missing"});
  check_refused(model.with({{"rope_parameters", R"({"rope_type": "mrope", "rope_theta": 1e6})"}}),
                {file + ": rope_parameters: rope_type is \"mrope\", and must be default, linear, dynamic, llama3"});
  check_refused(model.with({{"rope_parameters", R"({"rope_type": "default", "mrope_section": [1, 1]})"}}),
                {file + ": rope_parameters: mrope_section is a list of 2, and must be left out"});
  check_refused(model.with({{"rope_parameters", R"({"rope_theta": 1e6, "partial_rotary_factor": 0.5})"}}),
                {"partial_rotary_factor is 0.5"});
  check_refused(model.with({{"rope_parameters", R"({"full_attention": {"rope_theta": 1e6}})"}}),
                {"rope_parameters: full_attention is an object"});
  check_refused(model.with({{"rope_parameters", R"({"a\nb": {}})"}}), {"rope_parameters: a\\x0ab is an object"});
  check_refused(model.with({{"rope_parameters", "5"}}), {file + ": rope_parameters: is 5"});
  check_refused(model.with({{"rope_parameters", R"({"rope_theta": -1})"}}), {"rope_parameters: rope_theta is -1"});
  check_refused(model.with({{"rope_scaling", R"({"type": "linear", "factor": 0})"}}),
                {file + ": rope_scaling: factor is 0"});
  check_refused(model.with({{"rope_scaling", "\"linear\""}}), {file + ": rope_scaling: is \"linear\""});
  check_refused(model.with({{"rope_theta", "\"x\""}}), {file + ": rope_theta is \"x\""});
}

TEST_CASE("hugging face: a config that contradicts the tensors", "[io]") {
  const copied model("llama_tied_f32"), untied("llama_untied_f32"), qwen2("qwen2_f32");
  check_refused(model.with({{"hidden_size", "24"}, {"head_dim", "4"}}),
                {model.path("model.safetensors"),
                 "model.embed_tokens.weight has shape (32, 16), and must have (32, 24)", "config.json"});
  check_refused(model.with({{"vocab_size", "33"}}),
                {"model.embed_tokens.weight has shape (32, 16), and must have (33, 16)"});
  check_refused(model.with({{"intermediate_size", "21"}}),
                {"model.layers.0.mlp.gate_proj.weight has shape (20, 16), and must have (21, 16)"});
  check_refused(model.with({{"head_dim", "6"}}), {q_weight + " has shape (16, 16), and must have (24, 16)"});
  check_refused(model.with({{"num_key_value_heads", "1"}}), {"k_proj.weight has shape (8, 16), and must have (4, 16)"});
  check_refused(model.with({{"num_hidden_layers", "3"}}),
                {model.path(), "model.layers.2.input_layernorm.weight is missing"});
  check_refused(model.with({{"num_hidden_layers", "65536"}}),
                {model.path(), "model.layers.2.input_layernorm.weight is missing"});
  check_refused(model.with({{"num_hidden_layers", "1"}}), {model.path(), "holds model.layers.1.", "does not have"});
  check_refused(model.with({{"tie_word_embeddings", "false"}}), {model.path(), "lm_head.weight is missing"});
  check_refused(untied.with({{"tie_word_embeddings", "true"}}),
                {untied.path(), "lm_head.weight differs from model.embed_tokens.weight", "tie_word_embeddings"});
  check_refused(model.with({{"attention_bias", "true"}}),
                {model.path(), "model.layers.0.self_attn.q_proj.bias is missing"});
  check_refused(untied.with({{"attention_bias", "false"}}),
                {untied.path(), "_proj.bias, which a model by", "does not have"});
  check_refused(untied.with({{"mlp_bias", "false"}}), {untied.path(), "_proj.bias, which a model by", "does not have"});
  check_refused(qwen2.with({{"model_type", "\"llama\""}}), {qwen2.path(), "_proj.bias, which a model by"});
  check_refused(model.with({{"model_type", "\"qwen2\""}}),
                {model.path(), "model.layers.0.self_attn.q_proj.bias is missing"});
}

TEST_CASE("hugging face: tensors that are missing, strange, or need not be there", "[io]") {
  const copied model("llama_tied_f32");
  const std::string file = model.path("model.safetensors"), original = read_file(file);
  const auto renamed = [&](const std::string& from, const std::string& to) {
    model.write("model.safetensors", replaced(original, from, to));  // of one length
    return model.opening();
  };
  check_refused(renamed("model.norm.weight", "model.morn.weight"),
                {model.path(), "model.norm.weight is missing", "(16)"});
  check_refused(renamed("\"F32\"", "\"I32\""), {file, "is I32, and must be one of F32, F16, BF16"});

  const auto with_tensor = [&](const std::string& name, const std::vector<std::size_t>& shape,
                               const std::vector<float>& values) {
    return model.with_tensors({{name, shape, values}});
  };
  const std::vector<float> two{1, 2};
  const auto embedding = values_of(open_checkpoint(fixture("llama_tied_f32")), "model.embed_tokens.weight");
  CHECK_NOTHROW(with_tensor("model.layers.0.self_attn.rotary_emb.inv_freq", {2}, two)());
  CHECK_NOTHROW(with_tensor("model.rotary_emb.inv_freq", {2}, two)());
  CHECK_NOTHROW(with_tensor("lm_head.weight", {32, 16}, embedding)());
  check_refused(with_tensor("lm_head.weight", {2}, two),
                {file, "lm_head.weight differs from model.embed_tokens.weight"});
  check_refused(with_tensor("score.weight", {2}, two), {file, "holds score.weight", "does not have"});
  check_refused(with_tensor("model.layers.0.self_attn.q_norm.weight", {2}, two),
                {file, "holds model.layers.0.self_attn.q_norm.weight"});

  std::filesystem::remove(file);
  check_refused(model.opening(), {model.path(), "neither model.safetensors nor model.safetensors.index.json"});
  std::filesystem::create_directory(file);
  check_refused(model.opening(), {file, "is a directory"});
}

TEST_CASE("hugging face: an index and shards that disagree", "[io]") {
  const copied model("llama_tied_f32_sharded");
  const std::string index = model.path("model.safetensors.index.json"), original = read_file(index);
  const std::string first = "model-00001-of-00002.safetensors", second = "model-00002-of-00002.safetensors";
  const std::string norm = "\"model.norm.weight\": \"" + second + "\"",
                    embedding = "\"model.embed_tokens.weight\": \"" + first + "\"";
  CHECK_NOTHROW(model.opening()());
  const auto changed = [&](const std::string& from, const std::string& to) {
    model.write("model.safetensors.index.json", replaced(original, from, to));
    return model.opening();
  };
  check_refused(changed(norm, "\"model.norm.weight\": \"" + first + "\""),
                {model.path(first), "does not hold model.norm.weight"});
  check_refused(changed(embedding + ",", ""), {model.path(first), "holds model.embed_tokens.weight", "does not list"});
  check_refused(changed(embedding, embedding + ", \"more\": \"" + first + "\""),
                {model.path(first), "does not hold more"});
  check_refused(changed(embedding, embedding + ", \"more\": \"none.safetensors\""),
                {model.path("none.safetensors"), "No such file"});
  check_refused(changed(embedding, embedding + "," + embedding), {index, "names 'model.embed_tokens.weight' twice"});
  for (const std::string place :
       {"../x.safetensors", "/etc/passwd", "a/b", "a\\\\b", "..", ".", "", "c:x", "x\\u0000y", "x\\ny", "x\\u007f"})
    check_refused(changed(norm, "\"model.norm.weight\": \"" + place + "\""),
                  {index, "model.norm.weight lies in \"", "a file of this folder"});
  check_refused(changed(norm, "\"model.norm.weight\": 3"), {index, "model.norm.weight lies in 3"});
  check_refused(changed("\"weight_map\"", "\"weight_cap\""), {index, "weight_map is missing"});
  model.write("model.safetensors.index.json", "{\"weight_map\": {}}");
  check_refused(model.opening(), {index, "weight_map is empty"});
  model.write("model.safetensors.index.json", "{\"weight_map\": [1]}");
  check_refused(model.opening(), {index, "weight_map is a list of 1"});

  model.write("model.safetensors.index.json", original);
  const std::string shard = read_file(model.path(second));
  // The same tensor in both: the second shard's norm is given the name of one in the first.
  model.write(second, replaced(shard, "model.layers.1.mlp.down_proj.weight", "model.layers.0.mlp.down_proj.weight"));
  check_refused(model.opening(),
                {model.path(second), "holds model.layers.0.mlp.down_proj.weight", "says lies in \"" + first + "\""});
  model.write(second, shard.substr(0, shard.size() - 1));
  check_refused(model.opening(), {model.path(second), "data_offsets"});
  std::filesystem::remove(model.path(second));
  check_refused(model.opening(), {model.path(second), "No such file"});
}
