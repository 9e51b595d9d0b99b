/// Words and numbers for those who run the program.
#pragma once

#include <cstdint>
#include <string>

namespace finetune {

/// Throws std::invalid_argument, with `what` as one line.
[[noreturn]] void refuse(const std::string& what);

/// 1234567 -> 1,234,567
std::string grouped(std::uint64_t number);

/// The value with so many digits behind the point.
std::string fixed(double value, int digits);

}  // namespace finetune
