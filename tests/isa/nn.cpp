#include <zoft/nn/transformer.hpp>

double loss(const char* path, const zoft::nn::batch& b) { return zoft::nn::load(path).loss(b); }
