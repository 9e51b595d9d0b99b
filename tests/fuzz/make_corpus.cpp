// Writes the corpus: make_corpus FOLDER. Its files are small ones of each kind, and such as claim too much. What
// fuzzing has found is beside them, in files that begin with "found".
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include <zoft/io/chat/formats.hpp>
#include <zoft/io/file/safetensors.hpp>
#include <zoft/io/gguf_adapter.hpp>
#include <zoft/journal.hpp>
#include <zoft/mezo.hpp>

#include "../io_gguf_support.hpp"
#include "../io_tokenizer_support.hpp"

namespace {

using namespace io_test;

std::string root;

void put(const std::string& target, const std::string& name, std::string_view bytes) {
  std::filesystem::create_directories(root + "/" + target);
  write_file(root + "/" + target + "/" + name, bytes);
}

/// A huge number where a count or a length stands.
std::string with_number(std::string bytes, std::size_t at, std::uint64_t number, std::size_t size) {
  return bytes.replace(at, size, bytes_of(number).substr(0, size));
}

void safetensors_files() {
  const std::string whole =
      safetensors_bytes(R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},)"
                        R"("b":{"dtype":"BOOL","shape":[3],"data_offsets":[16,19]},)"
                        R"("c":{"dtype":"F6_E2M3","shape":[2,4],"data_offsets":[19,25]},)"
                        R"("d":{"dtype":"BF16","shape":[],"data_offsets":[25,27]},)"
                        R"("e":{"dtype":"I64","shape":[0,7],"data_offsets":[27,27]}}   )",
                        std::string(27, '\1'));
  put("safetensors", "types", whole);
  put("safetensors", "empty", safetensors_bytes("{}", ""));
  put("safetensors", "floats",
      safetensors_bytes(R"({"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                        R"("h":{"dtype":"F16","shape":[2],"data_offsets":[24,28]}})",
                        std::string(28, '\x3f')));
  put("safetensors", "long_header", with_number(whole, 0, std::uint64_t{1} << 60, 8));
  put("safetensors", "many_elements",
      safetensors_bytes(R"({"a":{"dtype":"F32","shape":[1152921504606846976,4],"data_offsets":[0,0]}})", ""));
  put("safetensors", "negative",
      safetensors_bytes(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[4,0]}})", "abcd"));
}

void configs() {
  for (const auto& entry : std::filesystem::directory_iterator(fixture("")))
    if (std::filesystem::exists(entry.path() / "config.json"))
      put("config", entry.path().filename().string(), read_file((entry.path() / "config.json").string()));
  put("config", "many_layers",
      R"({"model_type":"gemma2","hidden_size":4,"intermediate_size":3,"num_hidden_layers":4611686018427387904,)"
      R"("num_attention_heads":2,"num_key_value_heads":1,"vocab_size":3,"max_position_embeddings":2})");
  put("config", "nested", std::string(100, '[') + std::string(100, ']'));
}

void gguf_files() {
  const std::vector<float> some(16, 0.5f);
  const std::string whole = gguf_of_many_types();
  put("gguf", "types", whole);
  put("gguf", "many_tensors", with_number(whole, 8, std::uint64_t{1} << 60, 8));
  put("gguf", "many_keys", with_number(whole, 16, std::uint64_t{1} << 60, 8));
  put("gguf", "long_list", with_number(whole, whole.find("scores") + 14, std::uint64_t{1} << 61, 8));
  for (const char* name : {"gguf_llama", "gguf_gemma2", "gguf_phi3"})
    put("gguf", name, read_file(fixture(std::string(name) + "/model.gguf")));
  zoft::io::write_gguf_adapter(
      root + "/gguf/adapter",
      std::vector<zoft::io::low_rank_tensor>{
          {"blk.0.attn_q", 3, 4, 2, std::span(some).first(8), std::span(some).first(6)},
          {"token_embd", 5, 4, 1, std::span(some).first(4), std::span(some).first(5), 0, true}},
      4, "llama");
}

void llama2c_files() {
  for (const bool legacy : {true, false}) {
    std::string header;
    for (const std::int32_t number : {4, 3, 1, 2, 1, 3, 2}) header += bytes_of(number);
    if (!legacy) header = "24ka" + bytes_of(std::int32_t{1}) + header + '\1' + std::string(256 - 37, '\0');
    const std::size_t floats = 3 * 4 + 4 + 16 + 8 + 8 + 16 + 4 + 3 * 12 + 4 + (legacy ? 2 * 2 : 0);
    const std::string whole = header + std::string(4 * floats, '\0');
    const std::string name = legacy ? "legacy" : "version_1";
    put("llama2c", name, whole);
    put("llama2c", name + "_many_layers", with_number(whole, (legacy ? 0 : 8) + 8, 1 << 24, 4));
    put("llama2c", name + "_large_vocabulary", with_number(whole, (legacy ? 0 : 8) + 20, 0x7fffffff, 4));
    put("llama2c", name + "_least_vocabulary", with_number(whole, (legacy ? 0 : 8) + 20, 0x80000000, 4));
  }
}

