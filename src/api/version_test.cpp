#include "api/version.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless::api {
namespace {

std::string failure(ApiVersion version) {
  try {
    check_api_version(version);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.message();
  }
  return "no failure";
}

TEST(ApiVersion, ReadsAndCompares) {
  EXPECT_EQ(ApiVersion::parse("1.44"), (ApiVersion{1, 44}));
  EXPECT_LT(ApiVersion::parse("1.9"), ApiVersion::parse("1.24"));
  EXPECT_EQ(ApiVersion::parse("1.51").str(), "1.51");
  for (const std::string_view text : {"", "1", "1.", ".4", "1.x", "1.4.5", "-1.4", "1.99999999999", "v1.4"}) {
    EXPECT_FALSE(ApiVersion::find(text)) << text;
    EXPECT_THROW(ApiVersion::parse(text), Error) << text;
  }
}

TEST(ApiVersion, TheRangeIsToldInDockersWords) {
  EXPECT_EQ(failure({1, 24}), "no failure");
  EXPECT_EQ(failure({1, 51}), "no failure");
  EXPECT_EQ(failure({1, 23}),
            "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version");
  EXPECT_EQ(failure({1, 99}), "client version 1.99 is too new. Maximum supported API version is 1.51");
}

}  // namespace
}  // namespace sockerless::api
