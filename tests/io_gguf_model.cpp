// Models in GGUF files: those of llama.cpp's converter, and every fixture written as the converter writes it.
#include <cmath>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>
#include <zoft/nn/transformer.hpp>

#include "io_gguf_model_support.hpp"
#include "nn_support.hpp"

using namespace nn_test;
using namespace io_test;
using zoft::io::json;
namespace nn = zoft::nn;

namespace {

std::vector<float> gguf_outputs(const nn::transformer& model, const std::vector<std::int32_t>& ids) {
  return model.shape().causal ? model.logits(ids) : model.hidden(ids);
}

/// Opens a copy of the fixture in that folder, with other fields in config.json.
zoft::io::checkpoint open_copy(const scratch& folder, const std::string& name, const json& edits = json::object()) {
  json fields = json::parse(read_file(fixture(name) + "/config.json"));
  fields.update(edits);
  folder.write("config.json", fields.dump());
  const json expected = json::parse(read_file(fixture(name) + "/expected.json"));
  std::filesystem::copy_file(fixture(expected.value("weights", name)) + "/model.safetensors",
                             folder.path("model.safetensors"));
  return zoft::io::open_checkpoint(folder.path());
}

/// A fixture as a file of that architecture, where `edits` take out of config.json what GGUF cannot say.
void check_conversion(const std::string& name, const std::string& architecture, const json& edits) {
  INFO(name << " as " << architecture);
  const json expected = json::parse(read_file(fixture(name) + "/expected.json"));
  const scratch folder;
  const zoft::io::checkpoint original = open_copy(folder, name, edits);
  const std::string file = folder.write(
      "model.gguf", converted_bytes(convert_keys(original.shape(), architecture), convert_tensors(original)));
  const nn::transformer found = nn::load(file, {.threads = 1});
  const auto ids = expected.at("ids").get<std::vector<std::int32_t>>();
  const std::vector<float> outputs = gguf_outputs(found, ids);
  CHECK(distance(outputs, gguf_outputs(nn::load(folder.path(), {.threads = 1}), ids)) < 2e-5);
  if (edits.empty())
    CHECK(distance(outputs, flat<float>(expected.at(found.shape().causal ? "logits" : "hidden"))) < 1e-4);
}

/// A fixture in a file whose keys and tensors a test may change.
struct changed_file {
  explicit changed_file(const std::string& name, const std::string& architecture)
      : keys(architecture), original(open_copy(folder, name)) {
    keys = convert_keys(original.shape(), architecture);
    tensors = convert_tensors(original);
  }

  converted& at(const std::string& name) {
    for (converted& tensor : tensors)
      if (tensor.name == name) return tensor;
    throw std::logic_error("the test does not find " + name);
  }
  void erase(const std::string& name) {
    std::erase_if(tensors, [&](const converted& tensor) { return tensor.name == name; });
  }
  std::string write() const { return folder.write("model.gguf", converted_bytes(keys, tensors)); }
  nn::config shape() const { return zoft::io::open_checkpoint(write()).shape(); }
  void check(std::initializer_list<std::string> parts) const {
    const std::string path = write();
    check_refused([&] { zoft::io::open_checkpoint(path); }, parts);
    check_refused([&] { zoft::io::open_checkpoint(path); }, {path});
  }

  scratch folder;
  converted_keys keys;
  zoft::io::checkpoint original;
  std::vector<converted> tensors;
};

/// Refuses the fixture after a change.
void check_change(const std::string& name, const std::string& architecture,
                  const std::function<void(changed_file&)>& change, std::initializer_list<std::string> parts) {
  INFO(name);
  changed_file file(name, architecture);
  change(file);
  file.check(parts);
}

}  // namespace

TEST_CASE("gguf: files of llama.cpp's converter give llama.cpp's logits", "[io]") {
  for (const std::string name : {"gguf_llama", "gguf_phi3", "gguf_gemma2"}) {
    INFO(name);
    const json expected = json::parse(read_file(fixture(name) + "/expected.json"));
    const nn::transformer model = nn::load(fixture(name) + "/model.gguf", {.threads = 1});
    const std::vector<float> logits = model.logits(expected.at("ids").get<std::vector<std::int32_t>>());
    // Where transformers' numbers are beside them, llama.cpp computes its gelu in 16 bits.
    const bool rounds = expected.contains("transformers");
    CHECK(distance(logits, flat<float>(expected.at("llama_cpp"))) < (rounds ? 5e-3 : 1e-4));
    if (rounds) CHECK(distance(logits, flat<float>(expected.at("transformers"))) < 1e-4);
  }
  CHECK(zoft::io::open_checkpoint(fixture("gguf_llama") + "/model.gguf").shape().pairing == nn::rope::interleaved);
}

