// Tokenizers saved into Hugging Face folders, from every source that zoft reads.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>
#include <zoft/io/tokenizer.hpp>
#include <zoft/io/tokenizer/save.hpp>

#include "io_gguf_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

namespace fs = std::filesystem;

const std::vector<std::string> saved_texts{"",
                                           " ",
                                           "a",
                                           " the cat, the  CAT\r\n\r\nand 12345 it's   \t",
                                           "Ünïcödé — “words” 漢字 🙂🙂 \xe2\x80\x8a x",
                                           "<s>a</s> <unk><|end|>a <tool> b",
                                           "aaaaaaaaaaaa abababab",
                                           "no\xcc\x88 e\xcc\x81"};

/// Texts of random pieces.
std::vector<std::string> texts_to_save(std::size_t count) {
  std::mt19937 random(7);
  const std::vector<std::string> pieces{"a",    "b",  "ab", " ",     "  ", "th",   "the", "e",
                                        "1",    "23", "\n", "é",     "漢", "🙂", "'s",  "<s>",
                                        "</s>", ".",  ",",  "  the", "\t", "the ", "ha",  "haha"};
  std::vector<std::string> result = saved_texts;
  while (result.size() < count) {
    std::string& text = result.emplace_back();
    for (std::size_t n = random() % 30; n > 0; --n) text += pieces[random() % pieces.size()];
  }
  return result;
}

/// What the folder's tokenizer must have in common with the source's.
void check_saved_tokenizer(const std::string& source, const std::string& folder,
                           const std::vector<std::string>& texts) {
  const tokenizer before = load_tokenizer(source), after = load_tokenizer(folder);
  for (const std::string& text : texts) {
    INFO(text);
    const std::vector<std::int32_t> ids = before.encode(text);
    CHECK(after.encode(text) == ids);
    CHECK(after.encode(text, {.special = false}) == before.encode(text, {.special = false}));
    CHECK(after.decode(ids) == before.decode(ids));
    CHECK(after.decode(ids, {.skip_special = false}) == before.decode(ids, {.skip_special = false}));
  }
  CHECK((after.bos() == before.bos() && after.eos() == before.eos() && after.pad() == before.pad()));
  CHECK((after.cls() == before.cls() && after.sep() == before.sep() && after.mask() == before.mask()));
  CHECK(after.chat_template() == before.chat_template());
}

json saved_json(const std::string& folder, const std::string& name = "tokenizer.json") {
  return json::parse(read_file(folder + "/" + name));
}

/// A vocabulary in a GGUF file.
struct gguf_words {
  std::string model = "gpt2";
  std::vector<std::string> tokens, merges;
  std::vector<float> scores;
  std::vector<std::int32_t> types;
  std::vector<std::string> more;  // keys

  void add(const std::string& text, std::int32_t type = 1, float score = 0) {
    tokens.push_back(text);
    types.push_back(type);
    scores.push_back(score);
  }
  std::string write(const scratch& folder) const {
    std::vector<std::string> keys{gguf_key("general.architecture", std::string("llama")),
                                  gguf_key("llama.context_length", std::uint32_t{77}),
                                  gguf_key("tokenizer.ggml.model", model), gguf_list("tokenizer.ggml.tokens", tokens),
                                  gguf_list("tokenizer.ggml.token_type", types)};
    if (model == "llama") keys.push_back(gguf_list("tokenizer.ggml.scores", scores));
    if (model == "gpt2") keys.push_back(gguf_list("tokenizer.ggml.merges", merges));
    keys.insert(keys.end(), more.begin(), more.end());
    return folder.write("words.gguf", gguf_file(keys, {}));
  }
};

gguf_words byte_level_words() {
  gguf_words w;
  for (unsigned b = 0; b < 256; ++b) {
    const char raw = static_cast<char>(static_cast<unsigned char>(b));
    w.add(text_stage::token_of_bytes({&raw, 1}));
  }
  for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{{"t", "h"},
                                                                                    {"th", "e"},
                                                                                    {"Ġ", "the"},
                                                                                    {"a", "b"},
                                                                                    {"ab", "ab"},
                                                                                    {"1", "2"},
                                                                                    {"2", "3"},
                                                                                    {"Ċ", "Ċ"},
                                                                                    {"a", "a"},
                                                                                    {"aa", "aa"},
                                                                                    {"Ġ", "a"},
                                                                                    {"#", "v"}}) {
    w.merges.push_back(left + " " + right);
    w.add(left + right);
  }
  w.add("<s>", 3);
  w.add("</s>", 3);
  w.add("<|end|>", 3);
  w.add("<tool>", 4);
  w.add("[PAD9]", 5);
  return w;
}

