#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <zoft/io/file/gguf.hpp>
#include <zoft/io/file/json.hpp>
#include <zoft/io/file/safetensors.hpp>
#include <zoft/io/llama2c.hpp>

#include "io_gguf_support.hpp"

using namespace io_test;
using namespace zoft::io;
using namespace std::string_literals;

namespace {

std::string_view kind_of(const std::string& bytes) { return file_kind(std::as_bytes(std::span(bytes))); }

/// The first 48 bytes of a zip whose first file has that name.
std::string zip_of(const std::string& name) {
  return "PK\3\4\x14\0\0\0\0\0"s + std::string(16, '\0') + bytes_of(static_cast<std::uint16_t>(name.size())) +
         std::string(2, '\0') + name + std::string(40, '\0');
}

const std::string pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 98362432\n";

/// What people give by mistake, and the words that must be said about it.
const std::pair<std::string, std::string> mistakes[] = {
    {pointer, "is a git-LFS pointer"},
    {"<!DOCTYPE html>\n<html lang=\"en\">", "is an HTML page"},
    {"\n  <HTML><head>", "is an HTML page"},
    {"\xef\xbb\xbf<!doctype HTML>", "is an HTML page"},
    {"<?xml version=\"1.0\"?><Error><Code>AccessDenied", "is an XML document"},
    {zip_of("archive/data.pkl"), "is a pickle of PyTorch's"},
    {zip_of("pytorch_model/.data/serialization_id"), "is a pickle of PyTorch's"},
    {zip_of("readme.txt"), "is a zip archive"},
    {"\x80\x02\x8a\x0al\xfc\x9c"s + std::string(40, '\1'), "is a Python pickle"},
    {"\x80\x04\x95\x10"s + std::string(40, '\1'), "is a Python pickle"},
    {"\x1f\x8b\x08\x00"s + std::string(40, '\1'), "is a gzip archive"},
    {"\xfd\x37zXZ\0\0\4"s + std::string(40, '\1'), "is an xz archive"},
    {"\x28\xb5\x2f\xfd"s + std::string(40, '\1'), "is a zstd archive"},
    {"\xff\xfe{\0\"\0a\0\"\0:\0001\0}\0"s + std::string(40, '\0'), "is UTF-16 text"},
    {"\xfe\xff\0{\0\"\0a\0\"\0:\0001\0}"s + std::string(40, '\0'), "is UTF-16 text"},
    {"tjgg\3\0\0\0"s + std::string(40, '\1'), "is a file of ggml's format before GGUF (ggjt)"},
    {"lmgg"s + std::string(40, '\1'), "is a file of ggml's format before GGUF (ggml)"},
    {"\x93NUMPY\1\0"s + std::string(40, '\1'), "is an array of NumPy's"},
    {"\x89HDF\r\n\x1a\n"s + std::string(40, '\1'), "is an HDF5 file"},
};

}  // namespace

TEST_CASE("file_kind: every reader names what the file really is", "[io]") {
  const scratch folder;
  for (const auto& mistake : mistakes) {
    const std::string &bytes = mistake.first, &words = mistake.second;
    const std::string path = folder.write("x", bytes);
    check_refused([&] { gguf file(path); }, {path + ": " + words, ", and must be a GGUF file"});
    check_refused([&] { safetensors file(path); }, {path + ": " + words, ", and must be a safetensors file"});
    check_refused([&] { open_llama2c(path); }, {path + ": " + words, ", and must be a llama2.c checkpoint"});
    check_refused([&] { parse_json(bytes, "config.json"); }, {"config.json: " + words, ", and must be JSON"});
  }
}

TEST_CASE("file_kind: one format where another is wanted, empty files and folders", "[io]") {
  const scratch folder;
  const std::string of_gguf = gguf_file({}, {}), of_safetensors = safetensors_bytes("{}", ""),
                    of_json = "{\n  \"model_type\": \"llama\"}", of_llama2c = "24ka" + std::string(252, '\1');
  CHECK(kind_of(of_gguf) == file_kinds::gguf);
  CHECK(kind_of(of_safetensors) == file_kinds::safetensors);
  CHECK(kind_of(of_json) == file_kinds::json);
  CHECK(kind_of(of_llama2c) == file_kinds::llama2c);
  const auto path = [&](const std::string& bytes) { return folder.write("x", bytes); };
  check_refused([&] { safetensors file(path(of_gguf)); }, {"is a GGUF file, and must be a safetensors file"});
  check_refused([&] { gguf file(path(of_safetensors)); }, {"is a safetensors file, and must be a GGUF file"});
  check_refused([&] { gguf file(path(of_json)); }, {"is JSON, and must be a GGUF file"});
  check_refused([&] { gguf file(path(of_llama2c)); }, {"is a llama2.c checkpoint, and must be a GGUF file"});
  check_refused([&] { open_llama2c(path(of_gguf)); }, {"is a GGUF file, and must be a llama2.c checkpoint"});
  check_refused([&] { parse_json(of_safetensors, "c.json"); }, {"c.json: is a safetensors file, and must be JSON"});
  check_refused([&] { safetensors file(path("")); }, {"is empty"});
  check_refused([&] { gguf file(folder.path()); }, {"is a directory, and must be a file"});
  check_refused([&] { gguf file(folder.path("none")); }, {"cannot be opened", "No such file"});
}

TEST_CASE("file_kind: says nothing about what may be right", "[io]") {
  for (const std::string& bytes : {"x"s, "[1]"s, "{ not JSON"s, "plain text"s, "<s>"s, "\x80\x02\0\0"s, "PK"s, ""s})
    CHECK(kind_of(bytes).empty());
  // A legacy llama2.c file begins with its width: 640 begins like a pickle.
  CHECK(kind_of(bytes_of(std::int32_t{640}) + std::string(24, '\1')).empty());
  CHECK(kind_of(bytes_of(std::int32_t{288}) + bytes_of(std::int32_t{768}) + bytes_of(std::int32_t{6})).empty());
  CHECK(parse_json("\xef\xbb\xbf{\"a\":1}", "c.json")["a"] == 1);
}
