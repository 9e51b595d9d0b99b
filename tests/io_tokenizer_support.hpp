// Small tokenizers of each kind, written by the tests.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>
#include <zoft/io/file/json.hpp>
#include <zoft/io/tokenizer/bytes_as_characters.hpp>
#include <zoft/io/tokenizer/code_points.hpp>

namespace tokenizer_test {

/// A vocabulary of the 256 bytes and some words.
inline zoft::io::json byte_vocabulary(const std::vector<std::string>& words) {
  zoft::io::json result = zoft::io::json::object();
  for (unsigned b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(static_cast<unsigned char>(b));
    result[zoft::io::text_stage::token_of_bytes({&byte, 1})] = b;
  }
  for (std::size_t i = 0; i < words.size(); ++i) result[words[i]] = 256 + i;
  return result;
}

inline std::string vocab_json() { return byte_vocabulary({"he", "ll", "hell", "model"}).dump(); }

inline std::string bpe_json() {
  zoft::io::json root = zoft::io::json::parse(
      R"json({"version":"1.0","truncation":null,"padding":null,"added_tokens":[
      {"id":300,"content":"<s>","single_word":false,"lstrip":true,"rstrip":false,"normalized":false,"special":true},
      {"id":301,"content":"wor","single_word":true,"lstrip":false,"rstrip":true,"normalized":true,"special":false}],
      "normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":"x+"},"content":"y"}]},
      "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"\\p{N}{1,3}| ?\\p{L}+|\\s+"},
      "behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false}]},
      "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},
      {"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<s>":{"id":"<s>","ids":[300],"tokens":["<s>"]}}},
      "decoder":{"type":"ByteLevel"},"model":{"type":"BPE","dropout":null,"unk_token":null,"fuse_unk":false,
      "byte_fallback":false,"ignore_merges":false,"vocab":{},"merges":[["h","e"],["l","l"],["he","ll"]]}})json");
  root["model"]["vocab"] = byte_vocabulary({"he", "ll", "hell"});
  return root.dump();
}

inline std::string unigram_json() {
  return R"json({"added_tokens":[{"id":2,"content":"<s>","special":true}],
      "normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Strip","strip_left":true,"strip_right":true}]},
      "pre_tokenizer":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true},
      "decoder":{"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first"},
      "model":{"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[["<unk>",0.0],["\u2581",-2.0],["<s>",0.0],
      ["a",-3.0],["b",-3.5],["ab",-4.0],["\u2581ab",-5.25],["He",-6],["l",-2.5],["o",-2.75],["llo",-7.5]]}})json";
}

inline std::string wordpiece_json() {
  return R"json({"added_tokens":[{"id":0,"content":"[UNK]","special":true},{"id":1,"content":"[MASK]","special":true}],
      "normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true},
      "pre_tokenizer":{"type":"BertPreTokenizer"},"post_processor":{"type":"BertProcessing","sep":["[S]",3],"cls":["[C]",2]},
      "decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
      "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":20,
      "vocab":{"[UNK]":0,"[MASK]":1,"[C]":2,"[S]":3,"hello":4,"wo":5,"##re":6,"##l":7,"##d":8,"1":9,"##2":10}}})json";
}

/// A field of a protocol buffer: bytes, or a whole number.
inline std::string proto(unsigned number, std::string_view bytes) {
  std::string result;
  const auto varint = [&](std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) result += static_cast<char>(static_cast<unsigned char>((value & 0x7f) | 0x80));
    result += static_cast<char>(static_cast<unsigned char>(value));
  };
  varint(number * 8 + 2);
  varint(bytes.size());
  return result + std::string(bytes);
}
inline std::string proto(unsigned number, std::uint64_t value) {
  std::string result{static_cast<char>(static_cast<unsigned char>((number * 8) & 0x7f))};
  if (number * 8 >= 0x80)
    result = {static_cast<char>(static_cast<unsigned char>((number * 8 & 0x7f) | 0x80)),
              static_cast<char>(static_cast<unsigned char>(number * 8 >> 7))};
  for (; value >= 0x80; value >>= 7) result += static_cast<char>(static_cast<unsigned char>((value & 0x7f) | 0x80));
  return result + static_cast<char>(static_cast<unsigned char>(value));
}

inline std::string sentencepiece_piece(std::string_view text, float score, unsigned type) {
  std::string real(5, '\x15');  // field 2, four bytes
  std::memcpy(real.data() + 1, &score, 4);
  return proto(1, proto(1, text) + real + proto(3, std::uint64_t{type}));
}

