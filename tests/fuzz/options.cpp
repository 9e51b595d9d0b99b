// The options of the program finetune: an argument a line.
#include "finetune/options.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "entry.hpp"

#if defined(ZOFT_FUZZER)

// trainer.cpp has these, with all the methods that it names, and takes minutes to compile.
namespace finetune {

std::vector<std::string> method_names() { return {"prge", "mezo", "observed", "per-example", "per-example-lozo"}; }
std::string method_help() { return {}; }
std::vector<std::string> adapter_names() { return {"lora_fa", "lora", "full", "prefix", "bias_only", "norm_only"}; }
std::string adapter_help() { return {}; }

}  // namespace finetune

#endif

ZOFT_FUZZ(options) {
  std::vector<std::string> arguments{"finetune"};
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    arguments.emplace_back(rest.substr(0, end).substr(0, rest.find('\0')));
    // What it prints on request is no finding, and a run that is gone on with is another file.
    if (arguments.back().starts_with("-h") || arguments.back().starts_with("--he")) return;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  finetune::options o;
  finetune::parse(static_cast<int>(argv.size()), argv.data(), o);
}
