#include "api/names.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless::api {
namespace {

TEST(Names, OfContainers) {
  for (const std::string_view name : {"ab", "/web", "a.b_c-d", "0x"}) EXPECT_NO_THROW(check_container_name(name)) << name;
  for (const std::string_view name : {"", "/", "a", "/a", "-ab", "_ab", "a b", "a/b", "//ab", "\xC3\xA4\xC3\xA4"}) {
    try {
      check_container_name(name);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.message(), "Invalid container name (" + std::string(name) + "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
    }
  }
}

TEST(Names, OfVolumes) {
  EXPECT_NO_THROW(check_volume_name("data_1"));
  EXPECT_THROW(check_volume_name("d"), Error);
  EXPECT_THROW(check_volume_name("../x"), Error);
}

}  // namespace
}  // namespace sockerless::api
