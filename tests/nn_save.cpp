// Models saved as Hugging Face folders, from every source that zoft reads.
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>
#include <zoft/adapter/lora.hpp>
#include <zoft/nn/save.hpp>

#include "io_gguf_model_support.hpp"
#include "nn_support.hpp"

using namespace nn_test;
using namespace io_test;
using zoft::io::json;
using zoft::nn::transformer;
namespace nn = zoft::nn;

namespace {

namespace fs = std::filesystem;

constexpr nn::load_options one_thread{.threads = 1};
const std::vector<std::int32_t> ids_to_save{2, 7, 7, 20, 5, 12, 3};

std::vector<float> outputs_to_save(const transformer& model) {
  return model.shape().has_head ? model.logits(ids_to_save) : model.hidden(ids_to_save);
}

json json_of(const std::string& path) { return json::parse(read_file(path)); }

/// Calls f(name, folder) for each fixture, with a folder that has its config.json and weights.
template <class F>
void for_each_saved_fixture(F f) {
  std::size_t count = 0;
  for (const auto& place : fs::directory_iterator(ZOFT_FIXTURES)) {
    if (!fs::exists(place.path() / "config.json")) continue;
    const std::string name = place.path().filename().string();
    INFO(name);
    std::string folder = place.path().string();
    const scratch variant;
    if (fs::exists(folder + "/expected.json"))
      if (const json expected = json_of(folder + "/expected.json"); expected.contains("weights")) {
        fs::copy_file(folder + "/config.json", variant.path("config.json"));
        fs::copy_file(fixture(expected["weights"].get<std::string>()) + "/model.safetensors",
                      variant.path("model.safetensors"));
        folder = variant.path();
      }
    f(name, folder);
    ++count;
  }
  CHECK(count > 30);
}

/// The folder's config.json without the name of the type.
json untyped(const std::string& folder) {
  json result = json_of(folder + "/config.json");
  result.erase("dtype");
  result.erase("torch_dtype");
  return result;
}

void check_types(const std::string& folder, zoft::io::storage matrices) {
  const zoft::io::safetensors file(folder + "/model.safetensors");
  const json config = json_of(folder + "/config.json");
  const std::string name = matrices == zoft::io::storage::bf16 ? "bfloat16" : "float32";
  CHECK((config.contains("dtype") || config.contains("torch_dtype")));
  for (const char* field : {"dtype", "torch_dtype"}) CHECK(config.value(field, name) == name);
  CHECK(file.metadata().at("format") == "pt");
  for (const auto& [tensor, view] : file.tensors()) {
    INFO(tensor);
    if (!tensor.starts_with("classifier."))
      CHECK(view.type == (view.shape.size() == 2 ? matrices : zoft::io::storage::f32));
  }
}

/// A folder whose weights and outputs are the model's, bit for bit.
void check_saved_like(const transformer& model, const std::string& folder, const nn::load_options& o) {
  const transformer again = nn::load(folder, o);
  CHECK(again.weights_layout() == model.weights_layout());
  CHECK(same_bits(again.weights(), model.weights()));
  CHECK(same_bits(outputs_to_save(again), outputs_to_save(model)));
}

/// The bytes of a legacy file of llama2.c with these weights, which lie in its own order.
std::string llama2c_bytes(const nn::config& c, const std::vector<float>& weights) {
  std::string result;
  for (const std::size_t number : {c.dim, c.hidden, c.layers, c.heads, c.kv_heads, c.vocabulary, c.context})
    result += bytes_of(static_cast<std::int32_t>(number));
  for (const float value : weights) result += bytes_of(value);
  return result;
}

}  // namespace

TEST_CASE("save: every fixture comes back bit for bit, in f32", "[nn]") {
  for_each_saved_fixture([](const std::string& name, const std::string& source) {
    const transformer model = nn::load(source, one_thread);
    const scratch folder;
    nn::save(model, source, folder.path("saved"));
    check_saved_like(model, folder.path("saved"), one_thread);
    check_types(folder.path("saved"), zoft::io::storage::f32);
    CHECK(untyped(folder.path("saved")) == untyped(source));
    CHECK(fs::exists(folder.path("saved/generation_config.json")) == fs::exists(source + "/generation_config.json"));
    CHECK(folder.files() == 3);
    if (name.ends_with("_classes")) {  // the other head is copied
      const zoft::io::safetensors before(source + "/model.safetensors"), after(folder.path("saved/model.safetensors"));
      std::size_t copied = 0;
      for (const auto& [tensor, view] : before.tensors()) {
        if (!tensor.starts_with("classifier.")) continue;
        REQUIRE(after.find(tensor));
        CHECK(std::ranges::equal(after.find(tensor)->bytes, view.bytes));
        ++copied;
      }
      CHECK(copied >= 2);
    }
  });
}

