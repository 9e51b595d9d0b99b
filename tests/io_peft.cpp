#include <limits>
#include <string>
#include <vector>
#include <zoft/io/checkpoint.hpp>
#include <zoft/io/peft.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

const std::string q0 = "model.layers.0.self_attn.q_proj", v0 = "model.layers.0.self_attn.v_proj",
                  q1 = "model.layers.1.self_attn.q_proj", v1 = "model.layers.1.self_attn.v_proj";

struct factors {
  std::vector<float> a, b;
  factors(std::size_t out, std::size_t in, std::size_t rank) : a(rank * in), b(out * rank) {
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = 0.25f * static_cast<float>(i) - 1;
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = 3 - 0.5f * static_cast<float>(i);
  }
};

std::vector<std::string> targets(const std::string& folder) {
  return json::parse(read_file(folder + "/adapter_config.json"))["target_modules"].get<std::vector<std::string>>();
}

}  // namespace

TEST_CASE("peft: what is written reads back, in files that name the adapter as peft does", "[io]") {
  const scratch folder;
  const std::string place = folder.path("new/adapter");
  const factors q(6, 4, 2), v(3, 4, 2);
  const std::vector<low_rank_tensor> tensors{
      {q0, 6, 4, 2, q.a, q.b}, {q1, 6, 4, 2, q.a, q.b}, {v0, 3, 4, 2, v.a, v.b}, {v1, 3, 4, 2, v.a, v.b}};
  write_peft(place, tensors, 16, "model-dir");
  CHECK(folder.files() == 4);  // two folders, two files

  const json config = json::parse(read_file(place + "/adapter_config.json"));
  CHECK(config["peft_type"] == "LORA");
  CHECK(config["task_type"] == "CAUSAL_LM");
  CHECK(config["r"] == 2);
  CHECK(config["lora_alpha"].is_number_integer());
  CHECK(config["lora_alpha"] == 16);
  CHECK(config["base_model_name_or_path"] == "model-dir");
  CHECK(targets(place) == std::vector<std::string>{"q_proj", "v_proj"});

  const safetensors file(place + "/adapter_model.safetensors");
  CHECK(file.tensors().size() == 8);
  CHECK(file.find("base_model.model." + q0 + ".lora_A.weight")->shape == std::vector<std::size_t>{2, 4});
  CHECK(file.find("base_model.model." + q0 + ".lora_B.weight")->shape == std::vector<std::size_t>{6, 2});

  const peft_adapter read = read_peft(place);
  CHECK((read.alpha == 16 && read.rank == 2 && read.base_model == "model-dir"));
  REQUIRE(read.tensors.size() == 4);
  CHECK(read.tensors[1].name == v0);
  CHECK((read.tensors[1].out == 3 && read.tensors[1].in == 4 && read.tensors[1].rank == 2));
  CHECK(read.tensors[1].a == v.a);
  CHECK(read.tensors[1].b == v.b);
  const low_rank_tensor view = read.tensors[1];
  CHECK(view.b.data() == read.tensors[1].b.data());

  write_peft(place, std::span(tensors).first(1), 0.5, "");  // over the old one
  CHECK(read_peft(place).alpha == 0.5);
  CHECK(read_peft(place).tensors.size() == 1);
  write_peft(place, std::span(tensors).first(3), 1, "");  // q twice, v once
  CHECK(targets(place) == std::vector<std::string>{q0, v0, q1});
}

TEST_CASE("peft: an adapter that peft wrote", "[io]") {
  const peft_adapter adapter = read_peft(fixture("llama_tied_f32_adapter"));
  CHECK((adapter.alpha == 6 && adapter.rank == 2 && adapter.base_model == "llama_tied_f32"));
  REQUIRE(adapter.tensors.size() == 8);
  CHECK(adapter.tensors[0].name == "model.layers.0.mlp.down_proj");
  CHECK((adapter.tensors[0].out == 16 && adapter.tensors[0].in == 20));
  const checkpoint model = open_checkpoint(fixture("llama_tied_f32"));
  CHECK_NOTHROW(check_fits(adapter, model));

  peft_adapter other = adapter;
  other.tensors[0].in = 24;
  check_refused([&] { check_fits(other, model); },
                {model.path, "model.layers.0.mlp.down_proj.weight has shape (16, 20), and must have (16, 24)"});
  other.tensors[0].name = "model.layers.2.mlp.down_proj";
  check_refused([&] { check_fits(other, model); }, {"model.layers.2.mlp.down_proj.weight is missing"});
}

