#include "base/ids.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace sockerless {
namespace {

TEST(Ids, RandomIdsAreSixtyFourHexDigitsAndDiffer) {
  const std::string one = system_random().hex64();
  EXPECT_TRUE(is_hex64(one)) << one;
  EXPECT_NE(one, system_random().hex64());
  EXPECT_EQ(ContainerId::parse(one).str(), one);
}

TEST(Ids, AnythingElseIsRefused) {
  EXPECT_THROW(ContainerId::parse(""), Error);
  EXPECT_THROW(ContainerId::parse(std::string(64, 'G')), Error);
  EXPECT_THROW(ContainerId::parse(std::string(63, 'a')), Error);
}

}  // namespace
}  // namespace sockerless
