/// Every method of the program.
#pragma once

#include <tuple>
#include <zoft/estimator/one_sided.hpp>
#include <zoft/estimator/per_example.hpp>
#include <zoft/estimator/standardised.hpp>
#include <zoft/method/observed.hpp>
#include <zoft/method/per_example_lozo.hpp>
#include <zoft/method/zo_act.hpp>
#include <zoft/mezo.hpp>
#include <zoft/optimizer/adam.hpp>
#include <zoft/optimizer/momentum.hpp>
#include <zoft/prge.hpp>
#include <zoft/sampler/low_rank_gaussian.hpp>
#include <zoft/sampler/rademacher.hpp>

#include "options.hpp"
#include "table.hpp"

namespace finetune {

inline zoft::prge_options prge_of(const options& o, zoft::parallel loops) {
  return {.queries = o.queries,
          .epsilon = o.epsilon,
          .learning_rate = o.learning_rate,
          .decay = o.decay,
          .schedule = schedule_of(o),
          .loops = loops,
          .seed = o.seed};
}
inline zoft::two_point two_point_of(const options& o) { return {.epsilon = o.epsilon, .queries = o.queries}; }
inline zoft::one_sided one_sided_of(const options& o) { return {.epsilon = o.epsilon, .queries = o.queries}; }
inline zoft::sgd sgd_of(const options& o) {
  return {.learning_rate = o.learning_rate, .decay = o.decay, .schedule = schedule_of(o)};
}
/// On both example tasks β₁ = 0.8 came lower than 0.9 in the same forwards.
inline zoft::adam adam_of(const options& o) {
  return {.learning_rate = o.learning_rate, .beta1 = 0.8, .decay = o.decay, .schedule = schedule_of(o)};
}
inline zoft::momentum momentum_of(const options& o) {
  return {.learning_rate = o.learning_rate, .decay = o.decay, .schedule = schedule_of(o)};
}

/// A new one is one more line. (options, adapter) -> engine
inline const std::tuple methods{
    choice{"prge", "all 2 q candidates of a step in one stacked forward",
           [](const auto& o, auto a) { return zoft::prge(prge_of(o, zoft::parallel::outer_and_inner), a); }},
    choice{"prge-outer", "the same in two forwards of q candidates",
           [](const auto& o, auto a) { return zoft::prge(prge_of(o, zoft::parallel::outer), a); }},
    choice{"mezo", "the same, one candidate at a time: least memory",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::gaussian{}, two_point_of(o),    a,
                                 sgd_of(o),        zoft::seed{o.seed}, zoft::per_call{1}};
           }},
    choice{"one-sided", "forward differences, q + 1 candidates",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::gaussian{}, one_sided_of(o), a, sgd_of(o), zoft::seed{o.seed}};
           }},
    choice{"rademacher", "as prge, along random signs",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::rademacher{}, two_point_of(o), a, sgd_of(o), zoft::seed{o.seed}};
           }},
    choice{"momentum", "as prge, with a heavy ball of 0.9",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::gaussian{}, two_point_of(o), a, momentum_of(o), zoft::seed{o.seed}};
           }},
    choice{"adam", "as prge, with Adam",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::gaussian{}, two_point_of(o), a, adam_of(o), zoft::seed{o.seed}};
           }},
    choice{"per-example", "q directions of its own for each sequence, in q + 1 forwards; with Adam",
           [](const auto& o, auto a) {
             const zoft::per_example<zoft::one_sided> of_each{.each = one_sided_of(o), .examples = o.batch};
             return zoft::engine{zoft::gaussian{}, of_each, a, adam_of(o), zoft::seed{o.seed}};
           }},
    choice{"per-example-lozo", "the same along directions of rank 16, relative to their slopes' spread; without Adam",
           [](const auto& o, auto a) {
             return zoft::per_example_lozo({.examples = o.batch,
                                            .queries = o.queries,
                                            .epsilon = o.epsilon,
                                            .learning_rate = o.learning_rate,
                                            .decay = o.decay,
                                            .schedule = schedule_of(o),
                                            .seed = o.seed},
                                           a);
           }},
    choice{"observed",
           "directions made from what a forward shows; with lora_fa and full; rates are relative to outputs",
           [](const auto& o, auto a) {
             return zoft::observed({.examples = o.batch,
                                    .queries = o.queries,
                                    .rank = o.rows,
                                    .epsilon = o.epsilon,
                                    .learning_rate = o.learning_rate,
                                    .decay = o.decay,
                                    .schedule = schedule_of(o),
                                    .seed = o.seed},
                                   a);
           }},
    choice{"zo-act", "one-sided, with Adam, on an A of rank 1 that is calibrated: ZO-Act; with lora_fa",
           [](const auto& o, auto a) {
             return zoft::zo_act({.queries = o.queries,
                                  .epsilon = o.epsilon,
                                  .learning_rate = o.learning_rate,
                                  .decay = o.decay,
                                  .schedule = schedule_of(o),
                                  .seed = o.seed},
                                 a);
           }},
    choice{"lozo", "as prge, along directions of rank 2, from bases that 50 steps share",
           [](const auto& o, auto a) {
             return zoft::engine{zoft::low_rank_gaussian{.rank = 2, .interval = 50}, two_point_of(o), a, sgd_of(o),
                                 zoft::seed{o.seed}};
           }},
    choice{"fzoo", "one-sided, along random signs, relative to the spread of the losses",
           [](const auto& o, auto a) {
             const zoft::standardised relative{.epsilon = o.epsilon, .queries = o.queries};
             return zoft::engine{zoft::rademacher{}, relative, a, sgd_of(o), zoft::seed{o.seed}};
           }},
};

}  // namespace finetune
