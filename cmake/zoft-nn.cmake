# zoft::nn: zoft::zoft with Eigen's thread pool, xsimd and nlohmann-json, for <zoft/nn/...>, <zoft/io/...> and
# <zoft/eigen.hpp>. Used by the project itself and by its installed package. Sets zoft_nn_FOUND, and zoft_nn_MISSING to
# what there is not.

set(zoft_nn_MISSING "")

# A target that is found here is made visible to whoever added this directory; one that is there already is left alone.
macro(zoft_nn_need package target minimum)
  if(NOT TARGET ${target})
    find_package(${package} QUIET)
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

zoft_nn_need(Eigen3 Eigen3::Eigen 3.4)
zoft_nn_need(xsimd xsimd 8.1)
zoft_nn_need(nlohmann_json nlohmann_json::nlohmann_json 3.10)
zoft_nn_need(Threads Threads::Threads "")

if(zoft_nn_MISSING STREQUAL "")
  set(zoft_nn_FOUND TRUE)
  if(NOT TARGET zoft::nn)
    add_library(zoft::nn INTERFACE IMPORTED GLOBAL)
    target_link_libraries(zoft::nn INTERFACE
      zoft::zoft Eigen3::Eigen nlohmann_json::nlohmann_json Threads::Threads)
    # Not linked, as Debian's xsimd 8.1 asks to be linked with a library xtl, which does not exist.
    target_include_directories(zoft::nn SYSTEM INTERFACE $<TARGET_PROPERTY:xsimd,INTERFACE_INCLUDE_DIRECTORIES>)
  endif()
else()
  set(zoft_nn_FOUND FALSE)
  list(JOIN zoft_nn_MISSING "; " zoft_nn_MISSING)
endif()