TEST_CASE("gguf: every family's fixture as the converter writes it gives the fixture's logits", "[io]") {
  const json nothing = json::object();
  const std::vector<std::tuple<std::string, std::string, json>> fixtures = {
      {"llama_tied_f32", "llama", nothing},
      {"llama_untied_f32", "llama", nothing},
      {"llama_llama3", "llama", nothing},
      {"llama_linear", "llama", nothing},
      {"mistral", "llama", {{"model_type", "llama"}, {"sliding_window", nullptr}}},
      {"qwen2_f32", "qwen2", nothing},
      {"qwen2_window", "qwen2", {{"use_sliding_window", false}}},
      {"qwen3", "qwen3", nothing},
      {"smollm3", "smollm3", {{"no_rope_layers", {1, 1}}}},
      {"granite", "granite", nothing},
      {"olmo2", "olmo2", nothing},
      {"gemma", "gemma", nothing},
      {"gemma2", "gemma2", {{"query_pre_attn_scalar", 4}}},
      {"gemma3_text", "gemma3", {{"query_pre_attn_scalar", 4}}},
      {"gemma3_text_v4", "gemma3", {{"query_pre_attn_scalar", 4}}},
      {"phi", "phi2", nothing},
      {"phi3", "phi3", nothing},
      {"phi3_longrope", "phi3", nothing},
      {"phi3_longrope_short", "phi3", nothing},
      {"gpt2", "gpt2", nothing},
      {"gpt_neox", "gptneox", nothing},
      {"gpt_neox_serial", "gptneox", {{"hidden_act", "gelu"}}},
      {"starcoder2", "starcoder2", {{"sliding_window", nullptr}}},
      {"stablelm", "stablelm", nothing},
      {"stablelm_parallel", "stablelm", nothing},
      {"bert", "bert", nothing},
      {"bert_classes", "bert", nothing},
      {"roberta", "bert", nothing},
  };
  std::set<std::string> seen;
  for (const auto& [name, architecture, edits] : fixtures) {
    check_conversion(name, architecture, edits);
    seen.insert(architecture);
  }
  for (const auto& known : zoft::io::gguf_architectures()) CHECK(seen.contains(std::string(known.name)));
}

TEST_CASE("gguf: what the metadata says of rotary angles", "[io]") {
  const auto scaled = [](const std::function<void(converted_keys&)>& change) {
    changed_file file("llama_tied_f32", "llama");
    change(file.keys);
    return file.shape().scaling;
  };
  const std::vector<double> thirds(2, 3.0);
  using keys = converted_keys;
  const auto type = [](keys& k, const std::string& name) { k.set(k.key("rope.scaling.type"), name); };
  CHECK(scaled([](keys&) {}) == nn::rope_scaling{});
  CHECK(scaled([](keys& k) { k.real("rope.scaling.factor", 3); }).divisors == thirds);  // linear, as it says nothing
  CHECK(scaled([](keys& k) { k.real("rope.scale_linear", 3); }).divisors == thirds);
  CHECK(scaled([](keys& k) { k.real("rope.scaling.factor", 0); }) == nn::rope_scaling{});
  CHECK(scaled([&](keys& k) { type(k, "none"), k.real("rope.scaling.factor", 3); }) == nn::rope_scaling{});
  CHECK(scaled([&](keys& k) { type(k, "linear"), k.real("rope.scaling.factor", 3); }).divisors == thirds);
  CHECK(scaled([](keys& k) { k.real("rope.scaling.attn_factor", 1.5); }).amplitude == 1.5);
  const auto yarn = [&](keys& k) {
    type(k, "yarn");
    k.real("rope.scaling.factor", 2);
    k.whole("rope.scaling.original_context_length", 16);
    k.real("rope.scaling.yarn_beta_fast", 0.4);  // which llama.cpp does not read for this architecture
    k.real("rope.scaling.yarn_attn_factor", 7);
  };
  json fields = json::parse(read_file(fixture("llama_tied_f32") + "/config.json"));
  fields["rope_parameters"] =
      json::parse(R"({"rope_type": "yarn", "rope_theta": 1e4, "factor": 2, "original_max_position_embeddings": 16})");
  const nn::rope_scaling same = zoft::io::read_model_config(fields, "config.json").scaling;
  CHECK((same.divisors.back() > 1 && same.amplitude > 1));
  CHECK(scaled(yarn) == same);
  CHECK(std::abs(scaled([&](keys& k) { yarn(k), k.real("rope.scaling.attn_factor", 2); }).amplitude -
                 2 * same.amplitude) < 1e-12);
  // Divisors in a tensor come on top of a factor.
  changed_file both("llama_tied_f32", "llama");
  both.tensors.push_back({"rope_freqs.weight", {2}, {1, 3}});
  CHECK(both.shape().scaling.divisors == std::vector<double>{1, 3});
  both.keys.real("rope.scaling.factor", 2);
  CHECK(both.shape().scaling.divisors == std::vector<double>{2, 6});

  changed_file granite("granite", "granite");
  granite.keys.set("granite.rope.scaling.finetuned", false);
  CHECK((!granite.shape().layer(0).rotary && !granite.shape().layer(1).rotary));
}

