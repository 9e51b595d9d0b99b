# Configures all parts of zoft where FindMPI looks and finds nothing: none of the programs that include mpi.h may be left.
# CMake's FindMPI makes the target MPI::MPI_CXX even then.
file(REMOVE_RECURSE ${BINARY})
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BINARY} -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${COMPILER}
    -DZOFT_TESTS=ON -DZOFT_UNIT_TESTS=OFF -DZOFT_EXAMPLES=ON -DZOFT_BENCH=${BENCH}
    -DMPI_CXX_COMPILER=false -DMPI_CXX_SKIP_MPICXX=ON -DMPI_CXX_HEADER_DIR=
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT status EQUAL 0 OR NOT output MATCHES "SKIPPED: <zoft/mpi.hpp>")
  message(FATAL_ERROR "cmake ended with ${status}, and should have said that it leaves <zoft/mpi.hpp> out:\n${output}")
endif()
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BINARY} --target help
  RESULT_VARIABLE status OUTPUT_VARIABLE targets)
if(NOT status EQUAL 0 OR NOT targets MATCHES "finetune")
  message(FATAL_ERROR "the targets could not be listed:\n${targets}")
endif()
string(REGEX MATCHALL "[\n ](ranks|bench_ranks_sleeping|zoft_mpi_[a-z]+)[:\n]" left "\n${targets}\n")
if(left)
  message(FATAL_ERROR "there is no MPI, and these would be built: ${left}")
endif()
