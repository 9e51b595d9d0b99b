// zoft::io::tokenizer on small files that the tests write: what each kind of file means, and what is refused.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>
#include <zoft/io/file/json.hpp>
#include <zoft/io/tokenizer.hpp>

#include "io_support.hpp"
#include "io_tokenizer_support.hpp"

using namespace io_test;
using namespace tokenizer_test;
using namespace zoft::io;
using token_ids = std::vector<std::int32_t>;

namespace {

/// The tokenizer of that tokenizer.json.
tokenizer from_json(const std::string& text) {
  const scratch folder;
  return load_tokenizer(folder.write("tokenizer.json", text));
}

/// bpe_json with something replaced.
tokenizer bpe_with(const std::string& from, const std::string& to) { return from_json(replaced(bpe_json(), from, to)); }

}  // namespace

TEST_CASE("tokenizer.json: byte-level BPE", "[io]") {
  const tokenizer words = from_json(bpe_json());
  CHECK(words.size() == 302);
  CHECK(words.encode("hell") == token_ids{300, 258});
  CHECK(words.encode("hell", {.special = false}) == token_ids{258});
  CHECK(words.encode("") == token_ids{300});
  CHECK(words.encode("hello hel", {.special = false}) == token_ids{258, 'o', ' ', 256, 'l'});
  CHECK(words.encode("1234", {.special = false}) == token_ids{'1', '2', '3', '4'});
  CHECK(words.encode("e\u0301xxx", {.special = false}) == token_ids{0xc3, 0xa9, 'y'});  // NFC, and x+ becomes y

  CHECK(words.encode("a  <s>b", {.special = false}) == token_ids{'a', 300, 'b'});  // takes the spaces before it
  CHECK(words.encode("<s>", {.special = false, .parse_special = false}) == token_ids{'<', 's', '>'});
  CHECK(words.encode("wor  a", {.special = false}) == token_ids{301, 'a'});  // takes the spaces after it
  CHECK(words.encode("wor", {.special = false, .parse_special = false}) == token_ids{301});  // it is not special
  CHECK(words.encode("word", {.special = false}) == token_ids{'w', 'o', 'r', 'd'});          // one word only

  CHECK(words.decode(token_ids{300, 258, 'o', ' ', 0xc3, 0xa9, 301}) == "hello \u00e9wor");
  CHECK(words.decode(token_ids{300, 'a'}, {.skip_special = false}) == "<s>a");
  CHECK(words.decode(token_ids{'a', 0xc3, 'b', 299, 5000, -1}) == "a\ufffdb");  // no such tokens: nothing
  CHECK(words.decode(token_ids{}) == "");

  CHECK(words.text_of(' ') == "\u0120");
  CHECK(words.text_of(299) == std::nullopt);
  CHECK(words.text_of(-1) == std::nullopt);
  CHECK(words.find("\u0120") == ' ');
  CHECK(words.find("nothing") == std::nullopt);
  CHECK(words.bos() == 300);
  CHECK(words.eos() == std::nullopt);
  CHECK(words.chat_template() == std::nullopt);

  const tokenizer copy = words;
  CHECK(copy.encode("hello") == words.encode("hello"));
}

TEST_CASE("tokenizer: bytes that are not UTF-8 become U+FFFD, one for each start of a character", "[io]") {
  const tokenizer words = from_json(bpe_json());
  const auto same = [&](const std::string& bytes, const std::string& text) {
    INFO(text);
    CHECK(words.encode(bytes) == words.encode(text));
  };
  same("a\xff", "a\ufffd");
  same("\xc3", "\ufffd");
  same("\xe2\x82", "\ufffd");
  same("\xe2\x82\xe2\x82\xac", "\ufffd\u20ac");
  same("\xf0\x9f\x9a", "\ufffd");
  same("\xed\xa0\x80", "\ufffd\ufffd\ufffd");  // a surrogate
  same("\xc0\xaf", "\ufffd\ufffd");
  same("\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd");
}

