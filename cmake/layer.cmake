# maru_layer(<name> SOURCES ... [USES layers...] [LIBS third-party targets...])
# Folder = namespace = target: src/<name>/ is maru_<name>.
function(maru_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES;LIBS;PRIVATE_LIBS" ${ARGN})
  add_library(maru_${name} STATIC ${ARG_SOURCES})
  target_include_directories(maru_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  foreach(layer ${ARG_USES})
    target_link_libraries(maru_${name} PUBLIC maru_${layer})
  endforeach()
  target_link_libraries(maru_${name} PUBLIC ${ARG_LIBS} PRIVATE ${ARG_PRIVATE_LIBS})
endfunction()

# maru_test(<layer> SOURCES ... [LIBS ...]): one test binary per layer, run whole as one ctest case
# so that its start-up is paid once. Tests find data below MARU_SOURCE_DIR.
function(maru_test name)
  if(NOT MARU_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS;LABELS" ${ARGN})
  add_executable(maru_${name}_test ${ARG_SOURCES})
  target_link_libraries(maru_${name}_test PRIVATE ${ARG_LIBS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(maru_${name}_test PRIVATE MARU_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  add_test(NAME ${name} COMMAND maru_${name}_test)
  set_tests_properties(${name} PROPERTIES LABELS "unit;${ARG_LABELS}" TIMEOUT 1200)
endfunction()

# maru_fuzz(<name> SOURCES ... LIBS ...): tests/fuzz/<name>.cpp defines LLVMFuzzerTestOneInput.
# With MARU_FUZZ a libFuzzer binary; always a replay of tests/fuzz/corpus/<name> as a test.
function(maru_fuzz name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  if(MARU_FUZZ)
    add_executable(fuzz_${name} ${ARG_SOURCES})
    target_link_libraries(fuzz_${name} PRIVATE ${ARG_LIBS})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  elseif(MARU_TESTS)
    add_executable(replay_${name} ${ARG_SOURCES} ${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.cpp)
    target_link_libraries(replay_${name} PRIVATE ${ARG_LIBS})
    add_test(NAME fuzz_replay_${name}
             COMMAND replay_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
    set_tests_properties(fuzz_replay_${name} PROPERTIES LABELS "fuzz" TIMEOUT 300)
  endif()
endfunction()