TEST_CASE("peft: ranks and alphas of their own, and embeddings", "[io]") {
  const scratch folder;
  const std::string place = folder.path("adapter"), embedding = "model.embed_tokens";
  const factors q(6, 4, 2), v(3, 4, 1), e(5, 4, 3);
  const std::vector<low_rank_tensor> tensors{{q0, 6, 4, 2, q.a, q.b},
                                             {v0, 3, 4, 1, v.a, v.b},
                                             {q1, 6, 4, 2, q.a, q.b, 0.5},
                                             {embedding, 5, 4, 3, e.a, e.b, 9, true}};
  write_peft(place, tensors, 16, "m", "FEATURE_EXTRACTION");
  const json config = json::parse(read_file(place + "/adapter_config.json"));
  CHECK(config["task_type"] == "FEATURE_EXTRACTION");
  CHECK(config["r"] == 2);
  CHECK(config["rank_pattern"] == json{{v0, 1}, {embedding, 3}});
  CHECK(config["alpha_pattern"] == json{{q1, 0.5}, {embedding, 9}});
  const safetensors file(place + "/adapter_model.safetensors");
  CHECK(file.find("base_model.model." + embedding + ".lora_embedding_A")->shape == std::vector<std::size_t>{3, 5});
  CHECK(file.find("base_model.model." + embedding + ".lora_embedding_B")->shape == std::vector<std::size_t>{4, 3});

  const peft_adapter read = read_peft(place);
  REQUIRE(read.tensors.size() == 4);
  const auto& found = read.tensors;
  CHECK((found[0].name == embedding && found[0].embedding && found[0].alpha == 9 && found[0].scale == 3));
  CHECK((found[0].out == 5 && found[0].in == 4 && found[0].rank == 3));
  CHECK((found[0].a == e.a && found[0].b == e.b));
  CHECK((found[1].name == q0 && found[1].alpha == 16 && found[1].scale == 8 && !found[1].embedding));
  CHECK((found[2].name == v0 && found[2].rank == 1 && found[2].scale == 16));
  CHECK((found[3].name == q1 && found[3].alpha == 0.5 && found[3].scale == 0.25));

  const std::vector<low_rank_tensor> again(found.begin(), found.end());
  write_peft(folder.path("again"), again, 16, "m");
  const peft_adapter same = read_peft(folder.path("again"));
  for (std::size_t i = 0; i < 4; ++i)
    CHECK((same.tensors[i].a == found[i].a && same.tensors[i].b == found[i].b &&
           same.tensors[i].scale == found[i].scale));
}

TEST_CASE("peft: rank-stabilised scales, and patterns in the order of the file", "[io]") {
  const scratch folder;
  const std::string place = folder.path("adapter");
  const factors q(6, 4, 4);
  write_peft(place, std::vector<low_rank_tensor>{{q0, 6, 4, 4, q.a, q.b}, {q1, 6, 4, 4, q.a, q.b}}, 6, "m");
  const std::string good = read_file(place + "/adapter_config.json");
  const auto with = [&](const std::string& fields) {
    write_file(place + "/adapter_config.json", replaced(good, "{", "{" + fields + ","));
    return read_peft(place);
  };
  const peft_adapter stable = with(R"("alpha_pattern": {"1.self_attn.q_proj": 5})"),
                     plain = with(R"("rank_pattern": {"v_proj": 7})");
  CHECK((stable.tensors[0].scale == 1.5 && stable.tensors[1].scale == 1.25));
  CHECK((plain.tensors[0].scale == 1.5 && plain.tensors[1].scale == 1.5));
  write_file(place + "/adapter_config.json", replaced(good, "\"use_rslora\": false", "\"use_rslora\": true"));
  const peft_adapter rslora = read_peft(place);
  CHECK((rslora.rslora && rslora.alpha == 6 && rslora.tensors[0].scale == 3 && rslora.tensors[0].alpha == 12));

  const auto alphas = [&](const std::string& pattern) {
    const auto tensors = with("\"alpha_pattern\": {" + pattern + "}").tensors;
    return std::vector<double>{tensors[0].alpha, tensors[1].alpha};
  };
  CHECK(alphas(R"("q_proj": 1, "layers.1.self_attn.q_proj": 2)") == std::vector<double>{1, 1});
  CHECK(alphas(R"("layers.1.self_attn.q_proj": 2, "q_proj": 1)") == std::vector<double>{1, 2});
  CHECK(alphas(R"("^model.layers.0.*": 3)") == std::vector<double>{3, 6});
  CHECK(alphas(R"("proj": 3, "_proj": 4)") == std::vector<double>{6, 6});
  CHECK(alphas(R"(".*\\.[1-9]\\..*(q|k)_proj": 3)") == std::vector<double>{6, 3});
  CHECK(alphas(R"("^layers.1.self_attn.q_proj": 3)") == std::vector<double>{6, 6});
}