TEST_CASE("save: every fixture comes back bit for bit, in bf16", "[nn]") {
  const nn::load_options narrow{.weights = nn::dtype::bf16, .threads = 1};
  for_each_saved_fixture([&](const std::string&, const std::string& source) {
    const transformer model = nn::load(source, narrow);
    const scratch folder;
    nn::save(model, source, folder.path());
    check_saved_like(model, folder.path(), narrow);
    check_types(folder.path(), zoft::io::storage::bf16);
    // What is kept as f32 can be written so, and is then rounded as it is when it is loaded.
    const scratch other;
    nn::save(nn::load(source, one_thread), source, other.path(), nn::dtype::bf16);
    CHECK(read_file(other.path("model.safetensors")) == read_file(folder.path("model.safetensors")));
    nn::save(model, source, other.path(), nn::dtype::f32);
    check_saved_like(model, other.path(), narrow);
    check_types(other.path(), zoft::io::storage::f32);
  });
}

TEST_CASE("save: the weights are the model's, not the source's", "[nn]") {
  for (const std::string name : {"llama_untied_f32", "gpt2", "gpt_neox", "gemma2", "stablelm", "opt", "bert"}) {
    INFO(name);
    transformer model = fixture_model(name, one_thread);
    draws d(5);
    std::vector<float> tuned = model.weights();
    for (float& value : tuned) value += 0.01f * d.number();
    model.assign(tuned);
    const scratch folder;
    nn::save(model, fixture(name), folder.path());
    const transformer again = nn::load(folder.path(), one_thread);
    // A gain below 1/2 may lose its last bits in g − 1.
    CHECK(distance(again.weights(), tuned) <= (name == "gemma2" ? 0x1p-24 : 0));
    CHECK(distance(outputs_to_save(again), outputs_to_save(fixture_model(name, one_thread))) > 1e-4);
  }
}

TEST_CASE("save: codes are widened to F32, which gives the same codes again", "[nn]") {
  for (const nn::dtype type : {nn::dtype::i8, nn::dtype::i4, nn::dtype::nf4}) {
    const nn::load_options coded{.weights = type, .threads = 1};
    const transformer model = fixture_model("llama_untied_f32", coded);
    const scratch folder;
    nn::save(model, fixture("llama_untied_f32"), folder.path());
    check_types(folder.path(), zoft::io::storage::f32);
    CHECK(same_bits(nn::load(folder.path(), one_thread).weights(), model.weights()));
    CHECK(distance(outputs_to_save(nn::load(folder.path(), coded)), outputs_to_save(model)) < 1e-5);
    nn::save(model, fixture("llama_untied_f32"), folder.path(), nn::dtype::bf16);
    check_types(folder.path(), zoft::io::storage::bf16);
  }
}

