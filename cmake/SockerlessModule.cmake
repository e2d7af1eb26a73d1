include(GoogleTest)

# The test programs by label, for presets that build some of them only, and every generated header, for the linters.
add_custom_target(unit_tests)
add_custom_target(threads_tests)
add_custom_target(fuzz_tests)
add_custom_target(generated_headers)

# A module is one folder and one static library:
#
#   sockerless_module(engine SOURCES a.cpp b.cpp DEPENDS backend oci TESTS a_test.cpp [THREADED_TESTS c_test.cpp])
#
# makes the library sockerless_engine and, where there are tests, the programs engine_test and engine_threads_test; the second carries
# the ctest label `threads` and is what the tsan preset runs. FUZZED says that fuzz targets call the library: where they are built, it
# tells libFuzzer which code an input reached.
function(sockerless_module name)
  cmake_parse_arguments(ARG "FUZZED" "" "SOURCES;DEPENDS;LINK;TESTS;THREADED_TESTS;TEST_LINK" ${ARGN})
  string(REPLACE "/" "_" target ${name})
  add_library(sockerless_${target} STATIC ${ARG_SOURCES})
  target_include_directories(sockerless_${target} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  foreach(dependency IN LISTS ARG_DEPENDS)
    string(REPLACE "/" "_" dependency ${dependency})
    target_link_libraries(sockerless_${target} PUBLIC sockerless_${dependency})
  endforeach()
  target_link_libraries(sockerless_${target} PUBLIC ${ARG_LINK})
  sockerless_use_pch(sockerless_${target})
  if(ARG_FUZZED AND SOCKERLESS_FUZZ)
    target_compile_options(sockerless_${target} PRIVATE -fsanitize-coverage=inline-8bit-counters,indirect-calls,trace-cmp,pc-table)
  endif()
  if(ARG_TESTS)
    sockerless_test(${target}_test SOURCES ${ARG_TESTS} LINK sockerless_${target} ${ARG_TEST_LINK})
  endif()
  if(ARG_THREADED_TESTS)
    sockerless_test(${target}_threads_test SOURCES ${ARG_THREADED_TESTS} LINK sockerless_${target} ${ARG_TEST_LINK} LABELS threads)
  endif()
endfunction()

# A GoogleTest program; every TEST in it is a ctest of its own.
function(sockerless_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;LABELS;PROPERTIES" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest GTest::gtest_main)
  sockerless_use_pch(${name})
  if(TARGET ${ARG_LABELS}_tests)
    add_dependencies(${ARG_LABELS}_tests ${name})
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}" ${ARG_PROPERTIES})
endfunction()

# Two precompiled headers are built once and reused by every target: base/ has the libraries' (standard library, Asio, Boost.JSON, fmt);
# from api/ on Docker's types are in it, too, which would cost each source as much as all the rest.
function(sockerless_use_pch target)
  if(TARGET sockerless_api_pch)
    target_precompile_headers(${target} REUSE_FROM sockerless_api_pch)
  else()
    target_precompile_headers(${target} REUSE_FROM sockerless_pch)
  endif()
  target_link_libraries(${target} PRIVATE sockerless_platform)
endfunction()
