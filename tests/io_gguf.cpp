#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <vector>
#include <zoft/io/file/gguf.hpp>

#include "io_gguf_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

const gguf_made six{"blk.0.w", {3, 2}, 0, std::string(24, '\x01')}, four{"v", {4}, 1, std::string(8, '\x3c')};

/// Opens a file of these bytes.
auto opening_gguf(const scratch& folder, const std::string& bytes) {
  const std::string path = folder.write("x.gguf", bytes);
  return [path] { gguf file(path); };
}

}  // namespace

TEST_CASE("gguf: metadata of every type, and tensors in row-major order", "[io]") {
  const scratch folder;
  const std::uint32_t version = GENERATE(2u, 3u);
  const std::vector<std::string> words{"<unk>", "",
                                       "\xc4\xa0"
                                       "a",
                                       "b\n"};
  const std::string path = folder.write("x.gguf", gguf_file({gguf_key("u8", std::uint8_t{200}),
                                                             gguf_key("i8", std::int8_t{-2}),
                                                             gguf_key("u16", std::uint16_t{65535}),
                                                             gguf_key("i16", std::int16_t{-3}),
                                                             gguf_key("u32", std::uint32_t{4000000000}),
                                                             gguf_key("i32", std::int32_t{-4}),
                                                             gguf_key("u64", std::uint64_t{1} << 63),
                                                             gguf_key("i64", std::int64_t{-5}),
                                                             gguf_key("f32", 1e-5f),
                                                             gguf_key("f64", -0.1),
                                                             gguf_key("yes", true),
                                                             gguf_key("no", false),
                                                             gguf_key("text", std::string("llama")),
                                                             gguf_list("words", words),
                                                             gguf_list<std::int32_t>("types", {1, -6, 3}),
                                                             gguf_list<std::uint64_t>("long", {1, 1ull << 40}),
                                                             gguf_list<float>("scores", {0, -1.5f}),
                                                             gguf_list<double>("doubles", {0.5}),
                                                             gguf_list<bool>("flags", {true, false}),
                                                             gguf_list<std::int32_t>("nothing", {})},
                                                            {six, four}, 32, version));
  const gguf file(path);
  CHECK((file.version() == version && file.alignment() == 32 && file.path() == path));
  CHECK(file.metadata().size() == 20);

  CHECK(file.whole("u8", 1, 200) == 200);
  CHECK(file.whole("u16", 0, 1 << 20) == 65535);
  CHECK(file.whole("u32", 0, std::numeric_limits<std::size_t>::max()) == 4000000000);
  CHECK(file.whole("absent", 1, 2, 7) == 7);
  CHECK(file.find("i8")->whole() == -2);
  CHECK(file.find("i64")->whole() == -5);
  CHECK_FALSE(file.find("u64")->whole().has_value());
  CHECK(file.real("f32") == static_cast<double>(1e-5f));
  CHECK(file.real("f64") == -0.1);
  CHECK(file.real("i16") == -3);
  CHECK(file.real("absent", 0.5) == 0.5);
  CHECK(file.boolean("yes"));
  CHECK_FALSE(file.boolean("no"));
  CHECK(file.boolean("absent", true));
  CHECK(file.string("text") == "llama");
  CHECK(file.string("absent", "x") == "x");
  CHECK(file.find("absent") == nullptr);
  const auto strings = file.strings("words");
  CHECK(std::ranges::equal(strings, words));
  CHECK(file.integers("types") == std::vector<std::int32_t>{1, -6, 3});
  CHECK(file.reals("scores") == std::vector<float>{0, -1.5f});
  CHECK(file.reals("doubles") == std::vector<float>{0.5f});
  CHECK(file.booleans("flags") == std::vector<bool>{true, false});
  CHECK(file.strings("nothing").empty());
  CHECK(file.integers("nothing").empty());
  CHECK_FALSE(file.find("nothing")->whole().has_value());
  CHECK_FALSE(file.find("flags")->boolean(2).has_value());
  CHECK_FALSE(file.find("scores")->real(2).has_value());
  CHECK((file.find("long")->is_list && file.find("long")->count == 2 && file.find("long")->whole(1) == 1ll << 40));

  REQUIRE(file.tensors().size() == 2);
  const auto w = file.tensor("blk.0.w"), v = file.tensor("v");
  REQUIRE((w && v));
  CHECK(w->shape == std::vector<std::size_t>{2, 3});
  CHECK((w->type == storage::f32 && w->size() == 6 && w->rows() == 2 && w->columns() == 3));
  CHECK(std::string(reinterpret_cast<const char*>(v->bytes.data()), v->bytes.size()) == four.bytes);
  CHECK_FALSE(file.tensor("u8").has_value());

  const std::string where = path + ": ";
  check_refused([&] { file.whole("u64", 0, 9); },
                {where + "u64 is 9223372036854775808, and must be a whole number from 0 to 9"});
  check_refused([&] { file.whole("i8", 0, 9); }, {where + "i8 is -2, and must be a whole number from 0 to 9"});
  check_refused([&] { file.whole("u8", 0, 199); }, {where + "u8 is 200"});
  check_refused([&] { file.whole("f32", 0, 9); }, {where + "f32 is 1e-05"});
  check_refused([&] { file.whole("yes", 0, 9); }, {where + "yes is true"});
  check_refused([&] { file.whole("types", 0, 9); }, {where + "types is a list of 3 i32, and must be a whole number"});
  check_refused([&] { file.whole("absent", 0, 9); }, {where + "absent is missing"});
  check_refused([&] { file.real("text"); }, {where + "text is \"llama\", and must be a finite number"});
  check_refused([&] { file.boolean("u8"); }, {where + "u8 is 200, and must be true or false"});
  check_refused([&] { file.string("words"); }, {where + "words is a list of 4 string, and must be a string"});
  check_refused([&] { file.strings("text"); }, {where + "text is \"llama\", and must be a list of strings"});
  check_refused([&] { file.strings("types"); }, {where + "types is a list of 3 i32"});
  check_refused([&] { file.integers("long"); }, {where + "long is a list of 2 u64", "32 bits"});
  check_refused([&] { file.integers("scores"); }, {where + "scores is a list of 2 f32"});
  check_refused([&] { file.reals("words"); }, {where + "words is a list of 4 string, and must be a list of numbers"});
  check_refused([&] { file.booleans("types"); }, {where + "types is a list of 3 i32"});
}

