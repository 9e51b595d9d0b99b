/// What zoft::mpi::ranks needs of MPI: a communicator of its own, and two ways to exchange.
#pragma once

// Old headers of MPI also declare C++ functions, which are not used here.
#ifndef OMPI_SKIP_MPICXX
#define OMPI_SKIP_MPICXX
#endif
#ifndef MPICH_SKIP_MPICXX
#define MPICH_SKIP_MPICXX
#endif
#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "../core/config.hpp"

namespace zoft::inline ZOFT_ISA::mpi {

/// A copy of the user's communicator, so that its messages never meet the user's. Errors of MPI throw
/// std::runtime_error.
class communicator {
 public:
  explicit communicator(MPI_Comm of) {
    int begun = 0;
    MPI_Initialized(&begun);
    require(begun != 0, "mpi: MPI_Init must be called before ranks are made");
    check(MPI_Comm_dup(of, &comm_), "MPI_Comm_dup");
    check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
  }
  communicator(const communicator&) = delete;
  communicator& operator=(const communicator&) = delete;
  ~communicator() {
    int ended = 0;
    MPI_Finalized(&ended);
    if (ended == 0) MPI_Comm_free(&comm_);
  }

  std::size_t rank() const { return static_cast<std::size_t>(rank_); }
  std::size_t size() const { return static_cast<std::size_t>(size_); }

  /// mine of each rank, in the order of the ranks; rank r has counts[r] of them.
  std::vector<double> gather(std::span<const double> mine, std::span<const std::size_t> counts) const {
    std::vector<int> sizes, begins;
    std::size_t all = 0;
    for (const std::size_t n : counts) {
      begins.push_back(count(all));
      sizes.push_back(count(n));
      all += n;
    }
    std::vector<double> result(static_cast<std::size_t>(count(all)));
    check(MPI_Allgatherv(mine.data(), count(mine.size()), MPI_DOUBLE, result.data(), sizes.data(), begins.data(),
                         MPI_DOUBLE, comm_),
          "MPI_Allgatherv");
    return result;
  }

  /// mine of each rank, as many of each.
  std::vector<std::uint64_t> gather(std::span<const std::uint64_t> mine) const {
    std::vector<std::uint64_t> result(mine.size() * size());
    check(MPI_Allgather(mine.data(), count(mine.size()), MPI_UINT64_T, result.data(), count(mine.size()), MPI_UINT64_T,
                        comm_),
          "MPI_Allgather");
    return result;
  }

  /// The text of rank `from`, which all ranks know the size of.
  void broadcast(std::string& text, std::size_t from) const {
    check(MPI_Bcast(text.data(), count(text.size()), MPI_CHAR, static_cast<int>(from), comm_), "MPI_Bcast");
  }

 private:
  static int count(std::size_t n) {
    require(n <= static_cast<std::size_t>(std::numeric_limits<int>::max()),
            "mpi: " + text(n) + " numbers are more than MPI exchanges in one call");
    return static_cast<int>(n);
  }
  static void check(int code, const char* call) {
    if (code == MPI_SUCCESS) return;
    char said[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    MPI_Error_string(code, said, &length);
    ZOFT_THROW(std::runtime_error(std::string("zoft: mpi: ") + call + " failed: " + said));
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

}  // namespace zoft::inline ZOFT_ISA::mpi