TEST_CASE("peft: weights of the model's own must be the model's", "[io]") {
  const scratch folder;
  const std::string place = folder.path("adapter"), name = "model.embed_tokens";
  const checkpoint model = open_checkpoint(fixture("llama_tied_f32"));
  const tensor_view embedding = *model.find(name + ".weight");
  std::vector<float> base(embedding.size());
  widen(embedding, base);
  const factors e(embedding.rows(), embedding.columns(), 1);
  write_peft(place, std::vector<low_rank_tensor>{{name, embedding.rows(), embedding.columns(), 1, e.a, e.b, 0, true}},
             2, "m");
  const auto with_base = [&] {
    const std::string prefix = "base_model.model." + name;
    write_safetensors(place + "/adapter_model.safetensors",
                      std::vector<named_tensor>{{prefix + ".lora_embedding_A", {1, embedding.rows()}, e.b},
                                                {prefix + ".lora_embedding_B", {embedding.columns(), 1}, e.a},
                                                {prefix + ".base_layer.weight", embedding.shape, base}});
    return read_peft(place);
  };
  const peft_adapter adapter = with_base();
  REQUIRE(adapter.base_weights.contains(name));
  CHECK_NOTHROW(check_fits(adapter, model));
  base[5] *= 1.003f;  // as rounding to 16 bits might
  CHECK_NOTHROW(check_fits(with_base(), model));
  base[5] += 0.1f;
  check_refused([&] { check_fits(with_base(), model); }, {model.path + ": model.embed_tokens.weight is",
                                                          "in row 0, and was", "that the adapter was trained on"});
}