TEST_CASE("gguf: a part of a head is rotated, whatever its share is rounded to", "[io]") {
  for (const auto& [rotated, elements] : std::vector<std::pair<std::uint32_t, std::uint32_t>>{
           {2, 98}, {32, 80}, {26, 98}, {96, 128}, {54, 106}, {64, 64}}) {
    INFO(rotated << " of " << elements);
    converted_keys keys("stablelm");
    for (const auto& [name, value] :
         std::vector<std::pair<std::string, std::size_t>>{{"context_length", 8},
                                                          {"embedding_length", elements},
                                                          {"block_count", 1},
                                                          {"feed_forward_length", 4},
                                                          {"attention.head_count", 1},
                                                          {"rope.dimension_count", rotated}})
      keys.whole(name, value);
    keys.real("attention.layer_norm_epsilon", 1e-5);
    const scratch folder;
    const std::string path = folder.write(
        "model.gguf", converted_bytes(keys, {{"token_embd.weight", {1, elements}, std::vector<float>(elements)}}));
    const zoft::io::gguf file(path);
    const auto known = zoft::io::gguf_architectures();
    const auto stablelm = std::find_if(known.begin(), known.end(), [](const auto& a) { return a.name == "stablelm"; });
    REQUIRE(stablelm != known.end());
    CHECK(zoft::io::read_model_config(zoft::io::gguf_config(file, *stablelm), path).rotary_dims == rotated);
  }
}

