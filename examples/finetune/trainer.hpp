/// A method and an adapter, put together: what takes a batch and makes the model better at it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>
#include <zoft/core/report.hpp>
#include <zoft/journal.hpp>
#include <zoft/nn/model/batch.hpp>
#include <zoft/nn/transformer.hpp>

#include "options.hpp"

namespace finetune {

class trainer {
 public:
  virtual ~trainer() = default;

  virtual zoft::step_report step(const zoft::nn::batch& batch) = 0;

  /// Makes the steps of the journal again, or begins it; batch_of(step) is asked where directions are made of batches.
  using batches = std::function<zoft::nn::batch(std::uint32_t step)>;
  virtual void resume(zoft::journal& log, const batches& batch_of) = 0;

  /// Whether the run is worth snapshots: they are small, or spare forwards.
  virtual bool has_snapshots() const = 0;
  virtual std::uint32_t steps() const = 0;   ///< made so far, those of the journal included
  virtual std::size_t forwards() const = 0;  ///< of a step

  /// Keeps what is trained as it stands, in place of what was kept before; false where that would take as much memory
  /// as the model. From take_kept on, current and save are of what was kept.
  virtual bool keep() = 0;
  virtual void take_kept() = 0;

  /// What is to be added to the model, as it stands; the model itself where that is what is trained.
  virtual zoft::adapter_stack current() = 0;

  virtual std::size_t parameters() const = 0;
  virtual std::string description() const = 0;

  /// The files that save writes, by name, and writing them into the folder: each whole or not at all. None where no
  /// format is known for what is trained.
  virtual std::vector<std::string> files() const = 0;
  virtual void save(const std::string& folder) const = 0;
};

/// The model must outlive the trainer. With --adapter full it is changed. `start` is what lora and lora_fa begin with.
std::unique_ptr<trainer> make_trainer(const options& o, zoft::nn::transformer& model,
                                      const std::vector<zoft::low_rank_values>& start);

std::vector<std::string> method_names();
std::string method_help();  ///< a line each
std::vector<std::string> adapter_names();
std::string adapter_help();  ///< a line each

}  // namespace finetune