TEST_CASE("name_pattern: matches as Python's re does", "[io]") {
  const auto matches = [](const char* pattern, const char* name) { return name_pattern(pattern, "key").matches(name); };
  CHECK(matches("q_proj", "q_proj"));
  CHECK(matches("q_proj", "model.layers.0.self_attn.q_proj"));
  CHECK_FALSE(matches("q_proj", "model.xq_proj"));
  CHECK_FALSE(matches("q_proj", "q_proj.x"));
  CHECK(matches("layers.1.x", "layers.1.x"));
  CHECK(matches("layers.1.x", "layersA1Bx"));
  CHECK(matches("layers\\.(0|1[0-9])\\.[^.]+", "m.layers.17.mlp"));
  CHECK_FALSE(matches("layers\\.(0|1[0-9])\\.[^.]+", "m.layers.17.mlp.up"));
  CHECK(matches("^a", "a"));
  CHECK_FALSE(matches("^a", "b.a"));
  CHECK(matches("((a*)*)*b?", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
  CHECK_FALSE(matches("((a*)*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac"));
  CHECK(matches("", ""));
  CHECK(matches("", "a."));
  for (const char* pattern : {"a{2}", "a**", "*a", "(?=a)", "(a", "a)", "[a", "\\b", "a\\", "[b-a]", "^*"})
    check_refused([&] { name_pattern(pattern, "config: 'x'"); }, {"config: 'x' "});
  check_refused([&] { name_pattern(std::string(1001, 'a'), "k"); }, {"k is longer than 1000"});
  check_refused([&] { name_pattern(std::string(30, '(') + std::string(30, ')'), "k"); }, {"k is nested more than 20"});
}

TEST_CASE("write_peft: refuses what is no adapter, and writes nothing then", "[io]") {
  const scratch folder;
  const std::string place = folder.path("adapter");
  factors q(6, 4, 2);
  const low_rank_tensor good{q0, 6, 4, 2, q.a, q.b};
  const auto writing = [&](std::vector<low_rank_tensor> tensors, double alpha = 16, std::string base = "m") {
    return [place, tensors, alpha, base] { write_peft(place, tensors, alpha, base); };
  };
  check_refused(writing({}), {place, "has 0"});
  check_refused(writing({good}, 0), {place, "alpha is 0"});
  check_refused(writing({good}, -1), {place, "alpha is -1"});
  check_refused(writing({good}, std::numeric_limits<double>::quiet_NaN()), {place, "alpha is nan"});
  check_refused(writing({good}, 16, "m\xff"), {place, "m\\xff", "UTF-8"});
  check_refused(writing({{q0, 6, 4, 0, {}, {}}}), {place, q0 + ": rank is 0"});
  check_refused(writing({{q0, 6, 5, 2, q.a, q.b}}), {place, q0 + ".lora_A has 8 values", "(2, 5)"});
  check_refused(writing({{q0, 7, 4, 2, q.a, q.b}}), {place, q0 + ".lora_B has 12 values", "(7, 2)"});
  check_refused(writing({good, good}), {place, q0 + ".lora_A.weight is the name of two tensors"});
  check_refused(writing({{"", 6, 4, 2, q.a, q.b}}), {place, "empty name"});
  q.b[3] = std::numeric_limits<float>::infinity();
  check_refused(writing({good}), {place, q0 + ".lora_B is inf at element 3"});
  CHECK_FALSE(std::filesystem::exists(place + "/adapter_config.json"));
  CHECK_FALSE(std::filesystem::exists(place + "/adapter_model.safetensors"));
  q.b[3] = 0;
  folder.write("file", "x");
  check_refused([&] { write_peft(folder.path("file"), std::vector{good}, 16, "m"); }, {folder.path("file")});
  std::filesystem::create_directories(place + "/adapter_config.json");
  check_refused(writing({good}), {place + "/adapter_config.json", "is a directory"});
  CHECK_FALSE(std::filesystem::exists(place + "/adapter_model.safetensors"));
  CHECK_FALSE(std::filesystem::exists(place + "/adapter_model.safetensors.tmp"));
}

TEST_CASE("read_peft: an adapter that lies, or is of another kind", "[io]") {
  const scratch folder;
  const std::string place = folder.path(), config = folder.path("adapter_config.json"),
                    file = folder.path("adapter_model.safetensors");
  const factors q(6, 4, 2);
  const std::vector<low_rank_tensor> tensors{{q0, 6, 4, 2, q.a, q.b}, {v0, 6, 4, 2, q.a, q.b}};
  write_peft(place, tensors, 16, "m");
  const json good = json::parse(read_file(config));
  const auto reading = [&] { return [place] { read_peft(place); }; };
  const auto with = [&](const std::string& field, const std::string& value) {
    json changed = good;
    changed.erase(field);
    if (!value.empty()) changed[field] = json::parse(value);
    folder.write("adapter_config.json", changed.dump());
    return reading();
  };
  const auto with_tensors = [&](const std::vector<named_tensor>& list) {
    folder.write("adapter_config.json", good.dump());
    write_safetensors(file, list);
    return reading();
  };
  SECTION("config") {
    CHECK_NOTHROW(with("rank_pattern", "{}")());
    CHECK_NOTHROW(with("modules_to_save", "[]")());
    CHECK_NOTHROW(with("init_lora_weights", "\"gaussian\"")());
    check_refused(with("peft_type", "\"IA3\""), {config + ": peft_type is \"IA3\", and must be LORA"});
    check_refused(with("peft_type", ""), {config + ": peft_type is missing"});
    check_refused(with("r", "0"), {config + ": r is 0"});
    check_refused(with("r", "3"), {file, "lora_A.weight has shape (2, 4)", "first 3, its rank by " + config});
    check_refused(with("lora_alpha", "-2"), {config + ": lora_alpha is -2"});
    check_refused(with("lora_alpha", "1e300"), {config + ": alpha is 1e+300, and must be below 1e30"});
    check_refused(with("lora_alpha", ""), {config + ": lora_alpha is missing"});
    check_refused(with("bias", "\"all\""), {config + ": bias is \"all\""});
    check_refused(with("use_dora", "true"), {config + ": use_dora is true"});
    check_refused(with("use_rslora", "1"), {config + ": use_rslora is 1"});
    check_refused(with("rank_pattern", "{\"q_proj\": 4}"), {file, "q_proj.lora_A.weight has shape (2, 4)", "first 4"});
    check_refused(with("rank_pattern", "{\"x\": 0}"), {config + ": rank_pattern: x is 0"});
    check_refused(with("rank_pattern", "[4]"), {config + ": rank_pattern is a list of 1"});
    check_refused(with("alpha_pattern", "{\"q_proj\": \"4\"}"), {config + ": alpha_pattern: q_proj is \"4\""});
    check_refused(with("alpha_pattern", "{\"q{2}\": 4}"), {config + ": alpha_pattern: 'q{2}' has {"});
    check_refused(with("modules_to_save", "[\"lm_head\"]"), {config + ": modules_to_save is a list of 1"});
    check_refused(with("init_lora_weights", "\"pissa\""), {config + ": init_lora_weights is \"pissa\""});
  }
  SECTION("tensors") {
    const std::string a = "base_model.model." + q0 + ".lora_A.weight", b = "base_model.model." + q0 + ".lora_B.weight";
    CHECK_NOTHROW(with_tensors({{a, {2, 4}, q.a}, {b, {6, 2}, q.b}})());
    check_refused(with_tensors({{a, {2, 4}, q.a}}), {file, b + " is missing"});
    check_refused(with_tensors({{b, {6, 2}, q.b}}), {file, a + " is missing"});
    check_refused(with_tensors({{a, {4, 2}, q.a}, {b, {6, 2}, q.b}}), {file, a + " has shape (4, 2)", "first 2"});
    check_refused(with_tensors({{a, {2, 4}, q.a}, {b, {3, 4}, q.b}}), {file, b + " has shape (3, 4)", "second 2"});
    check_refused(with_tensors({{a, {8}, q.a}, {b, {6, 2}, q.b}}), {file, a + " has shape (8)", "2 extents"});
    check_refused(with_tensors({{"x", {6, 2}, q.b}}), {file, "holds x,"});
    check_refused(with_tensors({{"base_model.model.lora_A.weight", {2, 4}, q.a}}),
                  {file, "holds base_model.model.lora_A.weight"});
    check_refused(with_tensors({{"base_model.model.x.lora_embedding_A", {2, 4}, q.a}}),
                  {file, "x.lora_embedding_B is missing"});
    check_refused(with_tensors({{a, {2, 4}, q.a},
                                {b, {6, 2}, q.b},
                                {"base_model.model." + q0 + ".lora_embedding_A", {2, 4}, q.a},
                                {"base_model.model." + q0 + ".lora_embedding_B", {6, 2}, q.b}}),
                  {file, "adapts " + q0 + " as a linear and as an embedding"});
    check_refused(with_tensors({{"base_model.model.x.lora_embedding_B", {6, 2}, q.b}}),
                  {file, "x.lora_embedding_A is missing"});
    check_refused(with_tensors({{"base_model.model.x.base_layer.weight", {6, 2}, q.b}}), {file, "holds no tensors"});
    check_refused(with_tensors({}), {file, "holds no tensors"});
    auto bad = q.a;
    bad[5] = std::numeric_limits<float>::quiet_NaN();
    check_refused(with_tensors({{a, {2, 4}, bad}, {b, {6, 2}, q.b}}), {file, a + " is nan at element 5"});
    std::filesystem::remove(file);
    check_refused(reading(), {file, "No such file"});
    std::filesystem::remove(config);
    check_refused(reading(), {config, "No such file"});
  }
}
