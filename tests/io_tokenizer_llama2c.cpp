#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>
#include <zoft/io/file/json.hpp>
#include <zoft/io/tokenizer/llama2c.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;
using ids = std::vector<std::int32_t>;

namespace {

std::string tokenizer_bytes(const std::vector<llama2c_tokenizer::token>& tokens) {
  std::size_t longest = 0;
  std::string result;
  for (const auto& [text, score] : tokens) {
    longest = std::max(longest, text.size());
    result += bytes_of(score) + bytes_of(static_cast<std::int32_t>(text.size())) + text;
  }
  return bytes_of(static_cast<std::uint32_t>(longest)) + result;
}

const std::vector<llama2c_tokenizer::token> special{{"<unk>", 0}, {"\n<s>\n", 0}, {"\n</s>\n", 0}};

std::vector<llama2c_tokenizer::token> with_special(const std::vector<llama2c_tokenizer::token>& more) {
  auto result = special;
  result.insert(result.end(), more.begin(), more.end());
  return result;
}

std::string byte_token(unsigned byte) {
  const char* const digits = "0123456789ABCDEF";
  return std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">";
}

/// The algorithm as it is described, quadratic: look at all neighbours, join the best pair, begin again.
ids plain_encode(const llama2c_tokenizer& tokens, const std::string& given) {
  const auto find = [&](const std::string& text) {
    for (std::size_t i = 3; i < tokens.size(); ++i)
      if (tokens[i].text == text && !(text.size() == 6 && text.starts_with("<0x") && text.ends_with(">")))
        return static_cast<std::int32_t>(i);
    return -1;
  };
  const auto find_byte = [&](char c) {
    for (std::size_t i = 3; i < tokens.size(); ++i)
      if (tokens[i].text == byte_token(static_cast<unsigned char>(c))) return static_cast<std::int32_t>(i);
    return 0;
  };
  struct part {
    std::int32_t id;
    std::string text;  // empty: joins with nothing
  };
  std::vector<part> parts;
  const std::string all = given.empty() ? "" : " " + given;
  for (std::size_t at = 0; at < all.size();) {
    const std::string point = all.substr(at, std::max<std::size_t>(1, code_point_length(all, at)));
    at += point.size();
    if (const auto id = find(point); id >= 0) {
      parts.push_back({id, point});
    } else if (std::all_of(point.begin(), point.end(), [&](char c) { return find_byte(c) != 0; })) {
      for (const char c : point) parts.push_back({find_byte(c), ""});
    } else {
      parts.push_back({0, ""});
    }
  }
  for (;;) {
    std::size_t best = parts.size();
    std::int32_t best_id = -1;
    for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
      if (parts[i].text.empty() || parts[i + 1].text.empty()) continue;
      const std::int32_t id = find(parts[i].text + parts[i + 1].text);
      if (id < 0) continue;
      if (best_id < 0 || tokens[static_cast<std::size_t>(id)].score > tokens[static_cast<std::size_t>(best_id)].score) {
        best = i;
        best_id = id;
      }
    }
    if (best_id < 0) break;
    parts[best] = {best_id, parts[best].text + parts[best + 1].text};
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  ids result{1};
  for (const auto& p : parts) result.push_back(p.id);
  return result;
}

}  // namespace

TEST_CASE("tokenizer: encodes as the real models' authors did", "[io]") {
  for (const auto& [model, file, size] :
       {std::tuple("stories260K", "tok512.bin", 512u), {"babyllama_tok105", "tok105.derived.bin", 105u}}) {
    const auto golden = real_data(std::string(model) + "/golden.json"),
               path = real_data(std::string(model) + "/" + file);
    if (!golden || !path) continue;
    const llama2c_tokenizer tokens(*path);
    CHECK(tokens.size() == size);
    const json expected = parse_json(read_file(*golden), *golden);
    const auto text = expected["text"].get<std::string>();
    const ids wanted = expected["tokens"].get<ids>();
    CHECK(tokens.encode(text) == wanted);
    CHECK(tokens.decode(wanted) == text);
  }
}