TEST_CASE("tokenizer.json: BPE of characters, with and without bytes", "[io]") {
  const auto build = [](bool bytes, bool fused, bool ignore) {
    json root = json::parse(R"({"model":{"type":"BPE","unk_token":"?","vocab":{"?":0,"a":1,"b":2,"ab":3,"<0xC3>":4,
      "<0xA9>":5,"abb":6},"merges":["a b"]}})");
    root["model"]["byte_fallback"] = bytes;
    root["model"]["fuse_unk"] = fused;
    root["model"]["ignore_merges"] = ignore;
    return from_json(root.dump());
  };
  CHECK(build(false, false, false).encode("abab\u00e9\u00e9b") == token_ids{3, 3, 0, 0, 2});
  CHECK(build(false, true, false).encode("abab\u00e9\u00e9b") == token_ids{3, 3, 0, 2});
  CHECK(build(true, true, false).encode("\u00e9xya") == token_ids{4, 5, 0, 1});
  CHECK(build(true, true, false).encode("x\u00e9a") == token_ids{4, 5, 0, 1});  // as Hugging Face orders them
  CHECK(build(false, false, false).encode("abb") == token_ids{3, 2});
  CHECK(build(false, false, true).encode("abb") == token_ids{6});
}

TEST_CASE("tokenizer.json: words of any length are merged as the plain algorithm does", "[io]") {
  std::mt19937 random(3);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  for (int round = 0; round < 20; ++round) {
    // Merges of tokens that there are by then, in random order.
    std::vector<std::string> tokens{"a", "b", "c"};
    std::vector<std::array<std::size_t, 3>> merges;
    json model{{"type", "BPE"}, {"vocab", json::object()}, {"merges", json::array()}};
    while (merges.size() < 25) {
      const std::size_t left = below(tokens.size()), right = below(tokens.size());
      const std::string whole = tokens[left] + tokens[right];
      const bool known =
          std::ranges::any_of(merges, [&](const auto& merge) { return merge[0] == left && merge[1] == right; });
      if (known || whole.size() > 7) continue;
      auto place = std::ranges::find(tokens, whole) - tokens.begin();
      if (static_cast<std::size_t>(place) == tokens.size()) tokens.push_back(whole);
      merges.push_back({left, right, static_cast<std::size_t>(place)});
    }
    std::ranges::shuffle(merges, random);
    for (const auto& merge : merges) model["merges"].push_back({tokens[merge[0]], tokens[merge[1]]});
    for (std::size_t i = 0; i < tokens.size(); ++i) model["vocab"][tokens[i]] = i;
    const tokenizer words = from_json(json{{"model", model}}.dump());

    for (const std::size_t length : {5u, 30u, 48u, 49u, 400u}) {
      std::string text;
      std::vector<std::size_t> parts;
      for (std::size_t i = 0; i < length; ++i) {
        parts.push_back(below(3));
        text += tokens[parts.back()];
      }
      for (bool merged = true; merged;) {
        merged = false;
        for (const auto& [left, right, whole] : merges) {
          for (std::size_t i = 0; i + 1 < parts.size() && !merged; ++i)
            if (parts[i] == left && parts[i + 1] == right) {
              parts[i] = whole;
              parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i) + 1);
              merged = true;
            }
          if (merged) break;
        }
      }
      INFO(text);
      CHECK(words.encode(text) == token_ids(parts.begin(), parts.end()));
    }
  }
  const tokenizer words = from_json(R"({"model":{"type":"BPE","vocab":{"a":0,"aa":1,"aaaa":2},
    "merges":["a a","aa aa"]}})");
  CHECK(words.encode(std::string(1'000'000, 'a')).size() == 250'000);
}