TEST_CASE("save: a model of llama2.c gets its rows in halves", "[nn]") {
  nn::config c{
      .dim = 12, .hidden = 10, .layers = 2, .heads = 2, .kv_heads = 1, .head_dim = 6, .vocabulary = 23, .context = 8};
  for (const bool tied : {true, false}) {
    c.tied_head = tied;
    const std::size_t d = 6, keys = 6;
    draws random(3);
    const std::vector<float> values = random.numbers(
        23 * 12 + 2 * (12 + 12 * 12 + 2 * keys * 12 + 12 * 12 + 12 + 3 * 12 * 10) + 12 + 8 * d + (tied ? 0 : 23 * 12),
        0.6f);
    std::string bytes = llama2c_bytes(c, values);
    if (!tied) bytes.replace(20, 4, bytes_of(std::int32_t{-23}));
    const scratch folder;
    const std::string source = folder.write("model.bin", bytes), saved = folder.path("saved");
    const transformer model = nn::load(source, one_thread);
    nn::save(model, source, saved);
    const transformer again = nn::load(saved, one_thread);
    CHECK((model.shape().pairing == nn::rope::interleaved && again.shape().pairing == nn::rope::half_split));
    CHECK(distance(outputs_to_save(again), outputs_to_save(model)) < 1e-5);
    CHECK(distance(outputs_to_save(again), std::vector<float>(7 * 23)) > 0.1);

    // Row j of a head is the row 2j, and row d/2 + j the row 2j + 1. All else is the same.
    const std::vector<float> before = model.weights(), after = again.weights();
    REQUIRE(again.weights_layout() == model.weights_layout());
    for (const zoft::tensor& t : model.weights_layout()) {
      INFO(t.name);
      const bool rotated = t.name.ends_with("q_proj.weight") || t.name.ends_with("k_proj.weight");
      for (std::size_t row = 0; row < t.rows; ++row) {
        const std::size_t r = row % d, from = rotated ? row - r + (r < d / 2 ? 2 * r : 2 * (r - d / 2) + 1) : row;
        CHECK(std::equal(before.begin() + static_cast<std::ptrdiff_t>(t.offset + from * t.columns),
                         before.begin() + static_cast<std::ptrdiff_t>(t.offset + (from + 1) * t.columns),
                         after.begin() + static_cast<std::ptrdiff_t>(t.offset + row * t.columns)));
      }
    }
    const json config = json_of(saved + "/config.json");
    CHECK(config["architectures"] == json::array({"LlamaForCausalLM"}));
    CHECK((config["bos_token_id"] == 1 && config["eos_token_id"] == 2 && config["tie_word_embeddings"] == tied));
    CHECK((config["rms_norm_eps"] == 1e-5 && config["torch_dtype"] == "float32"));

    // An adapter is added in the model's own order of rows.
    auto adapter = zoft::lora{.rank = 2}.attach(model.layout(), zoft::seed{1});
    for (float& x : adapter.parameters()) x = 0.3f * random.number();
    nn::save(model, source, folder.path("merged"), std::nullopt, adapter.stack());
    CHECK(distance(nn::load(folder.path("merged"), one_thread).logits(ids_to_save),
                   model.logits(ids_to_save, adapter.stack())) < 1e-4);

    // Saved once more, it is the same.
    nn::save(again, saved, folder.path("twice"));
    CHECK(read_file(folder.path("twice/model.safetensors")) == read_file(saved + "/model.safetensors"));
    CHECK(read_file(folder.path("twice/config.json")) == read_file(saved + "/config.json"));
  }
}