TEST_CASE("tokenizer: a real vocabulary gives back every text, and joins as the plain algorithm does", "[io]") {
  const auto path = real_data("stories260K/tok512.bin"), plays = real_data("tinyshakespeare/input.txt");
  if (!path || !plays) return;
  const llama2c_tokenizer tokens(*path);
  const std::string text = read_file(*plays);
  const ids all = tokens.encode(text);  // 1.1 MB: this test ends only because that is not quadratic
  CHECK(tokens.decode(all) == text);
  for (std::size_t at = 0; at < text.size(); at += text.size() / 20) {
    const std::string part = text.substr(at, 300);
    CHECK(tokens.encode(part) == plain_encode(tokens, part));
  }
  const std::string bytes = "\x00\xff caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \x80\xc3";
  CHECK(tokens.decode(tokens.encode(bytes)) == bytes);
}

TEST_CASE("tokenizer: the heap joins as the plain algorithm does, ties and all", "[io]") {
  std::mt19937 generator(1);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(generator() % n); };
  const std::vector<std::string> alphabet{" ", "a", "b", "\xc3\xa9", "\xe2\x82\xac"};
  for (int round = 0; round < 300; ++round) {
    std::vector<llama2c_tokenizer::token> vocabulary;
    for (const auto& letter : alphabet)
      if (below(8) != 0) vocabulary.push_back({letter, -static_cast<float>(below(3))});
    for (unsigned i = below(30); i > 0; --i) {
      std::string text;
      for (unsigned n = 2 + below(4); n > 0; --n) text += alphabet[below(5)];
      vocabulary.push_back({text, -static_cast<float>(below(4))});  // equal scores, and some texts twice
    }
    for (unsigned byte = 0; byte < 256; ++byte)
      if (round % 3 == 0 || (round % 3 == 1 && below(2) == 0)) vocabulary.push_back({byte_token(byte), 0});
    std::shuffle(vocabulary.begin(), vocabulary.end(), generator);
    const llama2c_tokenizer tokens(with_special(vocabulary));
    for (int sample = 0; sample < 5; ++sample) {
      std::string text;
      for (unsigned n = below(40); n > 0; --n)
        text += below(10) == 0 ? std::string(1, static_cast<char>(below(256))) : alphabet[below(5)];
      INFO("round " << round << ", text " << printable(text));
      REQUIRE(tokens.encode(text) == plain_encode(tokens, text));
    }
  }
}

TEST_CASE("tokenizer: what the parts of encode and decode do", "[io]") {
  const llama2c_tokenizer tokens(with_special({{" ", -1},
                                               {"a", -2},
                                               {"b", -3},
                                               {"ab", -4},
                                               {" a", -5},
                                               {"<0x0A>", 0},
                                               {"<0xC3>", 0},
                                               {"<0x41>", 0},
                                               {"\n<s>", 0},
                                               {"\n", 0},
                                               {"<0x42>", 0},
                                               {"ab", 9},
                                               {"\xc3\xa8", -9}}));
  // ids:                         3        4         5         6          7           8              9              10
  const auto plain = [&](std::string_view text) { return tokens.encode(text, false, false); };
  CHECK(tokens.encode("") == ids{1});
  CHECK(tokens.encode("", false, true) == ids{2});
  CHECK(tokens.encode("b", true, true) == ids{1, 3, 5, 2});
  CHECK(plain("ab") == ids{3, 6});  // ab, of score −4, before " a", of −5; of two tokens ab the first
  CHECK(plain("a") == ids{7});
  CHECK(plain("bab") == ids{3, 5, 6});
  CHECK(plain("A") == ids{3, 10});  // by its byte
  CHECK(plain("AB") == ids{3, 10, 13});
  CHECK(plain("Z") == ids{3, 0});         // no byte token
  CHECK(plain("\xc3\xa9") == ids{3, 0});  // one of two bytes: one <unk> for the code point
  CHECK(plain("\xc3") == ids{3, 9});      // no code point: a byte
  CHECK(plain("\xc3\xa8") == ids{3, 15});
  CHECK(plain("\n") == ids{3, 12});      // a token of that text comes before the byte token
  CHECK(plain("\n<s>\n") != ids{3, 1});  // text does not become a special token
  CHECK(plain("<0x41>") == ids{3, 0, 0, 0, 0, 0, 0});

  CHECK(tokens.decode(ids{}) == "");
  CHECK(tokens.decode(ids{1, 3, 5, 2}) == "b");
  CHECK(tokens.decode(ids{3, 5}) == " b");  // the space goes after BOS only
  CHECK(tokens.decode(ids{1, 3, 3, 5}) == " b");
  CHECK(tokens.decode(ids{1, 7, 7}) == "a a");
  CHECK(tokens.decode(ids{1, 9, 8, 10}) == "\xc3\nA");
  CHECK(tokens.decode(ids{1, 0}) == "<unk>");
  check_refused([&] { tokens.decode(ids{16}); }, {"token 16 is not one of the 16"});
  check_refused([&] { tokens.decode(ids{-1}); }, {"token -1 is not one of the 16"});
  const llama2c_tokenizer copy = tokens;
  CHECK(copy.encode("abab") == tokens.encode("abab"));
}