TEST_CASE("tokenizer.json: WordPiece, Unigram and words", "[io]") {
  const tokenizer bert = from_json(wordpiece_json());
  CHECK(bert.encode("Hello, WORLD 12 [MASK]") == token_ids{2, 4, 0, 0, 9, 10, 1, 3});
  CHECK(bert.encode("w\u00f2rld") == token_ids{2, 0, 3});
  CHECK(bert.encode("wore", {.special = false}) == token_ids{5, 6});
  CHECK(bert.encode("hellohellohellohellohello", {.special = false}) == token_ids{0});  // longer than 20
  CHECK(bert.decode(token_ids{2, 4, 5, 6, 3}) == "[C] hello wore [S]");                 // not among the special ones
  CHECK(bert.cls() == 2);
  CHECK(bert.sep() == 3);
  CHECK(bert.unknown() == 0);

  const tokenizer unigram = from_json(unigram_json());
  CHECK(unigram.encode("ab \uff21b ") == token_ids{6, 1, 0, 4});   // ▁ab ▁?b
  CHECK(unigram.encode(" ab \uff21b ") == token_ids{5, 1, 0, 4});  // what follows stripped spaces is not at the start
  CHECK(unigram.encode("Hello") == token_ids{1, 7, 10});
  CHECK(unigram.decode(token_ids{6, 1, 7, 10}) == "ab Hello");

  const tokenizer level = from_json(R"({"pre_tokenizer":{"type":"Whitespace"},"model":{"type":"WordLevel",
    "unk_token":"?","vocab":{"?":7,"a":1,"bc":2}}})");
  CHECK(level.encode("a bc, a") == token_ids{1, 2, 7, 1});
  CHECK(level.decode(token_ids{1, 2, 3}) == "a bc");
}

TEST_CASE("tokenizer.json: special tokens and the chat template from the files beside it", "[io]") {
  const scratch folder;
  folder.write("tokenizer.json", bpe_json());
  CHECK(load_tokenizer(folder.path()).bos() == 300);
  folder.write("tokenizer_config.json", R"({"bos_token":null,"eos_token":"wor","pad_token":{"content":"h"},
    "chat_template":[{"name":"tools","template":"T"},{"name":"default","template":"D"}]})");
  folder.write("special_tokens_map.json", R"({"eos_token":"a","mask_token":"m","sep_token":"absent"})");
  const tokenizer words = load_tokenizer(folder.path());
  CHECK(words.bos() == std::nullopt);
  CHECK(words.eos() == 301);
  CHECK(words.pad() == 'h');
  CHECK(words.mask() == 'm');
  CHECK(words.sep() == std::nullopt);
  CHECK(words.chat_template() == "D");
  folder.write("chat_template.jinja", "J\n");
  CHECK(load_tokenizer(folder.path("tokenizer.json")).chat_template() == "J\n");
}

TEST_CASE("tokenizer: vocab.json and merges.txt", "[io]") {
  const scratch folder;
  folder.write("vocab.json", vocab_json());
  folder.write("merges.txt", "#version: 0.2\r\nh e\r\nl l\r\nhe ll\r\n");
  CHECK(load_tokenizer(folder.path()).encode("hello") == token_ids{258, 'o'});
  CHECK(load_tokenizer(folder.path("vocab.json")).encode("hello") == token_ids{258, 'o'});
  CHECK(load_tokenizer(folder.path("merges.txt")).encode("a1234") == token_ids{'a', '1', '2', '3', '4'});

  folder.write("tokenizer_config.json",
               R"({"tokenizer_class":"Qwen2TokenizerFast","eos_token":"<e>","added_tokens_decoder":
    {"300":{"content":"<e>","special":true}},"add_eos_token":true})");
  const tokenizer qwen = load_tokenizer(folder.path());
  CHECK(qwen.encode("e\u0301<e>") == token_ids{0xc3, 0xa9, 300, 300});
  CHECK(qwen.decode(token_ids{258, 300}) == "hell");
  CHECK(qwen.eos() == 300);

  const auto refused = [&](const char* name, const std::string& text, std::initializer_list<std::string> parts) {
    const std::string good = read_file(folder.path(name));
    folder.write(name, text);
    check_refused([&] { load_tokenizer(folder.path()); }, parts);
    folder.write(name, good);
  };
  refused("tokenizer_config.json", R"({"tokenizer_class":"CLIPTokenizer"})", {"tokenizer_class is 'CLIPTokenizer'"});
  refused("tokenizer_config.json", R"({"added_tokens_decoder":{"x":{}}})", {"added_tokens_decoder", "id 'x'"});
  refused("tokenizer_config.json", "[]", {"tokenizer_config.json: is a list"});
  refused("merges.txt", "h e\nh e l\n", {"merges.txt: line 2", "'h e l'"});
  refused("merges.txt", "h q\n", {"merges.txt: line 1", "'hq' is not in the vocabulary"});
  refused("merges.txt", "\xff\xfeh e\n", {"merges.txt: is UTF-16 text"});
  refused("vocab.json", R"({"a":-1})", {"vocab.json: the id of 'a' is -1"});
  refused("vocab.json", R"({"a":4194304})", {"vocab.json: token 'a' has id 4194304"});
  refused("vocab.json", R"({"a":99999999999999})", {"vocab.json: token 'a' has id 4194304"});
  refused("vocab.json", R"({})", {"vocab.json: is empty"});
  std::filesystem::remove(folder.path("merges.txt"));
  check_refused([&] { load_tokenizer(folder.path()); }, {"vocab.json without merges.txt"});
}

