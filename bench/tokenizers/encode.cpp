// Encodes files, for compare.py: the ids, the text that they decode to, and the time that encoding takes.
//
//     encode TOKENIZER FOLDER REPEATS SPECIAL FILE...
//
// Writes FOLDER/N.ids (int32) and FOLDER/N.text for the N-th file, and prints a line of the median of the seconds and
// the number of ids for each. With SPECIAL 0, nothing is put around a text, and special tokens in it are text.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>
#include <zoft/io/tokenizer.hpp>

namespace {

void write(const std::string& path, const char* data, std::size_t size) {
  std::ofstream file(path, std::ios::binary);
  file.write(data, static_cast<std::streamsize>(size));
  if (!file) throw std::runtime_error("cannot write " + path);
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void run(int count, char** arguments) {
  using clock = std::chrono::steady_clock;
  const auto seconds = [](clock::duration d) { return std::chrono::duration<double>(d).count(); };
  const std::string folder = arguments[2];
  const int repeats = std::max(1, std::atoi(arguments[3]));
  const bool special = arguments[4] != std::string("0");
  const auto start = clock::now();
  const auto tokens = zoft::io::load_tokenizer(arguments[1]);
  std::cout << "load " << seconds(clock::now() - start) << '\n';
  for (int i = 5; i < count; ++i) {
    const std::string text = read(arguments[i]);
    std::vector<double> times;
    std::vector<std::int32_t> ids;
    for (int k = 0; k < repeats; ++k) {
      const auto before = clock::now();
      ids = tokens.encode(text, {.special = special, .parse_special = special});
      times.push_back(seconds(clock::now() - before));
    }
    std::ranges::nth_element(times, times.begin() + repeats / 2);
    const auto before = clock::now();
    const std::string decoded = tokens.decode(ids);
    const double decoding = seconds(clock::now() - before);
    const std::string name = folder + "/" + std::to_string(i - 5);
    write(name + ".ids", reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(ids[0]));
    write(name + ".text", decoded.data(), decoded.size());
    std::cout << times[static_cast<std::size_t>(repeats / 2)] << ' ' << ids.size() << ' ' << decoding << '\n';
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 6) {
    std::cerr << "encode TOKENIZER FOLDER REPEATS SPECIAL FILE...\n";
    return 2;
  }
  try {
    run(count, arguments);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
