#include "base/error.hpp"

#include <gtest/gtest.h>

namespace sockerless {
namespace {

TEST(Error, EveryCodeSurvivesTheWayThroughItsHttpStatus) {
  for (int raw = 0; raw <= static_cast<int>(ErrorCode::internal); ++raw) {
    const auto code = static_cast<ErrorCode>(raw);
    EXPECT_EQ(error_code_of_status(http_status(code)), code) << name_of(code);
  }
}

TEST(Error, UnknownStatusesFallBackByClass) {
  EXPECT_EQ(error_code_of_status(418), ErrorCode::invalid_argument);
  EXPECT_EQ(error_code_of_status(502), ErrorCode::internal);
}

TEST(Error, ContextGoesIntoTheDetailAndLeavesTheMessageAlone) {
  Error error = Error::not_found("No such container: {}", "abc");
  error.add_context("restore the state");
  EXPECT_EQ(error.message(), "No such container: abc");
  EXPECT_EQ(error.detail(), "restore the state");
}

}  // namespace
}  // namespace sockerless
