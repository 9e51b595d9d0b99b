#include "text.hpp"

#include <cstdio>
#include <stdexcept>

namespace finetune {

void refuse(const std::string& what) { throw std::invalid_argument(what); }

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
