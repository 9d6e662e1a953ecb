# Language level, warnings and instrumentation, the same for every target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

set(MARU_SANITIZE "" CACHE STRING "Sanitizers for -fsanitize=, comma-separated (address,undefined or thread)")
option(MARU_TESTS "Build the tests" ON)
option(MARU_FUZZ "Build the fuzz targets (needs clang)" OFF)
option(MARU_WEB "Build the web app into the server (script/web makes it; needs Node)" OFF)
option(MARU_COVERAGE "Instrument for gcov" OFF)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

# x86-64-v2 is the floor; faster code is chosen at run time (src/kernels). No fused multiply-add
# behind our back: results must not depend on what the compiler contracts.
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Warnings are errors with the compiler we ship with; clang serves fuzzing and clang-tidy.
  add_compile_options(-Werror -Wno-restrict)  # false alarms on std::string, GCC bug 105651
  if(MARU_SANITIZE)
    add_compile_options(-Wno-maybe-uninitialized)  # false alarms in instrumented code
  endif()
endif()
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  add_compile_options(-march=x86-64-v2)
endif()
add_compile_definitions($<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS>)

if(MARU_SANITIZE)
  add_compile_options(-fsanitize=${MARU_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${MARU_SANITIZE})
  if(MARU_SANITIZE MATCHES "thread")
    add_compile_options(-Wno-tsan)  # Asio's fences
  endif()
endif()
if(MARU_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
if(MARU_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_package(Threads REQUIRED)
if(MARU_TESTS)
  find_package(GTest REQUIRED)
endif()