TEST_CASE("gguf: windows, lists for each block, and parts that need not be there", "[io]") {
  changed_file gemma3("gemma3_text", "gemma3");
  gemma3.keys.set_bytes("gemma3.attention.sliding_window_pattern",
                        gguf_list("gemma3.attention.sliding_window_pattern", std::vector<bool>{false, true}));
  CHECK((gemma3.shape().layer(0).window == 0 && gemma3.shape().layer(1).window == 4 && gemma3.shape().layer(1).local));
  gemma3.keys.erase("gemma3.attention.sliding_window_pattern");  // 6
  CHECK((gemma3.shape().layer(0).window == 4 && gemma3.shape().layer(1).window == 4));
  gemma3.keys.erase("gemma3.attention.sliding_window");
  CHECK((gemma3.shape().layer(0).window == 0 && !gemma3.shape().layer(0).local));
  changed_file gemma2("gemma2", "gemma2");
  gemma2.keys.whole("attention.sliding_window_pattern", 1);
  CHECK(gemma2.shape().layer(0).window == 0);

  changed_file llama("llama_tied_f32", "llama");
  llama.keys.set_bytes("llama.attention.head_count_kv",
                       gguf_list("llama.attention.head_count_kv", std::vector<std::int32_t>{2, 2}));
  CHECK(llama.shape().kv_heads == 2);
  // llama.cpp takes what biases there are.
  for (const std::string block : {"blk.0.", "blk.1."})
    llama.tensors.push_back({block + "attn_output.bias", {16}, std::vector<float>(16)});
  CHECK(llama.shape().bias == nn::biases{.attention_output = true});

  changed_file bert("bert", "bert");  // rerankers have a head
  bert.tensors.push_back({"cls.output.bias", {3}, std::vector<float>(3)});
  CHECK_NOTHROW(bert.shape());
  changed_file roberta("roberta", "bert");  // one row, which older converters wrote as a vector
  roberta.at("token_types.weight").shape = {12};
  CHECK(roberta.shape().token_types == 1);

  // Older files of Phi 2 have q, k and v in one tensor.
  changed_file phi("phi", "phi2");
  const std::vector<float> logits = nn::load(phi.write(), {.threads = 1}).logits(std::vector<std::int32_t>{1, 5, 9});
  for (const std::string block : {"blk.0.", "blk.1."})
    for (const std::string ending : {".weight", ".bias"}) {
      converted all = phi.at(block + "attn_q" + ending);
      all.name = block + "attn_qkv" + ending;
      for (const std::string part : {"attn_k", "attn_v"}) {
        const converted& more = phi.at(block + part + ending);
        all.values.insert(all.values.end(), more.values.begin(), more.values.end());
        all.shape[0] += more.shape[0];
      }
      for (const std::string part : {"attn_q", "attn_k", "attn_v"}) phi.erase(block + part + ending);
      phi.tensors.push_back(all);
    }
  CHECK(distance(nn::load(phi.write(), {.threads = 1}).logits(std::vector<std::int32_t>{1, 5, 9}), logits) < 1e-6);
}

