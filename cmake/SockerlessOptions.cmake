# Compiler, linker and sanitizer settings, for every target alike: targets share one precompiled header, so they must share their flags.

option(SOCKERLESS_BENCH "Build the benchmark program" OFF)
option(SOCKERLESS_FUZZ "Build the libFuzzer targets (needs SOCKERLESS_SANITIZE)" OFF)
set(SOCKERLESS_SANITIZE "" CACHE STRING "Value of -fsanitize=, empty for none")

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
# Everything is position independent by one flag: CMake would give libraries -fPIC and programs -fPIE, which cannot share a precompiled header.
add_compile_options(-fPIE)
add_link_options(-pie)
set(CMAKE_CXX_FLAGS_DEV "-O1 -gline-tables-only -fno-omit-frame-pointer")
# Under a sanitizer the compiler's optimizer costs more time than the tests save.
set(CMAKE_CXX_FLAGS_CHECK "-O0 -gline-tables-only -fno-omit-frame-pointer")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(SOCKERLESS_CCACHE ccache)
if(SOCKERLESS_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${SOCKERLESS_CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Werror -fcolor-diagnostics)
# Without its timestamp a precompiled header is the same bytes each time, which is what ccache needs.
add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
add_link_options(-fuse-ld=lld-19 -Wl,--as-needed)
if(NOT SOCKERLESS_SANITIZE)
  add_compile_options(-ffunction-sections -fdata-sections -fstack-protector-strong)
  add_link_options(-Wl,--gc-sections -Wl,--icf=safe -Wl,-z,relro,-z,now)
else()
  add_compile_options(-fsanitize=${SOCKERLESS_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SOCKERLESS_SANITIZE})
endif()

find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(OpenSSL 3 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(LibArchive REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
