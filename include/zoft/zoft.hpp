/// Everything that needs no dependency.
#pragma once

#include "adapter/full.hpp"
#include "adapter/lora.hpp"
#include "adapter/lora_fa.hpp"
#include "concepts.hpp"
#include "engine.hpp"
#include "estimator/one_sided.hpp"
#include "estimator/two_point.hpp"
#include "mezo.hpp"
#include "minimize.hpp"
#include "optimizer/momentum.hpp"
#include "optimizer/sgd.hpp"
#include "prge.hpp"
#include "sampler/gaussian.hpp"
#include "sampler/rademacher.hpp"
#include "schedule/cosine.hpp"
#include "schedule/linear.hpp"
