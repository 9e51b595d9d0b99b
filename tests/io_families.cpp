// What the families' tables make of a config.json: the fields of published models, defaults, and what is refused.
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>
#include <zoft/nn/transformer.hpp>

#include "io_families_support.hpp"
#include "nn_support.hpp"

using namespace nn_test;
using namespace io_test;
namespace nn = zoft::nn;

namespace {

json six_of(const std::string& kind) { return json(std::vector<std::string>(6, kind)); }

std::vector<std::size_t> windows_of(const nn::config& c) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < c.layers; ++i) result.push_back(c.layer(i).window);
  return result;
}

/// The config.json of a published model, or null where the data is missing.
json published(const std::string& name) {
  const auto path = real_data("configs/" + name + "/config.json");
  return path ? json::parse(read_file(*path)) : json();
}

/// The same model with fewer and smaller parts: what an element of a head is rotated by stays, and so do the ratios of
/// heads and the windows.
json cut_down(const json& whole, const nn::config& c) {
  json result = whole;
  const std::size_t keys = c.kv_heads == c.heads ? 2 : 1, heads = keys * (c.heads / c.kv_heads);
  const std::size_t dim = whole.contains("head_dim") ? 24 : heads * c.head_dim;
  const std::map<std::string, std::size_t> smaller{{"hidden_size", dim},
                                                   {"intermediate_size", 20},
                                                   {"ffn_dim", 20},
                                                   {"num_hidden_layers", 4},
                                                   {"num_attention_heads", heads},
                                                   {"num_key_value_heads", keys},
                                                   {"vocab_size", 40},
                                                   {"word_embed_proj_dim", c.row_dim() == c.dim ? dim : dim / 2}};
  for (const auto& [name, value] : smaller)
    if (result.contains(name)) result[name] = std::min(value, result[name].get<std::size_t>());
  return result;
}

/// Loads the model with random weights and runs it once.
void check_published_runs(const json& fields) {
  const scratch folder;
  folder.write("config.json", fields.dump());
  const nn::config c = read_fields(fields);
  draws d(17);
  std::vector<std::vector<float>> kept;
  std::vector<zoft::io::named_tensor> tensors;
  zoft::io::for_each_tensor(c, [&](const std::string& name, const std::vector<std::size_t>& shape) {
    if (name.find("pooler") != name.npos) return;
    kept.push_back(d.numbers(zoft::io::elements(shape), shape.size() == 1 ? 1.0f : 0.3f));
    tensors.push_back({name, shape, {}});
  });
  for (std::size_t i = 0; i < kept.size(); ++i) tensors[i].values = kept[i];
  zoft::io::write_safetensors(folder.path("model.safetensors"), tensors);
  const nn::transformer model = nn::load(folder.path(), {.threads = 1});
  CHECK(model.shape().layers == c.layers);
  const std::vector<float> logits = model.logits(d.tokens(12, c.vocabulary));
  REQUIRE(logits.size() == 12 * c.vocabulary);
  CHECK(std::all_of(logits.begin(), logits.end(), [](float z) { return std::isfinite(z); }));
  CHECK(*std::max_element(logits.begin(), logits.end()) - *std::min_element(logits.begin(), logits.end()) > 0.1f);
}

}  // namespace

TEST_CASE("families: what is rotated", "[io]") {
  CHECK(family_shape("phi").rotary_dims == 4);       // half of 8
  CHECK(family_shape("stablelm").rotary_dims == 2);  // a quarter
  CHECK(family_shape("gpt_neox").rotary_dims == 2);
  CHECK(family_shape("gpt_neox", {{"rotary_pct", 0.75}, {"rotary_emb_base", 25}}).rotary_dims == 6);
  CHECK(family_shape("gpt_neox", {{"rotary_emb_base", 25}}).rope_base == 25);
  CHECK(family_shape("phi", {{"rope_parameters", {{"partial_rotary_factor", 0.3}}}}).rotary_dims == 2);  // of 2.4
  CHECK(family_shape("phi3", {{"partial_rotary_factor", 0.75}}).rotary_dims == 6);
  CHECK(family_shape("llama", {{"partial_rotary_factor", 1}}).rotary_dims == 8);
  CHECK(family_shape("smollm3").rope_base == 2e6);
  check_family_refused("llama", {{"partial_rotary_factor", 0.5}}, {config_file + ": partial_rotary_factor is 0.5"});
  check_family_refused("phi", {{"partial_rotary_factor", 0.4}}, {"3 of the 8 elements of a head are rotated"});
  check_family_refused("phi", {{"partial_rotary_factor", 1e300}}, {"1e+300 of a head is rotated"});
  check_family_refused("phi", {{"partial_rotary_factor", 1.25}}, {"1.25 of a head is rotated, and must be at most 1"});
  check_family_refused("gpt_neox", {{"rope_theta", 25}}, {"rope_theta is 25", "not a field of this family"});
  check_family_refused("gpt2", {{"rope_scaling", {{"factor", 2}}}}, {"rope_scaling is an object"});
}