TEST_CASE("save: a model of a GGUF file gets the tensors that its family's folders have", "[nn]") {
  using text = std::string;
  for (const auto& [name, architecture, edits] :
       std::vector<std::tuple<text, text, json>>{{"llama_tied_f32", "llama", {}},
                                                 {"llama_untied_f32", "llama", {}},
                                                 {"llama_llama3", "llama", {}},
                                                 {"llama_linear", "llama", {}},
                                                 {"qwen2_f32", "qwen2", {}},
                                                 {"qwen3", "qwen3", {}},
                                                 {"smollm3", "smollm3", {{"no_rope_layers", {1, 1}}}},
                                                 {"granite", "granite", {}},
                                                 {"olmo2", "olmo2", {}},
                                                 {"gemma", "gemma", {}},
                                                 {"gemma2", "gemma2", {{"query_pre_attn_scalar", 4}}},
                                                 {"gemma3_text_v4", "gemma3", {{"query_pre_attn_scalar", 4}}},
                                                 {"phi", "phi2", {}},
                                                 {"phi3", "phi3", {}},
                                                 {"phi3_longrope", "phi3", {}},
                                                 {"phi3_longrope_short", "phi3", {}},
                                                 {"gpt2", "gpt2", {}},
                                                 {"gpt_neox", "gptneox", {}},
                                                 {"starcoder2", "starcoder2", {{"sliding_window", nullptr}}},
                                                 {"stablelm", "stablelm", {}},
                                                 {"stablelm_parallel", "stablelm", {}},
                                                 {"bert", "bert", {}}}) {
    INFO(name);
    const scratch folder;
    json fields = json_of(fixture(name) + "/config.json");
    if (!edits.is_null()) fields.update(edits);
    folder.write("config.json", fields.dump());
    fs::copy_file(fixture(json_of(fixture(name) + "/expected.json").value("weights", name)) + "/model.safetensors",
                  folder.path("model.safetensors"));
    const zoft::io::checkpoint original = zoft::io::open_checkpoint(folder.path());
    converted_keys keys = convert_keys(original.shape(), architecture);
    keys.set("tokenizer.ggml.bos_token_id", std::uint32_t{4});
    keys.set("tokenizer.ggml.eos_token_id", std::uint32_t{6});
    const std::string source = folder.write("model.gguf", converted_bytes(keys, convert_tensors(original)));

    const transformer model = nn::load(source, one_thread);
    const std::string saved = folder.path("saved");
    nn::save(model, source, saved);
    const transformer again = nn::load(saved, one_thread);
    const std::vector<float> outputs = outputs_to_save(again);
    CHECK(distance(outputs, outputs_to_save(model)) < 1e-5);
    if (model.shape().pairing == nn::rope::half_split && model.shape().scaling.long_divisors.empty() &&
        architecture != "phi2")
      CHECK(same_bits(outputs, outputs_to_save(model)));
    // What comes back is what the converter started from.
    const transformer first(original, one_thread);
    const zoft::layout all = first.weights_layout();
    const std::vector<float> before = first.weights(), after = again.weights();
    std::map<text, const zoft::tensor*> places;
    const zoft::layout found = again.weights_layout();
    for (const zoft::tensor& t : found) places[t.name] = &t;
    for (const zoft::tensor& t : all) {
      INFO(t.name);
      if (!again.shape().has_head && (t.name.starts_with("cls.") || t.name.find("pooler") != text::npos)) continue;
      REQUIRE(places.contains(t.name));
      CHECK(std::equal(before.begin() + static_cast<std::ptrdiff_t>(t.offset),
                       before.begin() + static_cast<std::ptrdiff_t>(t.offset + t.size()),
                       after.begin() + static_cast<std::ptrdiff_t>(places[t.name]->offset)));
    }

    const json config = json_of(saved + "/config.json");
    CHECK((config["bos_token_id"] == 4 && config["eos_token_id"] == 6 && config["pad_token_id"].is_null()));
    CHECK(config["model_type"] == again.shape().family);
    CHECK(!config.contains("rope_parameters"));
    if (again.shape().causal) CHECK(config["architectures"] == fields["architectures"]);
  }
}

TEST_CASE("save: q, k and v that a GGUF holds at once, and its family apart", "[nn]") {
  for (const auto& [name, architecture] : {std::pair{"phi", "phi2"}, {"llama_untied_f32", "llama"}}) {
    INFO(name);
    const zoft::io::checkpoint original = zoft::io::open_checkpoint(fixture(name));
    std::vector<converted> joined;
    for (converted& t : convert_tensors(original)) {
      const auto is = [&](const std::string& part) { return t.name.find(part) != std::string::npos; };
      if (is("attn_k.") || is("attn_v.")) {  // behind q of the same ending
        const std::string ending = t.name.substr(t.name.rfind('.')), block = t.name.substr(0, t.name.find("attn"));
        const auto whole = std::find_if(joined.begin(), joined.end(),
                                        [&](const auto& each) { return each.name == block + "attn_qkv" + ending; });
        REQUIRE(whole != joined.end());
        whole->values.insert(whole->values.end(), t.values.begin(), t.values.end());
        whole->shape[0] += t.shape[0];
        continue;
      }
      if (is("attn_q.")) t.name = replaced(t.name, "attn_q.", "attn_qkv.");
      joined.push_back(std::move(t));
    }
    const scratch folder;
    const std::string source =
        folder.write("model.gguf", converted_bytes(convert_keys(original.shape(), architecture), joined));
    const transformer model = nn::load(source, one_thread);
    REQUIRE(!model.shape().names.query_key_value.empty());
    nn::save(model, source, folder.path("saved"));
    check_saved_like(transformer(original, one_thread), folder.path("saved"), one_thread);
    CHECK(distance(outputs_to_save(transformer(original, one_thread)), outputs_to_save(model)) < 1e-5);

    // An adapter of all three is added to each, whose rows begin elsewhere.
    auto adapter = zoft::lora{.rank = 2}.attach(model.layout(), zoft::seed{1});
    draws random(3);
    for (float& x : adapter.parameters()) x = 0.3f * random.number();
    nn::save(model, source, folder.path("merged"), std::nullopt, adapter.stack());
    CHECK(distance(nn::load(folder.path("merged"), one_thread).logits(ids_to_save),
                   model.logits(ids_to_save, adapter.stack())) < 1e-4);
  }
}

