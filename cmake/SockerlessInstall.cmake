# What `cmake --install BUILD --component sdk` gives a program: headers, one static library, a CMake package and a pkg-config file.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(generated_dir ${PROJECT_BINARY_DIR}/src/api/generated)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/sockerless ${generated_dir}/sockerless DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  COMPONENT sdk FILES_MATCHING PATTERN "*.hpp")

# One archive of all modules that the client library is made of, so that a user links one thing.
add_library(sockerless_bundle STATIC
  $<TARGET_OBJECTS:sockerless_platform> $<TARGET_OBJECTS:sockerless_base> $<TARGET_OBJECTS:sockerless_api> $<TARGET_OBJECTS:sockerless_net>
  $<TARGET_OBJECTS:sockerless_oci> $<TARGET_OBJECTS:sockerless_sdk>)
set_target_properties(sockerless_bundle PROPERTIES OUTPUT_NAME sockerless EXPORT_NAME sdk LINKER_LANGUAGE CXX)
target_link_libraries(sockerless_bundle PRIVATE Boost::json OpenSSL::SSL OpenSSL::Crypto fmt::fmt spdlog::spdlog yaml-cpp LibArchive::LibArchive
  PkgConfig::ZSTD)
# The awaitable client's header shows Boost.Asio, which must be the same to both sides.
target_link_libraries(sockerless_bundle INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(sockerless_bundle INTERFACE BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_COROUTINE)
target_compile_features(sockerless_bundle INTERFACE cxx_std_23)
target_include_directories(sockerless_bundle INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Sockerless)
install(TARGETS sockerless_bundle EXPORT Sockerless ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT sdk)
install(EXPORT Sockerless NAMESPACE Sockerless:: DESTINATION ${package_dir} COMPONENT sdk)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/package/SockerlessConfig.cmake.in ${PROJECT_BINARY_DIR}/package/SockerlessConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/SockerlessConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/SockerlessConfig.cmake ${PROJECT_BINARY_DIR}/package/SockerlessConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT sdk)
# Relative to the file itself, so that the prefix may be chosen when it is installed.
file(RELATIVE_PATH up_to_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
set(PC_PREFIX "\${pcfiledir}/${up_to_prefix}")
configure_file(${PROJECT_SOURCE_DIR}/cmake/package/sockerless.pc.in ${PROJECT_BINARY_DIR}/package/sockerless.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/sockerless.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT sdk)
