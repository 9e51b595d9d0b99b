# Configures and builds zoft as a newcomer does who has a compiler and nothing else: cmake -B build. It must work, and say
# in a line each what it leaves out.
file(REMOVE_RECURSE ${BINARY})
foreach(package IN ITEMS Catch2 CLI11 Eigen3 xsimd nlohmann_json MPI)
  list(APPEND without -DCMAKE_DISABLE_FIND_PACKAGE_${package}=ON)
endforeach()
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BINARY} -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${COMPILER} ${without}
  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "cmake ended with ${status}:\n${output}")
endif()
foreach(part IN ITEMS tests examples)
  string(REGEX MATCHALL "SKIPPED: the ${part}, as [^\n]*" lines "${output}")
  list(LENGTH lines count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "it should have said in one line that it leaves the ${part} out:\n${output}")
  endif()
endforeach()
execute_process(COMMAND ${CMAKE_COMMAND} --build ${BINARY} RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "cmake --build ended with ${status}")
endif()