TEST_CASE("save: a GGUF's biases that its family has only together with others", "[nn]") {
  const zoft::io::checkpoint original = zoft::io::open_checkpoint(fixture("llama_untied_f32"));
  std::vector<converted> tensors = convert_tensors(original);
  std::erase_if(tensors, [](const converted& t) { return t.name.ends_with("attn_output.bias"); });
  const scratch folder;
  const std::string source =
      folder.write("model.gguf", converted_bytes(convert_keys(original.shape(), "llama"), tensors));
  const transformer model = nn::load(source, one_thread);
  REQUIRE(!model.shape().bias.attention_output);
  nn::save(model, source, folder.path("saved"));
  const transformer again = nn::load(folder.path("saved"), one_thread);
  CHECK(again.shape().bias.attention_output);
  CHECK(distance(outputs_to_save(again), outputs_to_save(model)) < 1e-5);

  // A family that has no such bias cannot say it.
  const zoft::io::checkpoint qwen = zoft::io::open_checkpoint(fixture("qwen2_f32"));
  tensors = convert_tensors(qwen);
  for (const std::string block : {"blk.0.", "blk.1."})
    tensors.push_back({block + "attn_output.bias", {qwen.shape().dim}, std::vector<float>(qwen.shape().dim, 1.0f)});
  const std::string other = folder.write("qwen.gguf", converted_bytes(convert_keys(qwen.shape(), "qwen2"), tensors));
  const transformer biased = nn::load(other, one_thread);
  check_refused([&] { nn::save(biased, other, folder.path("qwen")); }, {other, "o_proj.bias"});
}

TEST_CASE("save: divisors of Llama 3's kind are found, and others refused", "[nn]") {
  const zoft::io::checkpoint original = zoft::io::open_checkpoint(fixture("llama_tied_f32"));
  const auto save = [&](const scratch& folder, double base, const std::vector<float>& divisors, double amplitude = 1) {
    converted_keys keys = convert_keys(original.shape(), "llama");
    keys.real("rope.freq_base", base);
    keys.real("rope.scaling.attn_factor", amplitude);
    std::vector<converted> tensors = convert_tensors(original);
    if (!divisors.empty()) tensors.push_back({"rope_freqs.weight", {divisors.size()}, divisors});
    const std::string source = folder.write("model.gguf", converted_bytes(keys, tensors));
    const transformer model = nn::load(source, one_thread);
    nn::save(model, source, folder.path("saved"));
    CHECK(distance(outputs_to_save(nn::load(folder.path("saved"), one_thread)), outputs_to_save(model)) < 1e-5);
    return json_of(folder.path("saved/config.json")).value("rope_scaling", json());
  };
  const scratch folder;
  CHECK(save(folder, 1e4, {}).is_null());
  CHECK(save(folder, 1e4, {1, 1}).is_null());
  CHECK(save(folder, 1e4, {3, 3}) == json{{"rope_type", "linear"}, {"factor", 3.0}});
  CHECK(save(folder, 490000, {1, 2.66f})["rope_type"] == "llama3");
  const json llama3 = save(folder, 1e10, {1, 32});
  CHECK((llama3["rope_type"] == "llama3" && llama3["factor"] == 32));
  check_refused([&] { save(folder, 1e4, {1.5f, 8}); }, {"rope_freqs.weight", "cannot be saved as a folder"});
  check_refused([&] { save(folder, 1e4, {}, 1.5); }, {"amplitude 1.5"});
}