TEST_CASE("families: fields that are left out, and fields that are null", "[io]") {
  const auto none = std::vector<std::size_t>(6, 0);
  const json wide = {{"max_position_embeddings", 8192}};
  const auto shape = [&](const std::string& family, json changes = json::object()) {
    changes.update(wide);
    return family_shape(family, changes);
  };
  CHECK(windows_of(shape("mistral")) == std::vector<std::size_t>(6, 4096));
  CHECK(windows_of(shape("mistral", {{"sliding_window", nullptr}})) == none);
  CHECK(windows_of(shape("mistral", {{"sliding_window", 8192}})) == none);
  CHECK(windows_of(shape("phi3")) == none);
  CHECK(windows_of(shape("starcoder2")) == none);
  CHECK(windows_of(shape("starcoder2", {{"sliding_window", 16}})) == std::vector<std::size_t>(6, 16));
  CHECK(windows_of(shape("gemma2")) == std::vector<std::size_t>{4096, 0, 4096, 0, 4096, 0});
  CHECK(windows_of(shape("gemma3_text")) == std::vector<std::size_t>{4096, 4096, 4096, 4096, 4096, 0});
  CHECK(windows_of(shape("llama", {{"sliding_window", 16}})) == none);
  CHECK(windows_of(shape("qwen2", {{"sliding_window", 16}, {"max_window_layers", 2}})) == none);
  const json slides = {{"use_sliding_window", true}, {"sliding_window", 16}, {"max_window_layers", 4}};
  CHECK(windows_of(shape("qwen2", slides)) == std::vector<std::size_t>{0, 0, 0, 0, 16, 16});
  CHECK(windows_of(shape("qwen3", slides)) == std::vector<std::size_t>{0, 0, 0, 0, 16, 16});
  CHECK(windows_of(shape("qwen2", {{"use_sliding_window", true}})) == none);  // from block 28 on
  check_family_refused("gemma2", {{"sliding_window", nullptr}}, {"block 0 attends to a sliding window"});

  CHECK(shape("gemma2").attention_cap == 50);
  CHECK(shape("gemma2").logit_cap == 30);
  CHECK(shape("gemma2", {{"attn_logit_softcapping", nullptr}}).attention_cap == 0);
  CHECK(shape("gemma2", {{"final_logit_softcapping", nullptr}}).logit_cap == 0);
  CHECK(shape("gemma3_text").logit_cap == 0);
  CHECK(shape("gemma3_text", {{"final_logit_softcapping", 3}}).logit_cap == 3);
  CHECK(shape("gemma2").attention_scale == 0.0625);
  CHECK(shape("granite").attention_scale == 1);

  for (const auto& [family, keys] : std::map<std::string, std::size_t>{{"mistral", 8},
                                                                       {"qwen2", 32},
                                                                       {"qwen3", 32},
                                                                       {"gemma", 16},
                                                                       {"gemma2", 4},
                                                                       {"smollm3", 4},
                                                                       {"stablelm", 32},
                                                                       {"starcoder2", 2},
                                                                       {"llama", 64},
                                                                       {"phi", 64},
                                                                       {"phi3", 64},
                                                                       {"granite", 64},
                                                                       {"olmo2", 64}}) {
    INFO(family);
    const json heads = {{"hidden_size", 512}, {"num_attention_heads", 64}, {"num_key_value_heads", "absent"}};
    json null = heads;
    null["num_key_value_heads"] = nullptr;
    CHECK(family_shape(family, heads).kv_heads == keys);
    CHECK(family_shape(family, null).kv_heads == 64);
  }
  for (const zoft::io::family& known : zoft::io::families()) {
    const std::string family(known.name);
    INFO(family);
    const std::set<std::string> untied{"llama", "mistral", "qwen2",    "qwen3", "granite",
                                       "olmo2", "phi",     "gpt_neox", "phi3",  "stablelm"};
    CHECK(family_shape(family).tied_head == !untied.contains(family));
    CHECK(family_shape(family).family == family);
    CHECK(family_shape(family).head_dim == (family == "qwen3" ? 128 : family.starts_with("gemma") ? 256 : 8));
    const std::set<std::string> exact{"bert", "roberta", "distilbert", "gpt_neox"};
    const bool tanh = family.starts_with("gemma") || family == "phi" || family == "gpt2" || family == "starcoder2";
    CHECK(family_shape(family).act == (exact.contains(family) ? nn::activation::gelu
                                       : tanh                 ? nn::activation::gelu_tanh
                                       : family == "opt"      ? nn::activation::relu
                                                              : nn::activation::silu));
    const double epsilon = family_shape(family).norm_epsilon;
    CHECK(epsilon == (exact.contains(family) && family != "gpt_neox" ? 1e-12
                      : family_shape(family).norm == nn::norm_kind::layer || family == "olmo2" || family == "phi3"
                          ? 1e-5
                          : 1e-6));
  }
  CHECK(family_shape("gpt2", {{"n_inner", nullptr}}).hidden == 128);
  const nn::config gpt2 = read_fields({{"model_type", "gpt2"}, {"n_embd", 64}, {"n_head", 2}, {"n_positions", 9}});
  CHECK((gpt2.dim == 64 && gpt2.heads == 2 && gpt2.head_dim == 32 && gpt2.context == 9 && gpt2.layers == 12));
}

