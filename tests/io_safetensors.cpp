#include <array>
#include <cmath>
#include <limits>
#include <vector>
#include <zoft/io/file/safetensors.hpp>

#include "io_support.hpp"

using namespace io_test;
using namespace zoft::io;

namespace {

const std::string two =
    R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F16","shape":[1,2],"data_offsets":[8,12]}})";

/// Opens a file of that header and 12 bytes of data.
auto opening_one(const scratch& folder, const std::string& header, std::size_t data = 12) {
  const std::string path = folder.write("x.safetensors", safetensors_bytes(header, std::string(data, '\0')));
  return [path] { safetensors file(path); };
}

}  // namespace

TEST_CASE("safetensors: reads what its own writer wrote", "[io]") {
  const scratch folder;
  const std::string path = folder.path("x.safetensors");
  const std::vector<float> a{1, -2, 3.5f, 1e-40f, std::numeric_limits<float>::infinity(), 0}, b{7};
  const std::vector<named_tensor> tensors{{"z", {2, 3}, a}, {"a.\xc3\xa9\"", {}, b}, {"none", {0, 4}, {}}};
  write_safetensors(path, tensors, {{"format", "pt"}, {"who", "zoft"}});
  CHECK(folder.files() == 1);

  const std::string bytes = read_file(path);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  CHECK(header % 8 == 0);
  CHECK(bytes.size() == 8 + header + 7 * 4);

  const safetensors file(path);
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}, {"who", "zoft"}});
  REQUIRE(file.tensors().size() == 3);
  const auto read = file.find("z");
  REQUIRE(read.has_value());
  CHECK(read->type == storage::f32);
  CHECK(read->shape == std::vector<std::size_t>{2, 3});
  std::vector<float> values(6);
  widen(*read, values);
  CHECK(values == a);
  CHECK(file.find("a.\xc3\xa9\"")->shape.empty());
  CHECK(file.find("none")->size() == 0);
  CHECK_FALSE(file.find("absent").has_value());
}

TEST_CASE("write_safetensors: refuses what would be no safetensors file, and leaves none", "[io]") {
  const scratch folder;
  const std::string path = folder.path("x.safetensors");
  const std::vector<float> a{1, 2};
  const auto writing = [&](std::vector<named_tensor> tensors, std::map<std::string, std::string> metadata = {}) {
    return [path, tensors, metadata] { write_safetensors(path, tensors, metadata); };
  };
  check_refused(writing({{"a", {3}, a}}), {path, "a has shape (3) and 2 values"});
  check_refused(writing({{"a", {1ull << 63, 4}, a}}), {path, "a has shape"});
  check_refused(writing({{"a", {2}, a}, {"a", {2}, a}}), {path, "a is the name of two tensors"});
  check_refused(writing({{"__metadata__", {2}, a}}), {path, "__metadata__"});
  check_refused(writing({{"a\xff", {2}, a}}), {path, "a\\xff", "UTF-8"});
  check_refused(writing({{"a", {2}, a}}, {{"k", "\xff"}}), {path, "\\xff", "UTF-8"});
  CHECK(folder.files() == 0);
}

TEST_CASE("widen: the plain types, wherever they lie", "[io]") {
  const std::vector<std::uint16_t> halves{0x3c00, 0xc100, 0x0001, 0x7bff, 0x7c00},
      brains{0x3f80, 0xc020, 0x0001, 0x7f7f, 0xff80};
  const std::vector<float> half_values{1, -2.5f, 0x1p-24f, 65504, std::numeric_limits<float>::infinity()},
      brain_values{1, -2.5f, 0x1p-133f, 0x1.fep127f, -std::numeric_limits<float>::infinity()};
  std::vector<std::byte> buffer(1 + 5 * 4);
  const auto check = [&](storage type, const void* source, const std::vector<float>& wanted) {
    const std::size_t size = 5 * facts_of(type).bytes;
    std::memcpy(buffer.data() + 1, source, size);  // odd: not aligned
    std::vector<float> out(5);
    widen({type, {5}, std::span<const std::byte>(buffer).subspan(1, size)}, out);
    CHECK(out == wanted);
  };
  check(storage::f16, halves.data(), half_values);
  check(storage::bf16, brains.data(), brain_values);
  check(storage::f32, half_values.data(), half_values);
  buffer.resize(1 + 5 * 8);
  const std::vector<double> doubles{1, 0.1, -1e300, 0x1p-149, 0x1.000001p0};
  check(storage::f64, doubles.data(), {1, 0.1f, -std::numeric_limits<float>::infinity(), 0x1p-149f, 1});

  std::vector<float> out(4);
  check_refused(
      [&] {
        widen({storage::f32, {5}, std::span<const std::byte>(buffer).subspan(1, 20)}, out);
      },
      {"widen", "4 floats", "5 elements"});
  CHECK(first_not_finite(half_values) == 4);
  CHECK_FALSE(first_not_finite(out).has_value());
  out[2] = std::nanf("");
  CHECK(first_not_finite(out) == 2);
}

