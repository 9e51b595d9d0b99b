# zoft_add_portable_executable(NAME SOURCES file... [LIBRARIES target...] [SETS set...]): one program that holds its code
# several times, compiled for several instruction sets, and chooses among them when it starts. Used by the project itself
# and by its installed package. docs/portable.md says how it works. For x86-64, ELF, GNU binutils, GCC and Clang.

set(zoft_portable_dir ${CMAKE_CURRENT_LIST_DIR}/portable)

# The sets, the best first, with their flags. Each has zoft's kernels of that name; x86_64 runs on every x86-64 processor.
set(zoft_portable_sets amx avx512_bf16 avx512 avx2 x86_64)
set(zoft_portable_flags_x86_64 -march=x86-64)
set(zoft_portable_flags_avx2 -march=x86-64-v3)
set(zoft_portable_flags_avx512 -march=x86-64-v4)
set(zoft_portable_flags_avx512_bf16 -march=x86-64-v4 -mavx512bf16 -mavx512vbmi)
set(zoft_portable_flags_amx ${zoft_portable_flags_avx512_bf16} -mamx-tile -mamx-bf16)

function(zoft_add_portable_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 given "" "" "SOURCES;LIBRARIES;SETS")
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" OR NOT CMAKE_OBJCOPY OR WIN32 OR APPLE)
    message(FATAL_ERROR "${name}: a program for several instruction sets needs x86-64, ELF and objcopy")
  endif()
  if(NOT given_SETS)
    set(given_SETS ${zoft_portable_sets})
  endif()
  foreach(set IN LISTS given_SETS)
    if(NOT set IN_LIST zoft_portable_sets)
      message(FATAL_ERROR "${name}: ${set} is no instruction set; there are: ${zoft_portable_sets}")
    endif()
  endforeach()

  set(rows "")
  set(objects "")
  foreach(set IN LISTS zoft_portable_sets)
    if(NOT set IN_LIST given_SETS)
      continue()
    endif()
    set(part ${name}_for_${set})
    add_library(${part} OBJECT ${given_SOURCES} ${zoft_portable_dir}/needs.cpp)
    # The program's start looks at the processor for all of them.
    target_compile_definitions(${part} PRIVATE ZOFT_NO_START_CHECK)
    # A unique symbol would be one for all sets.
    target_compile_options(${part} PRIVATE ${zoft_portable_flags_${set}} $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)
    target_link_libraries(${part} PRIVATE zoft::zoft ${given_LIBRARIES})
    set_target_properties(${part} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${part}.o)
    add_custom_command(OUTPUT ${object}
      COMMAND sh ${zoft_portable_dir}/seal.sh ${set} ${object} ${CMAKE_OBJCOPY} ${CMAKE_CXX_COMPILER} $<TARGET_OBJECTS:${part}>
      DEPENDS ${part} $<TARGET_OBJECTS:${part}> ${zoft_portable_dir}/seal.sh
      COMMAND_EXPAND_LISTS VERBATIM)
    list(APPEND objects ${object})
    string(APPEND rows " X(${set})")
  endforeach()
  set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)

  configure_file(${zoft_portable_dir}/choose.cpp.in ${name}_choose.cpp @ONLY)
  add_executable(${name} ${CMAKE_CURRENT_BINARY_DIR}/${name}_choose.cpp ${objects})
  target_compile_options(${name} PRIVATE -march=x86-64)
  target_link_libraries(${name} PRIVATE zoft::zoft ${given_LIBRARIES})
endfunction()
