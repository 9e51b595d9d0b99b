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

TEST_CASE("write_peft: refuses what is no adapter, and writes nothing then", "[io]") {
  const scratch folder;
  const std::string place = folder.path("adapter");
  factors q(6, 4, 2), wide(6, 4, 3);
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
  check_refused(writing({good, {q1, 6, 4, 3, wide.a, wide.b}}),
                {place, q1 + ": rank is 3, and must be 2 as that of " + q0});
  check_refused(writing({{q0, 6, 5, 2, q.a, q.b}}), {place, q0 + ".lora_A.weight has 8 values", "(2, 5)"});
  check_refused(writing({{q0, 7, 4, 2, q.a, q.b}}), {place, q0 + ".lora_B.weight has 12 values", "(7, 2)"});
  check_refused(writing({good, good}), {place, q0 + ".lora_A.weight is the name of two tensors"});
  check_refused(writing({{"", 6, 4, 2, q.a, q.b}}), {place, "empty name"});
  q.b[3] = std::numeric_limits<float>::infinity();
  check_refused(writing({good}), {place, q0 + ".lora_B.weight is inf at element 3"});
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
    check_refused(with("r", "3"), {file, "lora_A.weight has shape (2, 4)", "first 3, which is r"});
    check_refused(with("lora_alpha", "-2"), {config + ": lora_alpha is -2"});
    check_refused(with("lora_alpha", ""), {config + ": lora_alpha is missing"});
    check_refused(with("bias", "\"all\""), {config + ": bias is \"all\""});
    check_refused(with("use_rslora", "true"), {config + ": use_rslora is true"});
    check_refused(with("use_dora", "true"), {config + ": use_dora is true"});
    check_refused(with("fan_in_fan_out", "true"), {config + ": fan_in_fan_out is true"});
    check_refused(with("rank_pattern", "{\"q_proj\": 4}"), {config + ": rank_pattern is an object"});
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
    check_refused(with_tensors({{"base_model.model.x.lora_embedding_A", {2, 4}, q.a}}), {file, "lora_embedding_A"});
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
