# zoft::nn: zoft::zoft with Eigen's thread pool, xsimd and nlohmann-json, for <zoft/nn/...>, <zoft/io/...> and
# <zoft/eigen.hpp>. Used by the project itself and by its installed package. Sets zoft_nn_FOUND, and zoft_nn_MISSING to
# what was not found.

set(zoft_nn_MISSING "")

# zoft_nn_need(package target minimum [header defines...]): finds a package's target. If there is no package, makes the
# target from the headers alone, and reads their version from the first file of `defines` that has one. Cross-compiling
# needs this: Debian's xsimd, although header-only, keeps its package in the host's folder of libraries.
#
# A target that is found here is visible to whoever added this directory. A target that already exists is left alone.
macro(zoft_nn_need package target minimum)
  if(NOT TARGET ${target})
    find_package(${package} QUIET)
    if(NOT TARGET ${target} AND ${ARGC} GREATER 3)
      zoft_nn_find_headers(${package} ${target} ${ARGN})
    endif()
    if(NOT TARGET ${target})
      list(APPEND zoft_nn_MISSING "${package} ${minimum} or later was not found")
    else()
      if("${${package}_VERSION}" VERSION_LESS "${minimum}")
        list(APPEND zoft_nn_MISSING "${package} is ${${package}_VERSION}, and must be ${minimum} or later")
      endif()
      set_target_properties(${target} PROPERTIES IMPORTED_GLOBAL TRUE)
    endif()
  endif()
endmacro()

function(zoft_nn_find_headers package target header)
  # Looks only where the compiler looks by itself, and where the user says (CMAKE_PREFIX_PATH, ${package}_ROOT). CMake's
  # own places include /usr/include even for a compiler that must not see it, because the host's C library is there. If
  # a compiler looks there after its own C library, CMake omits the flag for that folder: it would reverse the order.
  find_path(${package}_INCLUDE_DIR ${header}
    PATHS ${CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES} PATH_SUFFIXES eigen3 NO_CMAKE_SYSTEM_PATH)
  mark_as_advanced(${package}_INCLUDE_DIR)
  set(version "")
  if(${package}_INCLUDE_DIR)
    add_library(${target} INTERFACE IMPORTED)
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${${package}_INCLUDE_DIR}")
    foreach(file IN LISTS ARGN)
      if(NOT version AND EXISTS "${${package}_INCLUDE_DIR}/${file}")
        file(STRINGS "${${package}_INCLUDE_DIR}/${file}" version LIMIT_COUNT 3
          REGEX "^#define [A-Z_]*(WORLD|MAJOR|MINOR|PATCH)(_VERSION)? +[0-9]+")
      endif()
    endforeach()
    string(REGEX REPLACE "#define [A-Z_]+ +([0-9]+)[^;]*" "\\1" version "${version}")
    list(JOIN version "." version)
    set(${package}_VERSION "${version}" PARENT_SCOPE)
  endif()
endfunction()

zoft_nn_need(Eigen3 Eigen3::Eigen 3.4 unsupported/Eigen/CXX11/ThreadPool Eigen/Version Eigen/src/Core/util/Macros.h)
zoft_nn_need(xsimd xsimd 8.1 xsimd/xsimd.hpp xsimd/config/xsimd_config.hpp)
zoft_nn_need(nlohmann_json nlohmann_json::nlohmann_json 3.10
  nlohmann/json.hpp nlohmann/detail/abi_macros.hpp nlohmann/json.hpp)
zoft_nn_need(Threads Threads::Threads "")

if(zoft_nn_MISSING STREQUAL "")
  set(zoft_nn_FOUND TRUE)
  if(NOT TARGET zoft::nn)
    add_library(zoft::nn INTERFACE IMPORTED GLOBAL)
    target_link_libraries(zoft::nn INTERFACE
      zoft::zoft Eigen3::Eigen nlohmann_json::nlohmann_json Threads::Threads)
    # xsimd is not linked, because Debian's xsimd 8.1 asks for a library xtl, which does not exist.
    target_include_directories(zoft::nn SYSTEM INTERFACE $<TARGET_PROPERTY:xsimd,INTERFACE_INCLUDE_DIRECTORIES>)
  endif()
else()
  set(zoft_nn_FOUND FALSE)
  list(JOIN zoft_nn_MISSING "; " zoft_nn_MISSING)
endif()