gguf_words scored_words() {
  gguf_words w;
  w.model = "llama";
  w.add("<unk>", 2);
  w.add("<s>", 3);
  w.add("</s>", 3);
  for (unsigned b = 0; b < 256; ++b) w.add(text_stage::token_of_byte(b), 6);
  float score = 0;
  for (const char* text : {"\xe2\x96\x81t",
                           "he",
                           "\xe2\x96\x81the",
                           "ab",
                           "th",
                           "abab",
                           "aa",
                           "ha",
                           "haha",
                           "\xe2\x96\x81"
                           "a",
                           "aaaa",
                           "\xe2\x96\x81\xe2\x96\x81",
                           "the",
                           "\xe2\x96\x81",
                           "a",
                           "b",
                           "t",
                           "h",
                           "e",
                           "1",
                           "é"})
    w.add(text, 1, score--);
  w.add("<tool>", 4);
  return w;
}

}  // namespace

TEST_CASE("save_tokenizer: byte-level BPE of GGUF, with every pattern", "[io]") {
  const auto texts = texts_to_save(60);
  for (const auto& kind : text_stage::gguf_divisions) {
    INFO(kind.name);
    gguf_words w = byte_level_words();
    w.more = {gguf_key("tokenizer.ggml.pre", std::string(kind.name)),
              gguf_key("tokenizer.ggml.bos_token_id", std::uint32_t{268}),
              gguf_key("tokenizer.ggml.eos_token_id", std::uint32_t{269}),
              gguf_key("tokenizer.ggml.padding_token_id", std::uint32_t{270}),
              gguf_key("tokenizer.chat_template", std::string("{{ messages }}\n"))};
    const scratch folder;
    const std::string source = w.write(folder), saved = folder.path("saved");
    save_tokenizer(source, saved);
    check_saved_tokenizer(source, saved, texts);
    CHECK(read_file(saved + "/chat_template.jinja") == "{{ messages }}\n");
    CHECK(folder.files() == 5);
  }
}

