// Damaged tokenizer files: each is refused with one line, or read and used without harm.
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>
#include <zoft/io/tokenizer.hpp>

#include "io_support.hpp"
#include "io_tokenizer_support.hpp"

using namespace io_test;
using namespace tokenizer_test;
using zoft::io::load_tokenizer;

namespace {

struct tokenizer_counts {
  int refused = 0, read = 0;
};

/// Changes bytes of the file, cuts it, or repeats parts of it, and reads and uses what is left.
tokenizer_counts fuzz_tokenizer(const std::string& path, const std::string& load_path, int rounds) {
  const std::string good = read_file(path);
  std::mt19937 random(17);
  const auto below = [&](std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random); };
  const std::string_view odd = "\"[]{}:,0 9\\-e\x80\xff\x01zA#";
  tokenizer_counts counts;
  for (int i = 0; i < rounds; ++i) {
    std::string bad = good;
    for (std::size_t changes = 1 + below(3); changes > 0; --changes) {
      const std::size_t at = below(bad.size());
      switch (below(5)) {
        case 0:
          bad[at] = static_cast<char>(below(256));
          break;
        case 1:
          bad[at] = odd[below(odd.size())];
          break;
        case 2:
          bad.resize(at + 1);
          break;
        case 3:
          bad.erase(at, 1 + below(8));
          break;
        default:
          bad.insert(at, bad.substr(below(bad.size()), 1 + below(24)));
      }
      if (bad.empty()) bad = " ";
    }
    write_file(path, bad);
    const std::string message = message_of([&] {
      const auto words = load_tokenizer(load_path);
      for (const std::string& text :
           {std::string("Hello  wor\u00e9ld \u2581a <s>[MASK] 12\n"), std::string("\xff\xc3 ab\0c", 8)}) {
        const auto ids = words.encode(text);
        words.decode(ids);
      }
      words.decode(std::vector<std::int32_t>{-1, 0, 1, 2, 1'000'000, INT32_MAX, INT32_MIN});
      for (std::int32_t id = 0; id < 20; ++id) words.text_of(id);
    });
    if (message.empty()) {
      ++counts.read;
      continue;
    }
    ++counts.refused;
    INFO(message);
    CHECK(message.starts_with("zoft: "));
    CHECK(message.find('\n') == std::string::npos);
    CHECK(message.size() < 1000);
  }
  write_file(path, good);
  return counts;
}

}  // namespace

TEST_CASE("tokenizer fuzz: tokenizer.json", "[io][fuzz]") {
  const scratch folder;
  for (const std::string& text : {bpe_json(), unigram_json(), wordpiece_json()}) {
    const std::string path = folder.write("tokenizer.json", text);
    REQUIRE_NOTHROW(load_tokenizer(path));
    const auto counts = fuzz_tokenizer(path, path, 700);
    CHECK(counts.refused > 100);
    CHECK(counts.read > 10);
  }
}

TEST_CASE("tokenizer fuzz: tokenizer.model", "[io][fuzz]") {
  const scratch folder;
  for (const bool bpe : {true, false}) {
    const std::string path = folder.write("tokenizer.model", sentencepiece_bytes(bpe));
    REQUIRE_NOTHROW(load_tokenizer(path));
    const auto counts = fuzz_tokenizer(path, path, 1000);
    CHECK(counts.refused > 100);
    CHECK(counts.read > 10);
  }
}

TEST_CASE("tokenizer fuzz: vocab.json, merges.txt, vocab.txt and their configuration", "[io][fuzz]") {
  const scratch folder;
  folder.write("vocab.json", vocab_json());
  folder.write("merges.txt", "#version: 0.2\r\nh e\r\nl l\r\nhe ll\r\n");
  folder.write("tokenizer_config.json", R"({"tokenizer_class":"Qwen2TokenizerFast","added_tokens_decoder":)"
                                        R"({"300":{"content":"<s>","special":true}},"eos_token":"<s>"})");
  REQUIRE_NOTHROW(load_tokenizer(folder.path()));
  for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"}) {
    INFO(name);
    const auto counts = fuzz_tokenizer(folder.path(name), folder.path(), 400);
    CHECK(counts.refused > 50);
    CHECK(counts.read > 5);
  }
  const scratch bert;
  bert.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nw\n##or\n##ld\n,\n");
  const auto counts = fuzz_tokenizer(bert.path("vocab.txt"), bert.path(), 500);
  CHECK(counts.refused > 50);
  CHECK(counts.read > 50);
}

TEST_CASE("tokenizer fuzz: GGUF", "[io][fuzz]") {
  const scratch folder;
  for (const char* model : {"llama", "gpt2", "bert"}) {
    INFO(model);
    const std::string path = folder.write("t.gguf", gguf_tokenizer_bytes(model));
    REQUIRE_NOTHROW(load_tokenizer(path));
    const auto counts = fuzz_tokenizer(path, path, 700);
    CHECK(counts.refused > 100);
    CHECK(counts.read > 10);
  }
}