TEST_CASE("families: fields by other names, and values that say nothing", "[io]") {
  for (const json& neutral :
       {json{{"hidden_act", "swish"}}, json{{"rope_scaling", {{"type", "linear"}, {"factor", 1.0}}}},
        json{{"rope_scaling", json::object()}}, json{{"logits_scaling", 1}}, json{{"embedding_multiplier", 1.0}},
        json{{"num_local_experts", 0}}, json{{"clip_qkv", nullptr}}, json{{"pruned_heads", json::object()}},
        json{{"max_window_layers", 28}}, json{{"attention_softmax_in_fp32", true}}, json{{"use_mrope", false}},
        json{{"layer_types", six_of("full_attention")}}, json{{"is_causal", true}}, json{{"is_decoder", true}},
        json{{"pretraining_tp", 2}}, json{{"attention_dropout", 0.5}}, json{{"residual_dropout", 0.1}},
        json{{"hidden_size", 32}, {"head_dim", nullptr}}, json{{"rope_parameters", {{"finetuned", true}}}}}) {
    INFO(neutral.dump());
    CHECK(message_of([&] { family_shape("llama", neutral); }).empty());
    if (!neutral.contains("rope_parameters")) CHECK(family_shape("llama", neutral).scaling == nn::rope_scaling{});
  }
  CHECK(family_shape("qwen2", {{"use_mrope", false}, {"mask_value", -10000}}).bias.query_key_value);
  CHECK(family_shape("gemma", {{"hidden_act", "gelu"}}).act == nn::activation::gelu_tanh);
  CHECK(family_shape("gemma", {{"hidden_act", "gelu_python"}}).act == nn::activation::gelu);
  CHECK(family_shape("gemma2", {{"hidden_act", "relu"}}).act == nn::activation::gelu_tanh);  // it is not looked at
  CHECK(family_shape("stablelm", {{"norm_eps", 0.25}}).norm_epsilon == 0.25);
  CHECK_FALSE(family_shape("opt", {{"enable_bias", false}}).bias.mlp);
  CHECK(family_shape("opt", {{"do_layer_norm_before", false}, {"_remove_final_layer_norm", true}})
            .names.final_norm.empty());
  CHECK(family_shape("xlm-roberta").family == "roberta");
  CHECK(family_shape("camembert").family == "roberta");
  CHECK(family_shape("roberta", {{"pad_token_id", 3}}).context == 60);
  const json phi4 = {{"architectures", {"Phi3ForCausalLM"}}};
  CHECK(family_shape("phi4", phi4).family == "phi3");
  CHECK(family_shape("gemma3", {{"sliding_window_attention_size", 8}}).layer(0).window == 8);
  CHECK(family_shape("gemma3_text", {{"sliding_window_pattern", 2}}).layer(1).window == 0);
  const json nested = {{"full_attention", {{"rope_type", "linear"}, {"factor", 4}, {"rope_theta", 100}}},
                       {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 10}}}};
  const nn::config gemma3 = family_shape("gemma3_text", {{"rope_parameters", nested}});
  CHECK((gemma3.rope_base == 100 && gemma3.local_rope_base == 10));
  CHECK(gemma3.scaling.divisors == std::vector<double>(128, 4.0));
  CHECK((gemma3.layer(4).local && !gemma3.layer(5).local));
  const nn::config smollm3 = family_shape("smollm3", {{"use_sliding_window", true}, {"sliding_window", 8}});
  CHECK(windows_of(smollm3) == std::vector<std::size_t>{0, 0, 0, 8, 0, 0});
  CHECK((smollm3.layer(2).rotary && !smollm3.layer(3).rotary));
  CHECK(family_shape("smollm3", {{"no_rope_layers", {1, 1, 1, 1, 1, 0}}}).layer(3).rotary);
}