/// SentencePiece's map of two keys: "a", and the first byte of characters like é. The values are places in the texts.
std::string charsmap(std::uint32_t value_of_a, std::uint32_t value_of_byte) {
  std::vector<std::uint32_t> units(256);
  units[0x61] = 128u << 10 | 0x100u | 0x61u, units[0x61 ^ 128] = 0x80000000u | value_of_a;
  units[0xc3] = 128u << 10 | 0x100u | 0xc3u, units[0xc3 ^ 128] = 0x80000000u | value_of_byte;
  std::string result = bytes_of(std::uint32_t{1024});
  for (const std::uint32_t unit : units) result += bytes_of(unit);
  return result + std::string("\xc3\xa9\0x\0", 5);
}

std::string base64_of(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < 3; ++i)
      word = word << 8 | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (std::size_t i = 0; i < 4; ++i) result += at + i <= bytes.size() ? digits[word >> (18 - 6 * i) & 63u] : '=';
  }
  return result;
}

/// A normalizer of `count` steps that double the text each.
std::string doubling(int count, const std::string& list, const std::string& last) {
  std::string steps;
  for (int i = 0; i < count; ++i)
    steps += std::string(i == 0 ? "" : ",") + R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})";
  return "{\"" + last + "\":{\"type\":\"Sequence\",\"" + list + "\":[" + steps +
         R"(]},"model":{"type":"WordLevel","unk_token":"a","vocab":{"a":0}}})";
}

void tokenizers() {
  using namespace tokenizer_test;
  put("tokenizer_json", "bpe", bpe_json());
  put("tokenizer_json", "unigram", unigram_json());
  put("tokenizer_json", "wordpiece", wordpiece_json());
  put("tokenizer_json", "stages",
      R"json({"normalizer":{"type":"Sequence","normalizers":[{"type":"NFD"},{"type":"StripAccents"},{"type":"Lowercase"},
      {"type":"Nmt"},{"type":"Prepend","prepend":"\u2581"},{"type":"Replace","pattern":{"String":" "},"content":"\u2581"},
      {"type":"NFKD"}]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Whitespace"},
      {"type":"Digits","individual_digits":true},{"type":"Punctuation","behavior":"MergedWithPrevious"},
      {"type":"Split","pattern":{"String":"a"},"behavior":"Contiguous","invert":true}]},
      "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\u2581"},"content":" "},
      {"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0},{"type":"BPEDecoder"}]},
      "model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0,"a":1,"b":2,"hello":3}}})json");
  put("tokenizer_json", "slow_pattern",
      R"json({"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(\\w+|\\s*)*(a|b)*$x"},"behavior":"Isolated"},
      "model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0}}})json");
  for (const auto& [name, value] : {std::pair{"charsmap", 0u}, {"charsmap_within_characters", 1u}}) {
    const std::string map = charsmap(value, value);
    put("tokenizer_json", name,
        R"({"normalizer":{"type":"Precompiled","precompiled_charsmap":")" + base64_of(map) +
            R"("},"pre_tokenizer":{"type":"Whitespace"},"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":0}}})");
    put("tokenizer_model", name,
        sentencepiece_bytes(false) + proto(3, proto(2, std::string_view(map)) + proto(3, std::uint64_t{1})));
  }
  put("tokenizer_json", "growing_text", doubling(60, "normalizers", "normalizer"));
  put("tokenizer_json", "growing_tokens", doubling(60, "decoders", "decoder"));
  put("tokenizer_json", "large_id",
      R"({"model":{"type":"WordLevel","unk_token":"u","vocab":{"u":4611686018427387904}}})");
  for (const char* model : {"llama", "gpt2", "bert"}) put("tokenizer_gguf", model, gguf_tokenizer_bytes(model));
  const std::string llama = gguf_tokenizer_bytes("llama");
  put("tokenizer_gguf", "many_tokens",
      with_number(llama, llama.find("ggml.tokens") + 11 + 8, std::uint64_t{1} << 60, 8));
  put("tokenizer_model", "bpe", sentencepiece_bytes(true));
  put("tokenizer_model", "unigram", sentencepiece_bytes(false));
  put("tokenizer_model", "long_piece", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + sentencepiece_bytes(true));
  std::string bytes = bytes_of(std::uint32_t{6});
  for (const std::string text : {"<unk>", "<s>", "</s>", " ", "a", "b", "ab", " ab", "<0x0A>", "\xc3\xa9"})
    bytes += bytes_of(-1.0f) + bytes_of(static_cast<std::int32_t>(text.size())) + text;
  put("tokenizer_bin", "words", bytes);
  put("tokenizer_bin", "long_token", with_number(bytes, 8, 0x7fffffff, 4));
  put("tokenizer_bin", "negative_token", with_number(bytes, 8, 0xffffffff, 4));
}

