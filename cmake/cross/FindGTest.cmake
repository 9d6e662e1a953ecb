# GoogleTest, built from the sources of Debian's package googletest.
set(folder /usr/src/googletest)
if(NOT TARGET GTest::gtest)
  add_library(cross_gtest STATIC
    ${folder}/googletest/src/gtest-all.cc
    ${folder}/googlemock/src/gmock-all.cc
    ${folder}/googlemock/src/gmock_main.cc)
  target_include_directories(cross_gtest SYSTEM
    PUBLIC ${folder}/googletest/include ${folder}/googlemock/include
    PRIVATE ${folder}/googletest ${folder}/googlemock)
  target_compile_options(cross_gtest PRIVATE -w)
  foreach(name gtest gmock gtest_main)
    add_library(GTest::${name} ALIAS cross_gtest)
  endforeach()
endif()
set(GTest_FOUND TRUE)