TEST_CASE("safetensors: a header that lies", "[io]") {
  const scratch folder;
  const std::string path = folder.path("x.safetensors");
  CHECK_NOTHROW(opening_one(folder, two)());
  CHECK_NOTHROW(opening_one(folder, two + "   ")());
  CHECK_NOTHROW(opening_one(folder, "{}", 0)());
  const auto lie = [&](const std::string& from, const std::string& to) {
    return opening_one(folder, replaced(two, from, to));
  };

  SECTION("the size of the header") {
    const auto raw = [&](const std::string& bytes) {
      folder.write("x.safetensors", bytes);
      return [path] { safetensors file(path); };
    };
    check_refused(raw("1234567"), {path, "is 7 bytes"});
    check_refused(raw(bytes_of(std::uint64_t{0})), {path, "does not begin with '{'"});
    check_refused(raw(bytes_of(std::uint64_t{3}) + "{}"), {path, "header is 3 bytes", "2 follow"});
    check_refused(raw(bytes_of(~std::uint64_t{0}) + "{}"), {path, "18446744073709551615 bytes"});
    check_refused(raw(bytes_of(std::uint64_t{1} << 63) + "{}"), {path, "9223372036854775808 bytes"});
  }
  SECTION("no JSON, or another kind of it") {
    check_refused(opening_one(folder, "[]"), {path, "does not begin with '{'"});
    check_refused(opening_one(folder, "{\"a\":"), {path + ": header: is not JSON, or is cut off"});
    check_refused(opening_one(folder, two + "x"), {path + ": header: is not JSON"});
    check_refused(opening_one(folder, "{\"a\":3}"), {path, "a: is 3, and must be an object"});
    check_refused(opening_one(folder, "{\"__metadata__\":[]}"), {path, "__metadata__ is a list of 0"});
    check_refused(opening_one(folder, R"({"__metadata__":{"k\n":1}})"), {path, "k\\x0a is 1"});
    CHECK_NOTHROW(opening_one(folder, R"({"__metadata__":{"k\u0000":"v"}})", 0)());
    check_refused(opening_one(folder, "{\"__metadata__\":{\"k\":1}}"),
                  {path, "__metadata__: k is 1, and must be a string"});
  }
  SECTION("types") {
    check_refused(lie("F32", "F33"), {path, "a: dtype is \"F33\""});
    check_refused(lie("\"F32\"", "32"), {path, "a: dtype is 32"});
    check_refused(lie("\"dtype\":\"F32\",", ""), {path, "a: dtype is missing"});
    check_refused(lie("F32", "F64"), {path, "a: shape (2) of F64", "8 bytes"});
    check_refused(lie("\"F32\",\"shape\":[2]", "\"F6_E2M3\",\"shape\":[2]"), {path, "a: shape (2) of F6_E2M3"});
  }
  SECTION("types smaller than a byte") {
    const std::string small = R"({"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}})";
    CHECK_NOTHROW(opening_one(folder, small, 2)());
    check_refused(opening_one(folder, replaced(small, "[4]", "[5]"), 2), {path, "a: shape (5) of F4"});
  }
  SECTION("shapes") {
    check_refused(lie("[2]", "[3]"), {path, "a: shape (3) of F32 does not take the 8 bytes", "0 and 8"});
    check_refused(lie("[2]", "[-2]"), {path, "a: shape holds -2"});
    check_refused(lie("[2]", "[2.0]"), {path, "a: shape holds 2.0"});
    check_refused(lie("[2]", "\"2\""), {path, "a: shape is \"2\""});
    check_refused(lie("\"shape\":[2],", ""), {path, "a: shape is missing"});
    check_refused(lie("[2]", "[4294967296,4294967296,2]"), {path, "a: shape (4294967296, 4294967296, 2)"});
    check_refused(lie("[2]", "[4611686018427387906]"), {path, "a: shape (4611686018427387906)"});
    check_refused(lie("[2]", "[18446744073709551615]"), {path, "a: shape holds 18446744073709551615"});
    check_refused(lie("[2]", "[1e3]"), {path, "a: shape holds 1000.0"});
    check_refused(lie("[2]", "[2,0]"), {path, "a: shape (2, 0)"});
    check_refused(lie("[2]", "[1" + std::string(3000, ' ') + ",1,1,1,1,1,1,1,1,3]"),
                  {path, "a: shape (1, 1, 1, 1, 1, 1, 1, 1, ...)"});
  }
  SECTION("offsets") {
    check_refused(lie("[0,8]", "[8,0]"), {path, "a: data_offsets are 8 and 0"});
    check_refused(lie("[8,12]", "[12,16]"), {path, "b: data_offsets are 12 and 16", "12 bytes"});
    check_refused(lie("[8,12]", "[8]"), {path, "b: data_offsets is a list of 1"});
    check_refused(lie("[8,12]", "[8,12,16]"), {path, "b: data_offsets is a list of 3"});
    check_refused(lie("[8,12]", "[-4,0]"), {path, "b: data_offsets holds -4"});
    check_refused(lie(",\"data_offsets\":[0,8]", ""), {path, "a: data_offsets is missing"});
    check_refused(lie("[8,12]", "[4,8]"), {path, "b begins at byte 4 of the data, and must begin at 8"});
    check_refused(lie("[8,12]", "[0,4]"), {path, "a begins at byte 0 of the data, and must begin at 4"});
    check_refused(lie("[0,8]", "[4,12]"), {path, "a begins at byte 4 of the data, and must begin at 0"});
    check_refused(opening_one(folder, two, 16), {path, "16 bytes of data, and its tensors take 12"});
    check_refused(opening_one(folder, two, 11), {path, "b: data_offsets are 8 and 12", "11 bytes"});
    check_refused(opening_one(folder, "{}", 4), {path, "4 bytes of data, and its tensors take 0"});
    const std::string hole =
        R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})";
    check_refused(opening_one(folder, hole), {path, "b begins at byte 8 of the data, and must begin at 4"});
  }
  SECTION("names twice") {
    check_refused(lie("\"b\":", "\"a\":"), {path, "names 'a' twice"});
    check_refused(lie("\"shape\":[2]", "\"shape\":[2],\"shape\":[2]"), {path, "names 'shape' twice"});
  }
}