TEST_CASE("families: what would change the numbers is refused by name", "[io]") {
  for (const json& unknown : {json{{"clip_qkv", 8}},
                              json{{"num_local_experts", 8}},
                              json{{"num_experts_per_tok", 2}},
                              json{{"attn_logit_softcapping", 50.0}},
                              json{{"embedding_multiplier", 2}},
                              json{{"logit_scale", 0.0625}},
                              json{{"pruned_heads", {{"0", {1}}}}},
                              json{{"use_sliding_window", true}},
                              json{{"alibi", true}},
                              json{{"qk_layernorm", true}},
                              json{{"use_parallel_residual", true}},
                              json{{"rotary_pct", 0.25}},
                              json{{"use_bidirectional_attention", true}},
                              json{{"is_causal", false}},
                              json{{"add_cross_attention", true}},
                              json{{"quantization_config", {{"bits", 4}}}},
                              json{{"is_encoder_decoder", true}},
                              json{{"layer_types", {"full_attention", "sliding_attention"}}},
                              json{{"attention_bias", 1}},
                              json{{"tie_word_embeddings", 0}},
                              json{{"rope_scaling", {{"type", "linear"}, {"factor", "2"}}}},
                              json{{"num_attention_heads", 2.5}}})
    for (const std::string family : {"llama", "granite"}) {
      const std::string field = unknown.begin().key();
      if (family == "granite" && field == "embedding_multiplier") continue;
      check_family_refused(family, unknown, {config_file + ": " + field});
    }
  for (const std::string family : {"mistral", "qwen2", "phi3", "starcoder2"})
    check_family_refused(family, {{"attention_bias", true}}, {"attention_bias is true"});
  check_family_refused("phi3", {{"lm_head_bias", true}}, {"lm_head_bias is true"});
  check_family_refused("phi3", {{"full_attn_mod", 2}}, {"full_attn_mod is 2, and must be 1"});
  check_family_refused("qwen2", {{"use_mrope", true}}, {"use_mrope is true"});
  check_family_refused("starcoder2", {{"norm_type", "rms_norm"}}, {"norm_type is \"rms_norm\""});
  check_family_refused("olmo2", {{"layer_types", {"sliding_attention"}}}, {"layer_types holds \"sliding_attention\""});
  const json all_full = {{"layer_types", six_of("full_attention")}, {"sliding_window", 16}};
  for (const std::string family : {"mistral", "phi3", "starcoder2"}) {
    check_family_refused(family, all_full, {"layer_types is a list of 6", "all \"sliding_attention\""});
    CHECK(
        family_shape(family, {{"layer_types", six_of("sliding_attention")}, {"sliding_window", 16}}).layer(5).window ==
        16);
    CHECK(family_shape(family, {{"layer_types", six_of("full_attention")}, {"sliding_window", nullptr}})
              .layer(5)
              .window == 0);
  }
  for (const std::string family : {"phi", "gpt_neox", "stablelm", "opt", "bert", "roberta", "distilbert", "gpt2"}) {
    check_family_refused(family, {{"head_dim", 16}}, {"head_dim is 16, and must be 8"});
    CHECK(family_shape(family, {{"head_dim", 8}}).head_dim == 8);
  }
  for (const std::string family : {"gpt_neox", "opt", "bert", "roberta", "distilbert", "gpt2"})
    check_family_refused(family, {{"num_key_value_heads", 2}}, {"num_key_value_heads is 2, and must be 4"});
  for (const std::string family : {"bert", "roberta", "distilbert"}) {
    check_family_refused(family, {{"is_decoder", true}}, {"is_decoder is true"});
    check_family_refused(family, {{"position_embedding_type", "relative_key"}}, {"position_embedding_type"});
    check_family_refused(family, {{"tie_word_embeddings", false}}, {"tie_word_embeddings is false"});
  }
  check_family_refused("roberta", {{"hidden_act", "relu"}}, {"hidden_act is \"relu\""});
  check_family_refused("roberta", {{"max_position_embeddings", 2}},
                       {"max_position_embeddings is 2, and must be above 2"});
  check_family_refused("opt", {{"layer_norm_elementwise_affine", false}}, {"layer_norm_elementwise_affine is false"});
  check_family_refused("gemma", {{"use_bidirectional_attention", true}}, {"use_bidirectional_attention is true"});
  check_family_refused("gemma3_text", {{"attn_logit_softcapping", 50.0}}, {"attn_logit_softcapping is 50.0"});
  check_family_refused("gemma3_text", {{"use_res_clamp", true}}, {"use_res_clamp is true"});
  check_family_refused("gemma3_text", {{"global_local_attention_pattern", {"SLIDING_LOCAL", "GLOBAL"}}},
                       {"global_local_attention_pattern holds \"GLOBAL\" for block 1"});
  check_family_refused("gemma3", {{"text_config", {{"hidden_size", 32}}}}, {"text_config is an object"});
  check_family_refused("phi4", json::object(), {"model_type is \"phi4\", and must be one of"});
  check_family_refused("smollm3", {{"no_rope_layers", {1, 1, 1, 1, 1}}}, {"no_rope_layers is a list of 5"});
  check_family_refused("smollm3", {{"no_rope_layers", {1, 1, 1, 1, 1, "a"}}}, {"no_rope_layers holds \"a\""});
  check_family_refused("gemma2", {{"num_hidden_layers", 16777216}}, {"num_hidden_layers is 16777216"});
  check_family_refused("gpt2", {{"n_layer", 16777216}}, {"n_layer is 16777216"});
  check_family_refused("mixtral", json::object(), {"model_type is \"mixtral\""});
}