TEST_CASE("gguf: other alignments, tensors without elements, and files without tensors", "[io]") {
  const scratch folder;
  const auto aligned = [](std::uint32_t to) { return gguf_key("general.alignment", to); };
  for (const std::uint32_t to : {1u, 8u, 64u, 4096u}) {
    const gguf file(folder.write("x.gguf", gguf_file({aligned(to)}, {six, {"none", {0, 5}, 0, ""}, four}, to)));
    CHECK(file.alignment() == to);
    CHECK(file.tensor("v")->bytes[7] == std::byte{0x3c});
    CHECK(file.tensor("none")->shape == std::vector<std::size_t>{5, 0});
    CHECK((file.tensor("none")->size() == 0 && file.tensor("none")->rows() == 0));
    std::vector<float> nothing;
    CHECK_NOTHROW(widen(*file.tensor("none"), nothing));
  }
  check_refused(opening_gguf(folder, gguf_file({aligned(0)}, {})), {"general.alignment is 0"});
  check_refused(opening_gguf(folder, gguf_file({aligned(24)}, {})),
                {"general.alignment is 24, and must be a power of 2"});
  CHECK_NOTHROW(opening_gguf(folder, gguf_file({}, {}))());
  const gguf scalar(folder.write("x.gguf", gguf_file({}, {{"s", {}, 0, "abcd"}})));
  CHECK(scalar.tensor("s")->size() == 1);
}