TEST_CASE("gguf: models that are damaged or not known are refused in one line", "[io]") {
  using file = changed_file;
  const std::string llama = "llama_tied_f32", query = "blk.1.attn_q.weight";
  const auto change = [&](const std::function<void(file&)>& f, std::initializer_list<std::string> parts) {
    check_change(llama, "llama", f, parts);
  };
  change([&](file& f) { f.erase(query); }, {query + " is missing, and must be of shape (16, 16)"});
  change([&](file& f) { f.erase("token_embd.weight"); }, {"has no token_embd.weight of two extents"});
  change([&](file& f) { f.at(query).shape = {8, 32}; }, {query + " has shape (8, 32), and must have (16, 16)"});
  change([&](file& f) { f.at("token_embd.weight").shape = {2, 2, 128}; }, {"token_embd.weight of two extents"});
  change([](file& f) { f.tensors.push_back({"blk.0.extra.weight", {1}, {1}}); }, {"holds blk.0.extra.weight"});
  change(
      [](file& f) {
        f.tensors.push_back({"rope_freqs.weight", {3}, {1, 1, 1}});
      },
      {"rope_freqs.weight has shape (3), and must have (2)"});
  change([](file& f) { f.tensors.push_back({"rope_freqs.weight", {2}, {1, -1}}); }, {"rope_freqs.weight holds -1"});
  change(
      [](file& f) {
        f.tensors.push_back({"rope_freqs.weight", {2}, {1, infinity}});
      },
      {"rope_freqs.weight holds inf"});
  change([](file& f) { f.keys.whole("expert_count", 8); }, {"llama.expert_count is 8, and must be 0"});
  change([](file& f) { f.keys.set("general.architecture", std::string("mamba")); },
         {"general.architecture is \"mamba\", and must be one of llama, qwen2"});
  change([](file& f) { f.keys.erase("general.architecture"); }, {"general.architecture is missing"});
  change([](file& f) { f.keys.set("general.type", std::string("adapter")); }, {"general.type is \"adapter\""});
  change([](file& f) { f.keys.set("split.count", std::uint16_t{3}); }, {"split.count is 3, and must be 1"});
  for (const std::string name :
       {"context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count"}) {
    change([&](file& f) { f.keys.erase("llama." + name); }, {"llama." + name + " is missing"});
    change([&](file& f) { f.keys.whole(name, 0); }, {"llama." + name + " is 0"});
    change([&](file& f) { f.keys.set("llama." + name, std::string("4")); }, {"llama." + name + " is \"4\""});
    change([&](file& f) { f.keys.whole(name, 0xffffffff); }, {"llama." + name + " is 4294967295"});
  }
  change([](file& f) { f.keys.whole("block_count", 65536); }, {"blk.2.attn_norm.weight is missing"});
  change([](file& f) { f.keys.whole("block_count", 1); }, {"holds blk.1."});
  change([](file& f) { f.keys.whole("attention.head_count", 3); }, {"llama.embedding_length is 16", "which are 3"});
  change([](file& f) { f.keys.whole("attention.head_count_kv", 3); }, {"num_key_value_heads is 3", "config.json"});
  change(
      [](file& f) {
        f.keys.set_bytes("llama.attention.head_count_kv",
                         gguf_list("llama.attention.head_count_kv", std::vector<std::int32_t>{2, 1}));
      },
      {"llama.attention.head_count_kv is a list of 2 i32", "the same in all blocks"});
  change([](file& f) { f.keys.erase("llama.attention.layer_norm_rms_epsilon"); },
         {"layer_norm_rms_epsilon is missing"});
  change([](file& f) { f.keys.real("attention.layer_norm_rms_epsilon", -1); }, {"layer_norm_rms_epsilon is -1"});
  change([](file& f) { f.keys.whole("rope.dimension_count", 2); }, {"llama.rope.dimension_count is 2, and must be 4"});
  change([](file& f) { f.keys.real("rope.freq_base", -1); }, {"rope_theta is -1"});
  change([](file& f) { f.keys.set("llama.rope.scaling.type", std::string("su")); },
         {"llama.rope.scaling.type is \"su\", and must be none, linear, yarn or longrope"});
  change([](file& f) { f.keys.real("rope.scaling.attn_factor", 0); }, {"llama.rope.scaling.attn_factor is 0"});

  check_change("gpt_neox", "gptneox", [](file& f) { f.keys.erase("gptneox.use_parallel_residual"); },
               {"gptneox.use_parallel_residual is missing"});
  check_change("gpt_neox", "gptneox", [](file& f) { f.keys.whole("rope.dimension_count", 8); },
               {"gptneox.rope.dimension_count is 8, and must be at most 6"});
  check_change("olmo2", "olmo2", [](file& f) { f.keys.whole("attention.sliding_window", 4); },
               {"olmo2.attention.sliding_window is 4", "OLMo 3"});
  check_change("bert", "bert", [](file& f) { f.keys.set("bert.attention.causal", true); },
               {"bert.attention.causal is true, and must be false"});
  check_change("bert", "bert", [](file& f) { f.erase("token_types.weight"); }, {"token_types.weight is missing"});
  check_change("bert", "bert",
               [](file& f) {
                 f.at("token_types.weight") = {"token_types.weight", {}, {1}};
               },
               {"token_types.weight has shape ()"});
  check_change("bert", "bert",
               [](file& f) {
                 f.tensors.push_back({"rope_freqs.weight", {2}, {1, 1}});
               },
               {"holds rope_freqs.weight"});
  check_change("stablelm_parallel", "stablelm", [](file& f) { f.at("blk.0.attn_q_norm.weight").shape = {12}; },
               {"blk.0.attn_q_norm.weight has shape (12), and must have (2, 6)"});
  check_change("gemma3_text", "gemma3",
               [](file& f) {
                 f.keys.set_bytes("gemma3.attention.sliding_window_pattern",
                                  gguf_list("gemma3.attention.sliding_window_pattern", std::vector<bool>{true}));
               },
               {"gemma3.attention.sliding_window_pattern is a list of 1 bool, and must be one for each block"});
}

TEST_CASE("gguf: a quantisation that is not widened is named", "[io]") {
  converted_keys keys("llama");
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::size_t>>{{"context_length", 8},
                                                                                    {"embedding_length", 32},
                                                                                    {"block_count", 1},
                                                                                    {"feed_forward_length", 4},
                                                                                    {"attention.head_count", 2}})
    keys.whole(name, value);
  keys.real("attention.layer_norm_rms_epsilon", 1e-5);
  const scratch folder;
  const std::string path = folder.write(
      "model.gguf", gguf_file(keys.all(), {{"token_embd.weight", {32, 2}, 20, std::string(2 * 18, '\0')}}));
  check_refused([&] { zoft::io::open_checkpoint(path); },
                {path + ": token_embd.weight is IQ4_NL, and must be one of F32"});
}