TEST_CASE("tokenizer: long texts of every kind are encoded at once", "[io]") {
  const llama2c_tokenizer tokens(with_special({{" ", 0}, {"a", 0}, {"aa", -1}, {"aaaa", -2}, {"aaaaaaaa", -3}}));
  const auto encoded = tokens.encode(std::string(2'000'000, 'a'));
  CHECK(encoded.size() == 2 + 250'000);
  CHECK(tokens.encode(std::string(1'000'000, 'x')).size() == 2 + 1'000'000);
  CHECK(tokens.encode(std::string(1'000'000, '\x80')).size() == 2 + 1'000'000);
}

TEST_CASE("tokenizer.bin: a file that lies", "[io]") {
  const scratch folder;
  const std::string path = folder.path("tok.bin");
  const auto opening = [&](const std::string& bytes) {
    folder.write("tok.bin", bytes);
    return [path] { llama2c_tokenizer tokens(path); };
  };
  const std::string good = tokenizer_bytes(with_special({{"a", -1}, {"bc", -2}}));
  const auto token = [](float score, std::int32_t length, const std::string& text) {
    return bytes_of(score) + bytes_of(length) + text;
  };
  CHECK_NOTHROW(opening(good)());
  CHECK(llama2c_tokenizer(path).size() == 5);
  CHECK(llama2c_tokenizer(path)[4].text == "bc");

  check_refused(opening(""), {path, "is empty"});
  check_refused(opening("abc"), {path, "is 3 bytes"});
  check_refused(opening(good.substr(0, good.size() - 1)), {path, "token 4", "length is 2", "1 bytes that follow"});
  check_refused(opening(good + "x"), {path, "token 5", "1 bytes are left"});
  check_refused(opening(good + token(0, -5, "abc")), {path, "token 5", "length is -5"});
  check_refused(opening(good + token(0, 0, "")), {path, "token 5", "length is 0"});
  check_refused(opening(good + token(0, std::numeric_limits<std::int32_t>::max(), "abc")),
                {path, "token 5", "length is 2147483647"});
  check_refused(opening(good + token(0, 10, "abcdefghij")), {path, "token 5", "length is 10", "longest is 6"});
  check_refused(opening(good + token(std::nanf(""), 1, "d")), {path, "token 5", "score is nan"});
  check_refused(opening(good + token(-std::numeric_limits<float>::infinity(), 1, "d")),
                {path, "token 5", "score is -inf"});
  check_refused(opening(tokenizer_bytes({{"<unk>", 0}, {"<s>", 0}})), {path, "holds 2 tokens"});
  check_refused(opening(bytes_of(std::uint32_t{5})), {path, "holds 0 tokens"});
  check_refused([] { llama2c_tokenizer tokens(std::vector<llama2c_tokenizer::token>{{"a", 0}}); }, {"has 1 tokens"});
  check_refused([] { llama2c_tokenizer tokens(with_special({{"", 0}})); }, {"token 3 has 0 bytes"});
}

TEST_CASE("tokenizer: one that is not the model's is refused", "[io]") {
  std::vector<llama2c_tokenizer::token> many = special;
  for (int i = 3; i < 105; ++i) many.push_back({"t" + std::to_string(i), 0});
  const llama2c_tokenizer tokens(many);
  const auto fitting = [&](std::size_t vocabulary) {
    zoft::nn::config shape;
    shape.vocabulary = vocabulary;
    return [&tokens, shape] { check_fits(tokens, shape, "tok.bin", "model.bin"); };
  };
  CHECK_NOTHROW(fitting(105)());
  CHECK_NOTHROW(fitting(112)());
  CHECK_NOTHROW(fitting(128)());
  check_refused(fitting(104), {"tok.bin: has 105 tokens, and model.bin has a vocabulary of 104"});
  check_refused(fitting(129), {"tok.bin: has 105 tokens, and model.bin has a vocabulary of 129"});
  check_refused(fitting(512), {"tok.bin: has 105 tokens, and model.bin has a vocabulary of 512"});
}
