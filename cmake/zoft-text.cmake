# zoft::text: zoft::nn with PCRE2 and ICU, for <zoft/io/tokenizer.hpp>. Used by the project itself and by its installed
# package, after zoft-nn.cmake. Sets zoft_text_FOUND, and zoft_text_MISSING to what was not found.
#
# Neither library has a package file of its own in every system, so both are looked for where the compiler and the linker
# look. Set CMAKE_PREFIX_PATH for others.

set(zoft_text_MISSING "")
if(NOT TARGET zoft::nn)
  list(APPEND zoft_text_MISSING "zoft::nn was not found")
endif()

# zoft_text_need(target name header library version-header version-regex minimum): makes the target from a header and a
# library. The regular expression's groups are the parts of the version.
function(zoft_text_need target name header library version_header version_regex minimum)
  if(TARGET ${target})
    return()
  endif()
  find_path(zoft_${name}_INCLUDE_DIR ${header})
  find_library(zoft_${name}_LIBRARY ${library})
  mark_as_advanced(zoft_${name}_INCLUDE_DIR zoft_${name}_LIBRARY)
  if(NOT zoft_${name}_INCLUDE_DIR OR NOT zoft_${name}_LIBRARY)
    list(APPEND zoft_text_MISSING "${name} ${minimum} or later was not found")
  else()
    file(STRINGS "${zoft_${name}_INCLUDE_DIR}/${version_header}" lines REGEX "${version_regex}")
    string(REGEX REPLACE "[^0-9;]" "" version "${lines}")
    list(JOIN version "." version)
    if("${version}" VERSION_LESS "${minimum}")
      list(APPEND zoft_text_MISSING "${name} is ${version}, and must be ${minimum} or later")
    else()
      add_library(${target} INTERFACE IMPORTED GLOBAL)
      set_target_properties(${target} PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${zoft_${name}_INCLUDE_DIR}"
        INTERFACE_LINK_LIBRARIES "${zoft_${name}_LIBRARY}")
    endif()
  endif()
  set(zoft_text_MISSING "${zoft_text_MISSING}" PARENT_SCOPE)
endfunction()

zoft_text_need(zoft::pcre2 PCRE2 pcre2.h pcre2-8
  pcre2.h "^#define PCRE2_(MAJOR|MINOR) +[0-9]+" 10.32)
zoft_text_need(zoft::icu ICU unicode/normalizer2.h icuuc
  unicode/uvernum.h "^#define U_ICU_VERSION_MAJOR_NUM [0-9]+" 67)

if(zoft_text_MISSING STREQUAL "")
  set(zoft_text_FOUND TRUE)
  if(NOT TARGET zoft::text)
    add_library(zoft::text INTERFACE IMPORTED GLOBAL)
    target_link_libraries(zoft::text INTERFACE zoft::nn zoft::pcre2 zoft::icu)
  endif()
else()
  set(zoft_text_FOUND FALSE)
  list(JOIN zoft_text_MISSING "; " zoft_text_MISSING)
endif()