TEST_CASE("save: the settings of Llama 3's models are found from their divisors", "[nn]") {
  for (const double factor : {8.0, 32.0}) {
    const json made = {{"rope_type", "llama3"},
                       {"factor", factor},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 8192}};
    std::vector<double> divisors = zoft::io::detail::llama3_divisors(zoft::io::fields(made, ""), 500000, 64, 8192);
    for (double& divisor : divisors) divisor = static_cast<double>(static_cast<float>(divisor));
    CHECK(zoft::io::detail::scaling_of(divisors, 500000) == made);
    divisors[12] *= 1.001;
    CHECK(!zoft::io::detail::scaling_of(divisors, 500000));
  }
}

TEST_CASE("save: what is refused leaves the folder as it was", "[nn]") {
  const scratch folder;
  const std::string source = fixture("llama_tied_f32"), saved = folder.path("saved");
  transformer model = nn::load(source, one_thread);
  nn::save(model, source, saved);
  const std::string config = read_file(saved + "/config.json"), weights = read_file(saved + "/model.safetensors");
  const auto refused = [&](auto f, std::initializer_list<std::string> parts) {
    check_refused(f, parts);
    CHECK(read_file(saved + "/config.json") == config);
    CHECK(read_file(saved + "/model.safetensors") == weights);
    CHECK(folder.files() == 3);
  };
  refused([&] { nn::save(model, fixture("llama_untied_f32"), saved); }, {"llama_untied_f32", "a config.json made"});
  refused([&] { nn::save(model, fixture("gpt2"), saved); }, {"gpt2", "family"});
  refused([&] { nn::save(model, fixture("nothing"), saved); }, {"nothing"});
  const scratch other;
  const std::string file = other.write("model.bin", "x");
  refused([&] { nn::save(model, file, saved); }, {file});
  refused([&] { nn::save(model, source, saved, nn::dtype::i8); }, {"type", "F32 or BF16"});
  refused([&] { nn::save(model, source, saved + "/config.json"); }, {"saved/config.json"});
  std::vector<float> values = model.weights();
  const zoft::layout layout = model.weights_layout();
  const zoft::tensor& last = layout.tensors().back();
  values[last.offset] = infinity;
  model.assign(values);
  refused([&] { nn::save(model, source, saved); }, {saved, last.name, "inf", "F32"});
  values[last.offset] = 1;
  values[3] = 3.4e38f;  // above the greatest bf16
  model.assign(values);
  refused([&] { nn::save(model, source, saved, nn::dtype::bf16); }, {"embed_tokens", "BF16"});
}

TEST_CASE("save: over its own source, and with what lies beside it", "[nn]") {
  const scratch folder;
  for (const char* name : {"config.json", "model.safetensors"})
    fs::copy_file(fixture("llama_tied_f32") + "/" + name, folder.path(name));
  json config = json_of(folder.path("config.json"));
  config["auto_map"] = {{"AutoModel", "modeling.Own"}};
  config.erase("architectures");
  config.erase("dtype");
  config["torch_dtype"] = "float16";
  write_file(folder.path("config.json"), config.dump());
  folder.write("generation_config.json", "{\"eos_token_id\": [2, 3]}\n");
  transformer model = nn::load(folder.path(), one_thread);
  std::vector<float> tuned = model.weights();
  for (float& value : tuned) value *= 0.5f;
  model.assign(tuned);
  nn::save(model, folder.path(), folder.path());
  check_saved_like(model, folder.path(), one_thread);
  const json saved = json_of(folder.path("config.json"));
  CHECK((!saved.contains("auto_map") && saved["torch_dtype"] == "float32" && !saved.contains("dtype")));
  CHECK(saved["architectures"] == json::array({"LlamaForCausalLM"}));
  nn::save(model, folder.path(), folder.path("saved"));
  CHECK(read_file(folder.path("saved/generation_config.json")) == "{\"eos_token_id\": [2, 3]}\n");
}

TEST_CASE("save: stories260K", "[nn]") {
  const auto path = real_data("stories260K/stories260K.bin");
  if (!path) return;
  const scratch folder;
  const transformer model = nn::load(*path, one_thread);
  nn::save(model, *path, folder.path());
  CHECK(distance(nn::load(folder.path(), one_thread).logits(ids_to_save), model.logits(ids_to_save)) < 1e-4);
}
