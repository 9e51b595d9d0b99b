/// What an adapter begins with, where it is not drawn.
#pragma once

#include <vector>
#include <zoft/core/low_rank.hpp>
#include <zoft/io/tokenizer.hpp>
#include <zoft/nn/transformer.hpp>

#include "options.hpp"
#include "task.hpp"

namespace finetune {

/// A and B of the linears that lora and lora_fa adapt: those of --adapter-from, or A from what linears are given, with
/// --calibrated and --spare. Nothing, if A is to be drawn.
std::vector<zoft::low_rank_values> beginning_of(const options& o, const zoft::nn::transformer& model,
                                                const zoft::io::tokenizer& tokens, const task& t);

}  // namespace finetune
