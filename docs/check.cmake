# Doxygen says nothing of a name that it did not understand. So some that must be there are looked for, in ${TAGS}.
file(READ ${TAGS} tags)
foreach(name IN ITEMS
  minimize mezo prge lozo observed autotune audit ask tell step replay attach append resume gaussian adam two_point lora)
  if(NOT tags MATCHES "<name>(zoft::)?${name}</name>")
    message(FATAL_ERROR "the reference does not have ${name}")
  endif()
endforeach()
