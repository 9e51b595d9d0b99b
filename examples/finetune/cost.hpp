/// What a run will take, said before it begins.
#pragma once

#include <cstddef>
#include <string>
#include <zoft/nn/transformer.hpp>

#include "options.hpp"
#include "task.hpp"
#include "token_chooser.hpp"

namespace finetune {

/// Bytes of the weights of a model of that shape in memory.
std::size_t weight_bytes(const zoft::nn::config& shape, zoft::nn::dtype type);

/// About how many bytes a run takes beside the weights: what forwards work in, and the copies of what is trained.
std::size_t working_bytes(const options& o, const zoft::nn::config& shape, std::size_t threads);

/// The bytes of memory that are free, or 0 if the system does not say.
std::size_t free_bytes();

/// Throws if the model and the run do not fit into the free memory, and says what would. Reads config.json, or what
/// stands for it, alone.
void check_memory(const options& o);

/// About how many seconds a step takes: those of a step that is not kept, or, where a step changes the model, of as
/// many forwards.
double trial_seconds(const options& o, zoft::nn::transformer& model, const task& t, token_chooser& chooser,
                     const std::vector<zoft::low_rank_values>& start);

/// "0.42 s", "3.1 min", "2.0 h"
std::string duration(double seconds);

}  // namespace finetune
