#include "text.hpp"

#include <cstdio>
#include <stdexcept>

namespace finetune {

void refuse(const std::string& what) {
  // An argument may hold what moves a terminal's cursor, or be as long as a file.
  constexpr std::size_t most = 1500;
  constexpr char digits[] = "0123456789abcdef";
  std::string line;
  for (const char c : what) {
    if (line.size() >= most) {
      line += "...";
      break;
    }
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f)
      line += c;
    else
      line += {'\\', 'x', digits[byte >> 4], digits[byte & 15u]};
  }
  throw std::invalid_argument(line);
}

std::string grouped(std::uint64_t number) {
  std::string result = std::to_string(number);
  for (std::size_t at = result.size(); at > 3; at -= 3) result.insert(at - 3, 1, ',');
  return result;
}

std::string fixed(double value, int digits) {
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  return buffer;
}

}  // namespace finetune