TEST_CASE("safetensors: what the format's own library takes", "[io]") {
  const scratch folder;
  const std::string path = folder.path("x.safetensors");
  const auto tensor = [](const std::string& name, const std::string& rest) {
    return "\"" + name + "\":{\"dtype\":\"F32\"," + rest + "}";
  };
  const std::string a = tensor("a", R"("shape":[1],"data_offsets":[0,4])"),
                    b = tensor("b", R"("shape":[1],"data_offsets":[4,8])"),
                    rest = tensor("c", R"("shape":[1],"data_offsets":[8,12])") + "}";
  const auto none = [&](const std::string& offsets) {
    return tensor("none", R"("shape":[0,3],"data_offsets":)" + offsets) + ",";
  };
  for (const std::string padding : {" ", "       ", "\n", "\t\r\n"}) {
    CHECK_NOTHROW(opening_one(folder, two + padding)());
    CHECK_NOTHROW(opening_one(folder, padding + two)());
  }
  check_refused(opening_one(folder, two + std::string(1, '\0')), {path + ": header: is not JSON: byte", "is NUL"});
  check_refused(opening_one(folder, two + "  " + std::string(6, '\0')), {path + ": header: is not JSON", "is NUL"});
  check_refused(opening_one(folder, two + "\f"), {path + ": header: is not JSON"});
  CHECK_NOTHROW(opening_one(folder, replaced(two, "{", R"({"__metadata__":null,)"))());
  CHECK_NOTHROW(opening_one(folder, replaced(two, "{", R"({"__metadata__":{},)"))());

  // Tensors in any order, and those without elements where another begins or the last ends.
  CHECK_NOTHROW(opening_one(folder, "{" + b + "," + a + "," + rest)());
  for (const std::string offsets : {"[0,0]", "[4,4]", "[8,8]", "[12,12]"})
    CHECK_NOTHROW(opening_one(folder, "{" + a + "," + none(offsets) + b + "," + rest)());
  check_refused(opening_one(folder, "{" + a + "," + none("[2,2]") + b + "," + rest), {path, "begins at byte"});
  check_refused(opening_one(folder, "{" + a + "," + none("[16,16]") + b + "," + rest), {path, "none: data_offsets"});
  CHECK_NOTHROW(opening_one(folder, R"({"z":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", 0)());
  CHECK_NOTHROW(opening_one(folder, R"({"z":{"dtype":"F32","shape":[0],"data_offsets":[0,0],"new":[1]}})", 0)());
}

TEST_CASE("safetensors: buffers of other types may be there, and are refused when they are widened", "[io]") {
  const scratch folder;
  const std::string header = replaced(two, "\"F32\",\"shape\":[2]", "\"I64\",\"shape\":[1]");
  opening_one(folder, header)();
  const safetensors file(folder.path("x.safetensors"));
  CHECK(file.find("b").has_value());
  const auto a = file.find("a");
  REQUIRE(a.has_value());
  CHECK((a->type == storage::i64 && a->size() == 1));
  std::vector<float> out(1);
  check_refused([&] { widen(*a, out); }, {"the tensor is I64, and must be one of F32, F16, BF16, F64"});
  check_refused([&] { require_widened(a->type, file.path() + ": a"); }, {file.path() + ": a is I64, and must be"});
}