TEST_CASE("gguf: a header that lies", "[io]") {
  const scratch folder;
  const std::string path = folder.path("x.gguf"), good = gguf_file({gguf_key("a", std::uint32_t{1})}, {six, four});
  CHECK_NOTHROW(opening_gguf(folder, good)());
  const auto lie = [&](std::size_t at, const std::string& bytes) {
    return opening_gguf(folder, std::string(good).replace(at, bytes.size(), bytes));
  };

  SECTION("what comes first") {
    check_refused(opening_gguf(folder, "GG"), {path, "the header takes 4 bytes at byte 0, and the file has 2 left"});
    check_refused(opening_gguf(folder, "ABCDEFGH"), {path, "does not begin with GGUF"});
    check_refused(opening_gguf(folder, ""), {path, "is empty"});
    check_refused(lie(4, bytes_of(std::uint32_t{1})), {path, "is version 1 of GGUF, and must be 2 or 3"});
    check_refused(lie(4, bytes_of(std::uint32_t{4})), {path, "is version 4"});
    check_refused(lie(4, bytes_of(std::uint32_t{0x03000000})), {path, "is big-endian GGUF"});
    check_refused(lie(8, bytes_of(~std::uint64_t{0})), {path, "tensor 2 of 18446744073709551615 takes"});
    check_refused(lie(16, bytes_of(~std::uint64_t{0})), {path, "of 18446744073709551615"});
  }
  SECTION("keys") {
    check_refused(lie(24, bytes_of(std::uint64_t{1} << 62)), {path, "key 0 of 1 takes 4611686018427387904 bytes"});
    check_refused(lie(24, bytes_of(std::uint64_t{0})), {path, "key 0 of 1 has an empty name"});
    check_refused(lie(33, bytes_of(std::uint32_t{13})), {path, "a is of type 13, and GGUF has types 0 to 12"});
    const auto with = [&](const std::string& key) { return opening_gguf(folder, gguf_file({key}, {})); };
    const std::string list = gguf_string("k") + bytes_of(std::uint32_t{9});
    check_refused(with(list + bytes_of(std::uint32_t{9}) + bytes_of(std::uint64_t{1})), {path, "k is a list of lists"});
    check_refused(with(list + bytes_of(std::uint32_t{10}) + bytes_of(std::uint64_t{1} << 61)),
                  {path, "k has 2305843009213693952 values of at least 8 bytes"});
    check_refused(with(list + bytes_of(std::uint32_t{8}) + bytes_of(std::uint64_t{2}) + gguf_string("x") +
                       bytes_of(std::uint64_t{99}) + "y"),
                  {path, "k: string 1 takes 99 bytes"});
    check_refused(with(gguf_string("k") + bytes_of(std::uint32_t{7}) + '\2'),
                  {path, "k holds the byte 2 for true or false"});
    check_refused(opening_gguf(folder, gguf_file({gguf_key("k\n", true), gguf_key("k\n", true)}, {})),
                  {path, "has the key k\\x0a twice"});
  }
  SECTION("tensors") {
    const auto with = [&](const gguf_made& tensor, std::uint64_t offset = 0, std::size_t data = 64) {
      std::string bytes = "GGUF" + bytes_of(std::uint32_t{3}) + bytes_of(std::uint64_t{1}) +
                          bytes_of(std::uint64_t{0}) + gguf_entry(tensor, offset);
      gguf_pad(bytes, 32);
      return opening_gguf(folder, bytes + std::string(data, '\0'));
    };
    CHECK_NOTHROW(with({"t", {4, 4}, 0, ""})());
    check_refused(with({"t", {4, 4}, 0, ""}, 0, 63),
                  {path, "t of shape (4, 4) and type F32 takes 64 bytes from byte 0", "63 bytes"});
    check_refused(with({"t", {4, 4}, 0, ""}, 32), {path, "t of shape", "from byte 32"});
    check_refused(with({"t", {4}, 0, ""}, 4), {path, "t begins at byte 4", "a multiple of 32"});
    check_refused(with({"t", {4}, 0, ""}, ~std::uint64_t{31}),
                  {path, "t of shape (4)", "from byte 18446744073709551584"});
    check_refused(with({"t", {1ull << 62, 4}, 0, ""}), {path, "t of shape"});
    check_refused(with({"t", {1ull << 32, 1ull << 32}, 24, ""}), {path, "too many bytes"});
    check_refused(with({"t", {1ull << 63}, 0, ""}), {path, "t has an extent of 9223372036854775808"});
    check_refused(with({"t", {1, 1, 1, 1, 1}, 0, ""}), {path, "t has 5 extents"});
    check_refused(with({"t", {16}, 2, ""}), {path, "t has rows of 16 elements, and Q4_0 needs a multiple of 32"});
    check_refused(with({"t", {32}, 12, ""}), {path, "t has rows of 32 elements, and Q4_K needs a multiple of 256"});
    check_refused(with({"t", {32}, 31, ""}), {path, "t is of ggml's type 31, Q4_0_4_4, which ggml has removed"});
    check_refused(with({"t", {32}, 77, ""}), {path, "t is of ggml's type 77, which is not known"});
    check_refused(opening_gguf(folder, gguf_file({}, {six, six})), {path, "has the tensor blk.0.w twice"});
    std::string overlapping = good;
    const std::size_t offset_of_v = overlapping.find("\x01\0\0\0\0\0\0\0v", 0, 9) + 9 + 4 + 8 + 4;
    overlapping.replace(offset_of_v, 8, bytes_of(std::uint64_t{0}));
    check_refused(opening_gguf(folder, overlapping), {path, "begins at byte 0 of the data, where", "has not ended"});
  }
  SECTION("cut off anywhere") {
    for (std::size_t length = 1; length < good.size(); ++length)
      check_refused(opening_gguf(folder, good.substr(0, length)), {path});
  }
}