TEST_CASE("save_tokenizer: what tokenizer.json says of byte-level BPE", "[io]") {
  gguf_words w = byte_level_words();
  w.more = {gguf_key("tokenizer.ggml.pre", std::string("llama-bpe")),
            gguf_key("tokenizer.ggml.bos_token_id", std::uint32_t{268}),
            gguf_key("tokenizer.ggml.eos_token_id", std::uint32_t{269}),
            gguf_key("tokenizer.ggml.add_eos_token", true)};
  const scratch folder;
  const std::string source = w.write(folder), saved = folder.path("saved");
  save_tokenizer(source, saved);
  const json all = saved_json(saved), config = saved_json(saved, "tokenizer_config.json");
  CHECK(all["version"] == "1.0");
  CHECK((all["normalizer"].is_null() && all["truncation"].is_null() && all["padding"].is_null()));
  const json& model = all["model"];
  CHECK((model["type"] == "BPE" && model["ignore_merges"] == true && model["unk_token"].is_null()));
  CHECK((model["vocab"].size() == w.tokens.size() && model["vocab"]["Ġthe"] == 258));
  CHECK(model["merges"] == json(w.merges));
  REQUIRE(all["added_tokens"].size() == 4);
  CHECK(all["added_tokens"][0] == json{{"id", 268},
                                       {"content", "<s>"},
                                       {"single_word", false},
                                       {"lstrip", false},
                                       {"rstrip", false},
                                       {"normalized", false},
                                       {"special", true}});
  CHECK((all["added_tokens"][3]["content"] == "<tool>" && all["added_tokens"][3]["special"] == false));
  CHECK(all["post_processor"] == json::parse(R"({"type": "TemplateProcessing",
          "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "</s>", "type_id": 0}}],
          "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                   {"SpecialToken": {"id": "</s>", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 1}},
                   {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": "</s>", "type_id": 1}}],
          "special_tokens": {"<s>": {"id": "<s>", "ids": [268], "tokens": ["<s>"]},
                             "</s>": {"id": "</s>", "ids": [269], "tokens": ["</s>"]}}})"));
  CHECK(all["pre_tokenizer"]["pretokenizers"].size() == 2);
  CHECK(all["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] == text_stage::llama3_pattern);
  CHECK(config == json{{"tokenizer_class", "PreTrainedTokenizerFast"},
                       {"clean_up_tokenization_spaces", false},
                       {"model_max_length", 77},
                       {"bos_token", "<s>"},
                       {"eos_token", "</s>"},
                       {"unk_token", nullptr},
                       {"pad_token", nullptr}});
  CHECK(!fs::exists(saved + "/chat_template.jinja"));

  // A line that begins so is not read as a merge.
  w.add("#version", 1);
  w.add("#versiona", 1);
  w.merges.push_back("#version a");
  w.write(folder);
  save_tokenizer(source, saved);
  CHECK(saved_json(saved)["model"]["merges"].back() == json::array({"#version", "a"}));
  check_saved_tokenizer(source, saved, saved_texts);
}

TEST_CASE("save_tokenizer: SentencePiece's BPE of GGUF, with merges made from the scores", "[io]") {
  const auto texts = texts_to_save(300);
  for (const bool prefix : {true, false})
    for (const bool bos : {true, false}) {
      gguf_words w = scored_words();
      w.more = {gguf_key("tokenizer.ggml.add_space_prefix", prefix), gguf_key("tokenizer.ggml.add_bos_token", bos),
                gguf_key("tokenizer.ggml.bos_token_id", std::uint32_t{1}),
                gguf_key("tokenizer.ggml.eos_token_id", std::uint32_t{2}),
                gguf_key("tokenizer.ggml.unknown_token_id", std::uint32_t{0})};
      const scratch folder;
      const std::string source = w.write(folder), saved = folder.path("saved");
      save_tokenizer(source, saved);
      check_saved_tokenizer(source, saved, texts);
      const json model = saved_json(saved)["model"];
      CHECK((model["unk_token"] == "<unk>" && model["byte_fallback"] == true && model["fuse_unk"] == true));
      // ▁t · he · ▁the from both of its divisions · ab …
      const json& merges = model["merges"];
      CHECK(merges[0] == "\xe2\x96\x81 t");
      CHECK(merges[1] == "h e");
      CHECK(merges[2] == "\xe2\x96\x81t he");
      CHECK(merges[3] == "\xe2\x96\x81 the");
      CHECK(merges[4] == "a b");
      CHECK(saved_json(saved)["post_processor"].is_null() == !bos);
    }
}

TEST_CASE("save_tokenizer: WordPiece of GGUF", "[io]") {
  const std::string mark = "\xe2\x96\x81";
  gguf_words w;
  w.model = "bert";
  for (const char* name : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) w.add(name, 3);
  for (const std::string text : {"the", "a", "b", "cat", "12", ",", "u"}) w.add(mark + text);
  for (const std::string text : {"b", "a", "345", "nicode"}) w.add(text);
  w.more = {gguf_key("tokenizer.ggml.padding_token_id", std::uint32_t{0}),
            gguf_key("tokenizer.ggml.unknown_token_id", std::uint32_t{1}),
            gguf_key("tokenizer.ggml.cls_token_id", std::uint32_t{2}),
            gguf_key("tokenizer.ggml.seperator_token_id", std::uint32_t{3}),
            gguf_key("tokenizer.ggml.mask_token_id", std::uint32_t{4})};
  const scratch folder;
  const std::string source = w.write(folder), saved = folder.path("saved");
  save_tokenizer(source, saved);
  check_saved_tokenizer(source, saved, texts_to_save(100));
  CHECK(load_tokenizer(saved).encode("The cat, Ünicode") == std::vector<std::int32_t>{2, 5, 8, 10, 11, 15, 3});
  CHECK(saved_json(saved)["post_processor"]["pair"].size() == 5);
}

TEST_CASE("save_tokenizer: llama2.c's", "[io]") {
  std::vector<std::pair<std::string, float>> words{{"<unk>", 0.0f}, {"\n<s>\n", 0.0f}, {"\n</s>\n", 0.0f}};
  for (unsigned b = 0; b < 256; ++b) words.emplace_back(text_stage::token_of_byte(b), 0.0f);
  float score = 0;
  for (const char* text : {" t", "he", " the", "ab", "th", "abab", "aa", "ha", "haha", " a",  "aaaa",
                           "  ", " ",  "a",    "b",  "t",  "h",    "e",  "1",  "é",    "the", "a"})
    words.emplace_back(text, score--);
  const auto bytes = [&] {
    std::string result = bytes_of(std::uint32_t{6});
    for (const auto& [text, value] : words)
      result += bytes_of(value) + bytes_of(static_cast<std::int32_t>(text.size())) + text;
    return result.replace(0, 4, bytes_of(std::uint32_t{20}));
  };
  std::vector<std::string> texts = texts_to_save(300);
  // llama2.c does not find special tokens in texts.
  std::erase_if(texts, [](const std::string& text) { return text.find('<') != std::string::npos; });
  for (const bool with_bytes : {true, false}) {
    if (!with_bytes) words.erase(words.begin() + 3, words.begin() + 3 + 256);
    const scratch folder;
    const std::string source = folder.write("tokenizer.bin", bytes()), saved = folder.path("saved");
    save_tokenizer(source, saved);
    const tokenizer before = load_tokenizer(source), after = load_tokenizer(saved);
    for (const std::string& text : texts) {
      INFO(text);
      const std::vector<std::int32_t> ids = before.encode(text);
      CHECK(after.encode(text) == ids);
      if (std::ranges::find(ids, 0) == ids.end()) CHECK(after.decode(ids) == before.decode(ids));
    }
    CHECK((after.bos() == 1 && after.eos() == 2 && after.unknown() == 0));
    CHECK((after.text_of(1) == "<s>" && after.text_of(2) == "</s>"));
    // A folder that has it is as good as the file.
    save_tokenizer(folder.path(), folder.path("again"));
    CHECK(read_file(folder.path("again/tokenizer.json")) == read_file(saved + "/tokenizer.json"));
  }
  words[5].first = "\xff";
  const scratch folder;
  const std::string source = folder.write("tokenizer.bin", bytes());
  check_refused([&] { save_tokenizer(source, folder.path("saved")); }, {source, "token 5", "UTF-8"});
  CHECK(!fs::exists(folder.path("saved")));
}

TEST_CASE("save_tokenizer: the files of a folder are copied", "[io]") {
  const scratch folder;
  const std::string words = R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})";
  folder.write("config.json", "{}");
  folder.write("tokenizer.json", words);
  folder.write("tokenizer_config.json", "{\"eos_token\": \"ab\"}");
  folder.write("chat_template.jinja", "{{ 1 }}");
  folder.write("special_tokens_map.json", "{}");
  folder.write("vocab.json", "{}");
  const std::string saved = folder.path("saved");
  save_tokenizer(folder.path(), saved);
  for (const char* name :
       {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json", "vocab.json"})
    CHECK(read_file(saved + "/" + name) == read_file(folder.path(name)));
  CHECK(!fs::exists(saved + "/config.json"));
  CHECK(load_tokenizer(saved).encode("ab") == std::vector<std::int32_t>{2});
  // Onto itself, and from one of the files.
  save_tokenizer(saved, saved);
  CHECK(read_file(saved + "/tokenizer.json") == words);
  save_tokenizer(folder.path("tokenizer.json"), folder.path("again"));
  CHECK(read_file(folder.path("again/tokenizer_config.json")) == read_file(folder.path("tokenizer_config.json")));
  // A file of another name gets the usual one.
  folder.write("mine.json", replaced(words, "\"a b\"", ""));
  save_tokenizer(folder.path("mine.json"), folder.path("mine"));
  CHECK(read_file(folder.path("mine/tokenizer.json")) == read_file(folder.path("mine.json")));
  CHECK(load_tokenizer(folder.path("mine")).eos() == 2);
  CHECK(!fs::exists(folder.path("mine/vocab.json")));
}

TEST_CASE("save_tokenizer: what cannot be read is refused, and the folder stays as it was", "[io]") {
  const scratch folder;
  const auto refused = [&](const std::string& source, std::initializer_list<std::string> parts) {
    check_refused([&] { save_tokenizer(source, folder.path("saved")); }, parts);
    CHECK(!fs::exists(folder.path("saved")));
  };
  refused(folder.path(), {folder.path(), "no tokenizer"});
  refused(folder.path("nothing"), {"nothing"});
  refused(folder.write("tokenizer.json", "{\"model\": 3}"), {"tokenizer.json", "model"});
  gguf_words w = byte_level_words();
  w.more = {gguf_key("tokenizer.ggml.pre", std::string("none such"))};
  refused(w.write(folder), {"words.gguf", "none such"});
  const std::string file = folder.write("file", "x");
  check_refused([&] { save_tokenizer(scored_words().write(folder), file); }, {file});
}

TEST_CASE("save_tokenizer: real vocabularies", "[io]") {
  for (const char* name : {"gpt-2", "qwen2", "starcoder", "llama-spm", "bert-bge"}) {
    INFO(name);
    const auto source = real_data("gguf-vocab/ggml-vocab-" + std::string(name) + ".gguf");
    if (!source) return;
    const scratch folder;
    save_tokenizer(*source, folder.path());
    std::vector<std::string> texts;
    const std::string all = read_file(*source + ".inp"), between = "\n__ggml_vocab_test__\n";
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t end = std::min(all.find(between, at), all.size());
      texts.push_back(all.substr(at, end - at));
      at = end + between.size();
    }
    CHECK(texts.size() > 40);
    check_saved_tokenizer(*source, folder.path(), texts);
  }
  const auto source = real_data("stories260K/tok512.bin"), book = real_data("long/pride-and-prejudice.txt");
  if (!source || !book) return;
  const scratch folder;
  save_tokenizer(*source, folder.path());
  const std::string text = read_file(*book);
  CHECK(load_tokenizer(folder.path()).encode(text) == load_tokenizer(*source).encode(text));
}