TEST_CASE("families: every published config loads, or is refused for a reason that is true", "[io]") {
  const auto place = real_data("configs");
  if (!place) return;
  std::map<std::string, std::string> refused{{"t5-edited", "is_encoder_decoder is true, and must be false"},
                                             {"roberta-base", "model_type is missing"}};
  std::size_t loaded = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*place)) {
    const std::string name = entry.path().filename().string();
    if (!std::filesystem::exists(entry.path() / "config.json")) continue;
    INFO(name);
    const json fields = published(name);
    if (const auto why = refused.find(name); why != refused.end()) {
      check_refused([&] { read_fields(fields); }, {config_file + ": " + why->second});
      refused.erase(why);
      continue;
    }
    check_published_runs(cut_down(fields, read_fields(fields)));
    ++loaded;
  }
  CHECK(loaded >= 19);
  CHECK(refused.empty());
}

TEST_CASE("families: what published configs say", "[io]") {
  const auto shape = [](const std::string& name) { return read_fields(published(name)); };
  if (!real_data("configs")) return;
  const auto no_windows = [](const nn::config& c) { return windows_of(c) == std::vector<std::size_t>(c.layers, 0); };
  for (const std::string name : {"Qwen2-1.5B-Instruct", "Qwen2.5-0.5B-Instruct", "Qwen2.5-3B"}) {
    const nn::config c = shape(name);
    CHECK((c.family == "qwen2" && c.rope_base == 1e6 && c.tied_head && c.head_dim == c.dim / c.heads));
    CHECK((c.bias == nn::biases{.query_key_value = true} && no_windows(c) && c.kv_heads == 2));
  }
  for (const std::string name : {"Qwen3-1.7B", "Qwen3-4B", "qwen3-edited"}) {
    const nn::config c = shape(name);
    CHECK((c.family == "qwen3" && c.head_dim == 128 && c.rope_base == 1e6 && c.kv_heads == 8 && no_windows(c)));
    CHECK((c.query_key_norm == nn::head_norm::each && c.bias == nn::biases{} && c.tied_head));
  }
  const nn::config tiny = shape("TinyLlama-1.1B-Chat-v1.0");
  CHECK((tiny.family == "llama" && tiny.heads == 32 && tiny.kv_heads == 4 && !tiny.tied_head && tiny.layers == 22));

  const nn::config llama = shape("llama-3.2-1b-instruct");
  CHECK((llama.tied_head && llama.rope_base == 5e5 && llama.scaling.divisors.size() == 32));
  // By hand: wavelength i is 2π·500000^(i/32). Up to 2048 tokens it stays, and from 8192 on it is 32 times as long.
  CHECK(llama.scaling.divisors[14] == 1);                       // 1956 tokens
  CHECK(std::abs(llama.scaling.divisors[15] - 1.6513) < 1e-3);  // 2948: kept by (8192/2948 − 1)/3 = .593
  CHECK(std::abs(llama.scaling.divisors[17] - 9.6667) < 1e-3);  // 6695: kept by .0745
  CHECK(llama.scaling.divisors[18] == 32);                      // 10089

  const nn::config mistral = shape("mistral-edited");
  CHECK((windows_of(mistral) == std::vector<std::size_t>{4096} && mistral.head_dim == 128 && mistral.kv_heads == 8));

  const nn::config gemma2 = shape("gemma2_2b_it");
  CHECK((gemma2.attention_cap == 50 && gemma2.logit_cap == 30 && gemma2.attention_scale == 0.0625));
  CHECK((gemma2.head_dim == 256 && gemma2.tied_head && gemma2.norm_offset && gemma2.embedding_scale == 48));
  for (std::size_t i = 0; i < 26; ++i) CHECK(gemma2.layer(i).window == (i % 2 == 0 ? 4096u : 0u));

  const nn::config gemma3 = shape("gemma3_1b_it");
  CHECK((gemma3.family == "gemma3_text" && gemma3.rope_base == 1e6 && gemma3.local_rope_base == 1e4));
  CHECK((gemma3.scaling == nn::rope_scaling{} && gemma3.tied_head && gemma3.attention_cap == 0));
  for (std::size_t i = 0; i < 26; ++i) {
    const bool full = i == 5 || i == 11 || i == 17 || i == 23;
    CHECK((gemma3.layer(i).window == (full ? 0u : 512u) && gemma3.layer(i).local == !full));
  }

  const nn::config phi = shape("phi-edited");
  CHECK((phi.rotary_dims == 32 && phi.head_dim == 80 && phi.parallel && phi.shared_norm && !phi.tied_head));
  CHECK((phi.bias.head && phi.act == nn::activation::gelu_tanh));

  const nn::config phi4 = shape("phi-4-mini-reasoning");
  CHECK((phi4.family == "phi3" && phi4.head_dim == 128 && phi4.rotary_dims == 96 && phi4.kv_heads == 8));
  CHECK(std::abs(phi4.scaling.amplitude - 1.19024) < 1e-5);
  CHECK((phi4.scaling.long_after == 4096 && phi4.scaling.divisors.size() == 48 && phi4.tied_head && no_windows(phi4)));
  CHECK((phi4.scaling.divisors == phi4.scaling.long_divisors && phi4.scaling.divisors[47] == 47.77));

  const nn::config phi35 = shape("phi3.5-mini-instruct");
  CHECK((phi35.rotary_dims == 96 && phi35.head_dim == 96 && phi35.scaling.amplitude == 1 && !phi35.tied_head));
  CHECK((phi35.scaling.long_after == 4096 && phi35.context == 4096 && no_windows(phi35)));

  const nn::config neox = shape("gptneox-edited");
  CHECK((neox.rotary_dims == 32 && neox.head_dim == 128 && neox.parallel && !neox.shared_norm && neox.hidden == 24576));
  CHECK((neox.act == nn::activation::gelu_tanh && !neox.tied_head && neox.fused == nn::fused_rows::by_head));

  const nn::config opt = shape("opt-125m"), post = shape("opt-350m");
  CHECK((opt.names.attention_norm == "self_attn_layer_norm" && opt.names.attention_stream_norm.empty()));
  CHECK(
      (opt.embedding_dim == 0 && opt.names.final_norm == "model.decoder.final_layer_norm" && opt.first_position == 2));
  CHECK((post.names.attention_norm.empty() && post.names.attention_stream_norm == "self_attn_layer_norm"));
  CHECK((post.embedding_dim == 512 && post.names.final_norm.empty() && post.names.project_in != ""));

  for (const std::string name : {"roberta-large", "distilroberta-base"}) {
    const nn::config c = shape(name);
    CHECK((c.context == 512 && c.first_position == 2 && c.token_types == 1 && c.norm_epsilon == 1e-5 && !c.causal));
  }
  json base = published("roberta-base");
  base["model_type"] = "roberta";
  CHECK(read_fields(base).first_position == 2);
}
