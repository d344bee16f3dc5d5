# embed(MODULE FILE SYMBOL): puts FILE into the module as bytes: `const char SYMBOL[]` with a NUL
# after them, `const size_t SYMBOL_size` without it. Called as a script (-P), it writes the C file.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${EMBED_FILE} bytes HEX)
  string(REGEX REPLACE "(................................)" "\\1\n    " bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1', " bytes "${bytes}")
  file(SIZE ${EMBED_FILE} size)
  file(WRITE ${EMBED_OUT}
       "#include <stddef.h>\n\nextern const char ${EMBED_SYMBOL}[];\n"
       "extern const size_t ${EMBED_SYMBOL}_size;\n"
       "const char ${EMBED_SYMBOL}[] = {\n    ${bytes}'\\0'};\n"
       "const size_t ${EMBED_SYMBOL}_size = ${size};\n")
  return()
endif()

function(embed module file symbol)
  set(out ${CMAKE_BINARY_DIR}/embed/${symbol}.c)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DEMBED_FILE=${CMAKE_SOURCE_DIR}/${file} -DEMBED_OUT=${out}
            -DEMBED_SYMBOL=${symbol} -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${CMAKE_SOURCE_DIR}/${file} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake)
  target_sources(nines_${module} PRIVATE ${out})
endfunction()
