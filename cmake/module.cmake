# module(NAME [USES m...] [LIBS l...] [PURE])
#
# Builds lib<NAME>.a from src/NAME/*.c. The include root of a module is a folder in the build tree
# with a single link in it, NAME -> src/NAME: whoever uses the module can write "NAME/x.h", and
# nobody else can. USES is not transitive for includes, only for linking.
# PURE modules are listed for the purity test (tests/CMakeLists.txt).
set_property(GLOBAL PROPERTY NINES_PURE "")
set_property(GLOBAL PROPERTY NINES_MODULES "")

function(module_root name out)
  set(root ${CMAKE_BINARY_DIR}/include/${name})
  if(NOT EXISTS ${root}/${name})
    file(MAKE_DIRECTORY ${root})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/src/${name} ${root}/${name} SYMBOLIC)
  endif()
  set(${out} ${root} PARENT_SCOPE)
endfunction()

# uses(TARGET m...): lets TARGET include and link the modules named.
function(uses target)
  foreach(used ${ARGN})
    module_root(${used} root)
    target_include_directories(${target} PRIVATE ${root})
    target_link_libraries(${target} PRIVATE nines_${used})
  endforeach()
endfunction()

function(module name)
  cmake_parse_arguments(M "PURE" "" "USES;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.c)
  if(NOT sources) # A folder of headers alone.
    add_library(nines_${name} INTERFACE)
    set_property(GLOBAL APPEND PROPERTY NINES_MODULES ${name})
    module_root(${name} root)
    return()
  endif()
  add_library(nines_${name} STATIC ${sources})
  set_target_properties(nines_${name} PROPERTIES LINKER_LANGUAGE C)
  module_root(${name} root)
  target_include_directories(nines_${name} PRIVATE ${root})
  uses(nines_${name} ${M_USES})
  target_link_libraries(nines_${name} PRIVATE ${M_LIBS})
  set_property(GLOBAL APPEND PROPERTY NINES_MODULES ${name})
  if(M_PURE)
    set_property(GLOBAL APPEND PROPERTY NINES_PURE ${name})
  endif()
endfunction()

# program(NAME FOLDER f USES m... LIBS l...): an executable from src/FOLDER/*.c, left at build/NAME.
function(program name)
  cmake_parse_arguments(P "" "FOLDER" "USES;LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${P_FOLDER}/*.c)
  add_executable(${name} ${sources})
  module_root(${P_FOLDER} root)
  target_include_directories(${name} PRIVATE ${root})
  uses(${name} ${P_USES})
  target_link_libraries(${name} PRIVATE ${P_LIBS})
  target_compile_definitions(${name} PRIVATE NINES_VERSION="${PROJECT_VERSION}")
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
endfunction()

# unit_test(FOLDER file.c USES m... LIBS l...): one `check` program, named by its path in tests/.
function(unit_test source)
  cmake_parse_arguments(T "" "" "USES;LIBS" ${ARGN})
  string(REGEX REPLACE "[/.]" "_" name ${source})
  string(REGEX REPLACE "_c$" "" name ${name})
  add_executable(test_${name} ${CMAKE_CURRENT_SOURCE_DIR}/${source})
  uses(test_${name} ${T_USES})
  target_include_directories(test_${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(test_${name} PRIVATE PkgConfig::CHECK ${T_LIBS})
  # check's own macros do not survive -Wconversion -Wformat=2 with a NULL message.
  target_compile_options(test_${name} PRIVATE -Wno-format-extra-args -Wno-format-zero-length)
  add_test(NAME ${name} COMMAND test_${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 120)
endfunction()

# fuzz_target(file.c USES m... LIBS l...): a libFuzzer program, left at fuzz/fuzz_<file>.
function(fuzz_target source)
  cmake_parse_arguments(F "" "" "USES;LIBS" ${ARGN})
  get_filename_component(name ${source} NAME_WE)
  add_executable(fuzz_${name} EXCLUDE_FROM_ALL ${source})
  uses(fuzz_${name} ${F_USES})
  target_link_libraries(fuzz_${name} PRIVATE ${F_LIBS})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(fuzz_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
  add_dependencies(fuzz fuzz_${name})
endfunction()
