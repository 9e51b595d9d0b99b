#include "memory.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace finetune {

std::size_t peak_bytes() {
  std::ifstream status("/proc/self/status");  // VmHWM:     1234 kB
  for (std::string word; status >> word;)
    if (std::size_t kilobytes = 0; word == "VmHWM:" && status >> kilobytes) return kilobytes * 1024;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  constexpr std::size_t unit = 1;
#else
  constexpr std::size_t unit = 1024;
#endif
  return static_cast<std::size_t>(std::max(usage.ru_maxrss, 0L)) * unit;
}

bool begin_peak() {
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5" << std::flush;  // proc(5): resets the peak resident set size
  return clear.good();
}

}  // namespace finetune
