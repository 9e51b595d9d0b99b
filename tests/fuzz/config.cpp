// config.json, of every family.
#include <zoft/io/family/families.hpp>
#include <zoft/io/file/json.hpp>
#include <zoft/io/file/weights.hpp>

#include "entry.hpp"

ZOFT_FUZZ(config) {
  const zoft::nn::config c = zoft::io::read_model_config(zoft::io::parse_json(bytes, "config.json"), "config.json");
  fuzz::check(c.dim > 0 && c.heads > 0 && c.kv_heads > 0 && c.heads % c.kv_heads == 0, "heads do not divide");
  fuzz::check(c.pattern.empty() || c.pattern.size() == c.layers, "the pattern is not of all layers");
  if (c.layers > 8 || c.heads > 64) return;
  zoft::io::for_each_tensor(c, [](const std::string& name, const std::vector<std::size_t>& shape) {
    fuzz::check(!name.empty() && zoft::io::elements(shape) > 0, "a tensor without a name or elements");
  });
}