TEST_CASE("tokenizer: vocab.txt", "[io]") {
  const scratch folder;
  const std::string good = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nHello\nhello\nw\n##or\n##ld\n,\n";
  folder.write("vocab.txt", good);
  CHECK(load_tokenizer(folder.path()).encode("Hello, World [MASK]!") == token_ids{2, 6, 10, 7, 8, 9, 4, 1, 3});
  CHECK(load_tokenizer(folder.path()).decode(token_ids{2, 6, 10, 7, 8, 9, 3}) == "hello, world");
  CHECK(load_tokenizer(folder.path()).pad() == 0);
  folder.write("tokenizer_config.json", R"({"do_lower_case":false,"tokenizer_class":"BertTokenizer"})");
  CHECK(load_tokenizer(folder.path("vocab.txt")).encode("Hello w") == token_ids{2, 5, 7, 3});
  folder.write("tokenizer_config.json", R"({"tokenizer_class":"XLNetTokenizer"})");
  check_refused([&] { load_tokenizer(folder.path()); }, {"tokenizer_class is 'XLNetTokenizer'"});
  folder.write("tokenizer_config.json", "{}");
  folder.write("vocab.txt", replaced(good, "[SEP]", "[PES]"));
  check_refused([&] { load_tokenizer(folder.path()); }, {"vocab.txt: has no [SEP]"});
}

TEST_CASE("tokenizer.model: SentencePiece's, both types", "[io]") {
  // The ids are those of SentencePiece 0.2.3 for these two models, where the text has no control tokens.
  const scratch folder;
  const std::string path = folder.write("tokenizer.model", sentencepiece_bytes(true));
  const tokenizer bpe = load_tokenizer(path);
  CHECK(bpe.encode("Hello world") == token_ids{265, 268, 266, 267});
  CHECK(bpe.encode("  Hello   a<sep> \u00e9\u4e2d ") == token_ids{265, 260, 3, 269, 279, 232, 188, 177});
  CHECK(bpe.encode("") == token_ids{});
  CHECK(bpe.encode("a</s>b", {.parse_special = false}) != bpe.encode("a</s>b"));
  CHECK(bpe.encode("a</s>b") == token_ids{260, 2, 269, 271});
  CHECK(bpe.decode(bpe.encode("Hello \u4e2d world")) == "Hello \u4e2d world");
  CHECK(bpe.bos() == 1);
  CHECK(bpe.eos() == 2);
  CHECK(bpe.unknown() == 0);
  folder.write("tokenizer_config.json", R"({"tokenizer_class":"LlamaTokenizer","add_eos_token":true})");
  CHECK(load_tokenizer(path).encode("a") == token_ids{1, 260, 2});
  folder.write("tokenizer_config.json", R"({"tokenizer_class":"XLMRobertaTokenizer"})");
  check_refused([&] { load_tokenizer(path); }, {"tokenizer_class is 'XLMRobertaTokenizer'"});
  folder.write("tokenizer_config.json", "{}");

  folder.write("tokenizer.model", sentencepiece_bytes(false));
  const tokenizer unigram = load_tokenizer(path);
  CHECK(unigram.encode("Hello world") == token_ids{265, 268, 266, 267});
  CHECK(unigram.encode("  Hello   a<sep> \u00e9\u4e2d ") == token_ids{265, 260, 3, 269, 279, 232, 188, 177});

  const auto refused = [&](const std::string& bytes, std::initializer_list<std::string> parts) {
    folder.write("tokenizer.model", bytes);
    check_refused([&] { load_tokenizer(path); }, parts);
  };
  const std::string good = sentencepiece_bytes(true);
  refused(good.substr(0, good.size() - 1), {path, "cut off"});
  refused(good + proto(2, proto(3, std::uint64_t{3})), {path, "model type is 3"});
  refused(good + proto(2, proto(24, std::uint64_t{1})), {path, "treat_whitespace_as_suffix"});
  refused(good + sentencepiece_piece("x", 0, 5), {path, "unused"});
  refused(good + sentencepiece_piece("x", 0, 9), {path, "its type is 9"});
  refused(good + sentencepiece_piece("", 0, 1), {path, "its text is ''"});
  refused(good + sentencepiece_piece("x", std::numeric_limits<float>::infinity(), 1), {path, "its score is inf"});
  refused(good + proto(3, proto(2, "abc")), {path, "character map"});
  refused(proto(2, proto(3, std::uint64_t{2})), {path, "has no pieces"});
  refused(sentencepiece_piece("x", 0, 1), {path, "no piece of type unknown"});
  refused("{\"a\":1}", {path, "model is missing"});
}

