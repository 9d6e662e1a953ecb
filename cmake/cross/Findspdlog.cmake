include(${CMAKE_CURRENT_LIST_DIR}/header_library.cmake)
header_library(spdlog spdlog::spdlog)
target_compile_definitions(spdlog::spdlog INTERFACE SPDLOG_FMT_EXTERNAL)
set(spdlog_FOUND TRUE)
