# Language level, warnings and hardening, the same for every target.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

option(NINES_TESTS "Build the tests" ON)
option(NINES_FUZZ "Build the fuzz targets (clang only)" OFF)
set(NINES_SANITIZE "" CACHE STRING "Sanitizers: address,undefined or thread")

# ASSERT stays on in release: it is ours and does not look at NDEBUG.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g -DNDEBUG")
add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
                    -Wvla -Wformat=2 -Wundef -Wno-missing-field-initializers -Werror
                    -fno-common -fno-strict-aliasing)
if(CMAKE_C_COMPILER_ID STREQUAL Clang) # A loop may also end by _exit() or return.
  add_compile_options(-Wno-for-loop-analysis)
endif()

if(NINES_SANITIZE)
  add_compile_options(-fsanitize=${NINES_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${NINES_SANITIZE})
else()
  add_compile_options(-fstack-protector-strong -fstack-clash-protection)
  if(CMAKE_BUILD_TYPE MATCHES "Rel")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
  add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()

# Every module tells the fuzzer which of its branches an input reached.
if(NINES_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

include(CheckPIESupported)
check_pie_supported()