/// A model of SentencePiece's: control, user-defined and byte pieces, and a few words.
inline std::string sentencepiece_bytes(bool bpe) {
  std::string result = sentencepiece_piece("<unk>", 0, 2) + sentencepiece_piece("<s>", 0, 3) +
                       sentencepiece_piece("</s>", 0, 3) + sentencepiece_piece("<sep>", 0, 4);
  for (unsigned b = 0; b < 256; ++b) result += sentencepiece_piece(zoft::io::text_stage::token_of_byte(b), 0, 6);
  float score = -1;
  for (const char* text : {"\u2581a", "ll", "He", "\u2581He", "llo", "\u2581Hello", "or", "ld", "\u2581w", "\u2581",
                           "a",       "b",  "e",  "H",        "l",   "o",           "r",  "d",  "w",       "\u00e9"})
    result += sentencepiece_piece(text, score -= 0.5f, 1);
  result += proto(2, proto(3, std::uint64_t{bpe ? 2u : 1u}) + proto(35, std::uint64_t{1}) +
                         proto(40, std::uint64_t{0}) + proto(41, std::uint64_t{1}) + proto(42, std::uint64_t{2}));
  return result + proto(3, proto(1, "identity") + proto(3, std::uint64_t{1}) + proto(4, std::uint64_t{1}) +
                               proto(5, std::uint64_t{1}));
}

/// The metadata of a GGUF file, key by key.
class gguf_writer {
 public:
  gguf_writer& add(const std::string& key, const std::string& value) { return put(key, 8, sized(value)); }
  gguf_writer& add(const std::string& key, std::uint32_t value) { return put(key, 4, raw(value)); }
  gguf_writer& list(const std::string& key, const std::vector<std::string>& values) {
    std::string all = raw(std::uint32_t{8}) + raw(std::uint64_t{values.size()});
    for (const std::string& value : values) all += sized(value);
    return put(key, 9, all);
  }
  template <class T>
  gguf_writer& add(const std::string& key, std::uint32_t type, const std::vector<T>& values) {
    std::string all = raw(type) + raw(std::uint64_t{values.size()});
    for (const T value : values) all += raw(value);
    return put(key, 9, all);
  }
  std::string bytes() const { return "GGUF" + raw(std::uint32_t{3}) + raw(std::uint64_t{0}) + raw(keys_) + all_; }

 private:
  template <class T>
  static std::string raw(T value) {
    std::string result(sizeof value, '\0');
    std::memcpy(result.data(), &value, sizeof value);
    return result;
  }
  static std::string sized(const std::string& text) { return raw(std::uint64_t{text.size()}) + text; }
  gguf_writer& put(const std::string& key, std::uint32_t type, const std::string& value) {
    ++keys_;
    all_ += sized(key) + raw(type) + value;
    return *this;
  }
  std::uint64_t keys_ = 0;
  std::string all_;
};

inline std::string gguf_tokenizer_bytes(const std::string& model) {
  gguf_writer w;
  w.add("general.architecture", std::string("llama")).add("tokenizer.ggml.model", model);
  if (model == "llama") {
    w.list("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "<0x41>", "\u2581", "a", "b", "\u2581a", "ab"});
    w.add("tokenizer.ggml.scores", 6, std::vector<float>{0, 0, 0, 0, -9, -8, -7, -2, -1});
    w.add("tokenizer.ggml.token_type", 5, std::vector<std::int32_t>{2, 3, 3, 6, 1, 1, 1, 1, 1});
  } else if (model == "gpt2") {
    w.add("tokenizer.ggml.pre", std::string("qwen2"));
    w.list("tokenizer.ggml.tokens", {"a", "b", "\u0120", "ab", "\u0120ab", "<s>", "1"});
    w.list("tokenizer.ggml.merges", {"a b", "\u0120 ab"});
    w.add("tokenizer.ggml.token_type", 5, std::vector<std::int32_t>{1, 1, 1, 1, 1, 3, 1});
    w.add("tokenizer.ggml.bos_token_id", std::uint32_t{5}).add("tokenizer.chat_template", std::string("T"));
  } else {
    w.list("tokenizer.ggml.tokens", {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581a", "b", "\u2581,"});
    w.add("tokenizer.ggml.token_type", 5, std::vector<std::int32_t>{3, 3, 3, 3, 1, 1, 1});
  }
  return w.bytes();
}

}  // namespace tokenizer_test