TEST_CASE("tokenizer: GGUF files", "[io]") {
  const scratch folder;
  const tokenizer llama = load_tokenizer(folder.write("l.gguf", gguf_tokenizer_bytes("llama")));
  CHECK(llama.encode("ab A") == token_ids{1, 4, 8, 4, 3});  // ab, of score -1, comes before ▁a, of -2
  CHECK(llama.encode("a", {.special = false}) == token_ids{7});
  CHECK(llama.decode(token_ids{1, 7, 6, 4, 3}) == "ab A");
  CHECK(llama.encode("x") == token_ids{1, 4, 0});
  const tokenizer gpt2 = load_tokenizer(folder.write("g.gguf", gguf_tokenizer_bytes("gpt2")));
  CHECK(gpt2.encode("ab ab1<s>") == token_ids{3, 4, 6, 5});
  CHECK(gpt2.decode(token_ids{5, 3, 4, 5}) == "ab ab");
  CHECK(gpt2.bos() == 5);
  CHECK(gpt2.chat_template() == "T");
  const tokenizer bert = load_tokenizer(folder.write("b.gguf", gguf_tokenizer_bytes("bert")));
  CHECK(bert.encode("AB, c") == token_ids{2, 4, 5, 6, 1, 3});
  CHECK(bert.text_of(5) == "##b");
  CHECK(bert.text_of(4) == "a");

  const auto refused = [&](const gguf_writer& file, std::initializer_list<std::string> parts) {
    const std::string path = folder.write("bad.gguf", file.bytes());
    check_refused([&] { load_tokenizer(path); }, parts);
  };
  const auto of = [](const char* model) { return gguf_writer().add("tokenizer.ggml.model", std::string(model)); };
  refused(gguf_writer().add("a", std::uint32_t{1}), {"bad.gguf: tokenizer.ggml.model is missing"});
  refused(of("rwkv"), {"tokenizer.ggml.model is \"rwkv\"", "llama, gpt2 or bert"});
  refused(of("gpt2"), {"tokenizer.ggml.tokens is missing"});
  refused(of("gpt2").list("tokenizer.ggml.tokens", {"a"}).add("tokenizer.ggml.pre", std::string("odd")),
          {"tokenizer.ggml.pre is 'odd'"});
  refused(of("gpt2").list("tokenizer.ggml.tokens", {"a"}), {"tokenizer.ggml.merges is missing"});
  refused(of("gpt2").list("tokenizer.ggml.tokens", {"a"}).list("tokenizer.ggml.merges", {"a b"}), {"merge 0", "'b'"});
  refused(of("gpt2").list("tokenizer.ggml.tokens", {"\xff"}), {"token 0 is '\\xff'"});
  refused(of("llama").list("tokenizer.ggml.tokens", {"a"}), {"tokenizer.ggml.scores is missing"});
  refused(of("llama").list("tokenizer.ggml.tokens", {"a"}).add("tokenizer.ggml.scores", 6, std::vector<float>{1, 2}),
          {"tokenizer.ggml.scores is a list of 2"});
  refused(of("bert").list("tokenizer.ggml.tokens", {"a"}), {"no [UNK], [CLS] or [SEP]"});
  refused(of("llama").list("tokenizer.ggml.tokens", {"a"}).add("tokenizer.ggml.bos_token_id", std::uint32_t{1}),
          {"tokenizer.ggml.bos_token_id is 1"});
}