TEST_CASE("gguf: types that are not widened may be there, and are refused by name when they are read", "[io]") {
  const scratch folder;
  const gguf file(folder.write("x.gguf", gguf_file({}, {{"t", {256}, 23, std::string(136, '\1')}, four})));
  const auto t = file.tensor("t");
  REQUIRE(t);
  CHECK(name_of(t->type) == "IQ4_XS");
  CHECK_FALSE(is_widened(t->type));
  std::vector<float> out(256);
  check_refused([&] { widen(*t, out); },
                {"the tensor is IQ4_XS, and must be one of F32, F16, BF16, F64, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, "
                 "Q5_K or Q6_K"});
  check_refused([&] { require_widened(t->type, file.path() + ": t"); }, {file.path() + ": t is IQ4_XS, and must be"});
}

TEST_CASE("gguf: vocabularies that llama.cpp wrote", "[io]") {
  const auto folder = real_data("gguf-vocab");
  if (!folder) return;
  struct vocabulary {
    std::string name, model;
    std::size_t tokens;
  };
  for (const auto& [name, model, tokens] :
       {vocabulary{"bert-bge", "bert", 30522}, vocabulary{"gpt-2", "gpt2", 50257},
        vocabulary{"llama-spm", "llama", 32000}, vocabulary{"qwen2", "gpt2", 151936},
        vocabulary{"starcoder", "gpt2", 49152}}) {
    INFO(name);
    const gguf file(*folder + "/ggml-vocab-" + name + ".gguf");
    CHECK(file.tensors().empty());
    CHECK(file.string("general.name") == name);
    CHECK(file.string("tokenizer.ggml.model") == model);
    CHECK(file.strings("tokenizer.ggml.tokens").size() == tokens);
    CHECK(file.integers("tokenizer.ggml.token_type").size() == tokens);
  }
}