void chat_templates() {
  for (const zoft::io::chat_format_entry& entry : zoft::io::chat_formats)
    put("chat_template", "format_" + std::string(entry.name), entry.source);
  const zoft::io::json known = zoft::io::json::parse(read_file(fixture("chat/jinja.json")));
  // Eight of the small ones in a file, because a file each would be many.
  std::string some;
  std::size_t count = 0;
  for (const zoft::io::json& one : known["templates"]) {
    some += one[0].get<std::string>() + "\n";
    if (++count % 8 == 0) {
      put("chat_template", "small_" + zoft::text(count / 8), some);
      some.clear();
    }
  }
  put("chat_template", "nested", "{{ " + std::string(3000, '(') + "1" + std::string(3000, ')') + " }}");
  put("chat_template", "endless", "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}");
  put("chat_template", "much_text", "{% set a = 'x' * 99999 %}{{ a * 99999 }}");
}

void data_files() {
  put("json_lines", "forms",
      "{\"text\": \"a\"}\n{\"prompt\": \"p\", \"completion\": \"c\"}\n\n"
      "{\"instruction\": \"i\", \"input\": \"\", \"output\": \"o\"}\r\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"\\u00e9\"}]}, "
      "{\"role\": \"assistant\", \"content\": \"b\", \"tool_calls\": []}]}\n"
      "{\"conversations\": [{\"from\": \"human\", \"value\": \"h\"}, {\"from\": \"gpt\", \"value\": \"g\"}]}\n");
  put("json_lines", "list", "\xef\xbb\xbf [{\"text\": \"a\"}, {\"prompt\": \"p\", \"completion\": \"c\"}]");
  put("json_lines", "table", "prompt\tcompletion\na\tb\nc\td\n");
  put("json_lines", "not_utf8", "{\"text\": \"\xff\"}\n");
  put("json_lines", "nested", "{\"text\": " + std::string(50, '['));
}

void journals() {
  for (const std::size_t queries : {1u, 3u}) {
    std::vector<float> x(10, 0.5f);
    auto tuner = zoft::mezo({.epsilon = 1e-2, .learning_rate = 1e-3, .queries = queries, .seed = 7});
    const std::string path = root + "/run";
    std::filesystem::remove(path);
    {
      zoft::journal log(path, {.about = "one\nand two", .check_every = 3});
      log.resume(tuner, std::span(x));
      for (int i = 0; i < 8; ++i) {
        log.append(
            tuner.step(std::span(x), [&](std::span<const float> v) { return i == 4 ? HUGE_VAL : double{v[0]}; }));
      }
    }
    const std::string whole = read_file(path), name = "run_of_" + zoft::text(queries);
    std::filesystem::remove(path);
    put("journal", name, whole);
    put("journal", name + "_torn", std::string_view(whole).substr(0, whole.size() - 5));
    put("journal", name + "_damaged", with_number(whole, whole.size() - 60, 0, 1));
  }
  const std::string no_records = "zoft journal 1\nvalues: ";
  for (const char* values :
       {"2305843009213693950", "2305843009213693951", "1152921504606846976", "99999999999999999999", "-1", ""}) {
    const std::string header = no_records + values + "\n";
    put("journal", std::string("values_") + values,
        header + "end " + zoft::journals::hexadecimal(zoft::journals::checksum(header, 0)) + "\n" +
            std::string(40, '\0'));
  }
  const std::string no_colon = "zoft journal 1\nvalues\nseed: 1\n";
  put("journal", "no_colon",
      no_colon + "end " + zoft::journals::hexadecimal(zoft::journals::checksum(no_colon, 0)) + "\n");
}

void options() {
  put("options", "default", "--steps\n10\n--threads\n1");
  put("options", "labelled", "--labelled\nx\n--words\nneg=bad,pos=good\n--template\n{text}\\nIt was {word}\n--seed\n1");
  put("options", "choices", "--method=observed\n--adapter\nfull\n--weights\nf32\n--keep\n0.5\n--keep-by\nscores");
  put("options", "numbers", "--learning-rate\n1e-3\n--epsilon\n1e999\n--rank\n18446744073709551616\n--batch\n-1");
  put("options", "lists", "--targets\nq_proj,,v_proj\n--schedule\ncosine\n--warmup\n3\n--undo\n1");
  put("options", "unknown", "--nothing\n--\nword\n-x");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  root = argv[1];
  safetensors_files();
  configs();
  gguf_files();
  llama2c_files();
  tokenizers();
  chat_templates();
  data_files();
  journals();
  options();
}