TEST_CASE("tokenizer: what is no tokenizer is named", "[io]") {
  const scratch folder;
  check_refused([&] { load_tokenizer(folder.path()); }, {folder.path(), "has no tokenizer"});
  check_refused([&] { load_tokenizer(folder.path("absent.json")); }, {"absent.json", "cannot be opened"});
  check_refused([&] { load_tokenizer(folder.write("a.xyz", "abc")); }, {"a.xyz: is no tokenizer that zoft knows"});
  check_refused([&] { load_tokenizer(folder.write("tokenizer.json", "<!DOCTYPE html>")); }, {"is an HTML page"});
  check_refused(
      [&] {
        load_tokenizer(folder.write("tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"));
      },
      {"git-LFS"});
  check_refused([&] { load_tokenizer(folder.write("x.gguf", "GGUF")); }, {"x.gguf"});
  check_refused([] { from_json("{}"); }, {"tokenizer.json: model is missing"});
  check_refused([] { from_json("{\"model\":"); }, {"tokenizer.json: is not JSON"});
  check_refused([] { from_json(R"({"model":{"type":"Odd","vocab":{}}})"); }, {"model: the type 'Odd'"});
  check_refused([] { bpe_with("\"fuse_unk\":false", "\"end_of_word_suffix\":\"</w>\""); },
                {"end_of_word_suffix is \"</w>\""});
  check_refused([] { bpe_with("\"dropout\":null", "\"dropout\":0.5"); }, {"dropout is 0.5"});
  check_refused([] { bpe_with("[\"h\",\"e\"]", "[\"h\",\"q\"]"); }, {"merge 0", "'hq' is not in the vocabulary"});
  check_refused([] { bpe_with("[\"h\",\"e\"]", "\"h e l\""); }, {"a merge is \"h e l\""});
  check_refused([] { bpe_with("\"unk_token\":null", "\"unk_token\":\"nix\""); }, {"unk_token is 'nix'"});
  check_refused([] { bpe_with("\"id\":300", "\"id\":-1"); }, {"added_tokens: id is -1"});
  check_refused([] { bpe_with("\"type\":\"BPE\"", "\"type\":\"Unigram\""); }, {"ByteLevel needs BPE"});
  check_refused([] { from_json(R"({"model":{"type":"Unigram","vocab":[["a",0]]}})"); }, {"unk_id is missing"});
  check_refused([] { from_json(R"({"model":{"type":"Unigram","unk_id":1,"vocab":[["a",0]]}})"); }, {"unk_id is 1"});
  check_refused([] { from_json(R"({"model":{"type":"Unigram","unk_id":0,"vocab":[["a","b"]]}})"); }, {"token 0 is"});
}

TEST_CASE("tokenizer: threads share one", "[io]") {
  const tokenizer words = from_json(bpe_json());
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "hell" + std::to_string(i) + " ";
  const token_ids expected = words.encode(text);
  std::vector<token_ids> found(4);
  std::vector<std::thread> threads;
  for (token_ids& mine : found)
    threads.emplace_back([&words, &text, &mine] {
      for (int i = 0; i < 5; ++i) mine = words.encode(text);
    });
  for (std::thread& thread : threads) thread.join();
  for (const token_ids& mine : found) CHECK(mine == expected);
}
