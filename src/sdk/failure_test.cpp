#include "sdk/failure.hpp"

#include <gtest/gtest.h>

namespace sockerless {
namespace {

using Type = DockerErrorType;

TEST(Failure, EveryTypeHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int type = 0; type <= static_cast<int>(Type::unavailable); ++type) names.insert(name_of(static_cast<Type>(type)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(Type::unavailable) + 1);
}

TEST(Failure, NothingGetsPastTheBoundary) {
  EXPECT_EQ(without_throwing([]() -> int { throw Error::unavailable("gone"); }).error(),
            (DockerError{.type = Type::connection, .message = "gone", .recoverable = true}));
  EXPECT_EQ(without_throwing([]() -> int { throw Error::cancelled(); }).error().type, Type::cancelled);
  EXPECT_EQ(without_throwing([]() -> int { throw Error::deadline_exceeded("late"); }).error().type, Type::timeout);
  EXPECT_EQ(without_throwing([]() -> int { throw std::bad_alloc(); }).error().type, Type::unknown);
  EXPECT_EQ(without_throwing([]() -> int { throw 7; }).error().type, Type::unknown);
  EXPECT_EQ(without_throwing([] { throw Failure({.type = Type::conflict, .code = 409, .message = "taken"}); }).error().code, 409);
  EXPECT_EQ(without_throwing([] { return 3; }).value(), 3);
  EXPECT_TRUE(without_throwing([] {}));
}

TEST(Failure, RetryAfterIsSecondsOrADate) {
  using namespace std::chrono_literals;
  const auto of = [](std::string_view value) { return api_error(503, {{"Retry-After", std::string(value)}}, "").retry_after; };
  EXPECT_EQ(of("7"), 7s);
  EXPECT_EQ(of("-7"), 0s);
  EXPECT_EQ(of("99999999999"), 24h) << "bounded";
  EXPECT_EQ(of("Wed, 21 Oct 2015 07:28:00 GMT"), 0s) << "past";
  EXPECT_EQ(of("Wed, 21 Oct 2099 07:28:00 GMT"), 24h);
  EXPECT_FALSE(of("soon"));
  EXPECT_FALSE(api_error(503, {}, "").retry_after);
}

TEST(Failure, AnErrorWithoutTextHasTheReason) {
  EXPECT_EQ(api_error(404, {}, "").message, "Not Found");
  EXPECT_EQ(api_error(404, {}, R"({"message":""})").message, R"({"message":""})");
  EXPECT_EQ(api_error(500, {}, std::string(100000, 'x')).message.size(), 2048U);
}

TEST(ResultDeathTest, TakingWhatIsNotThereEndsTheProgramWithTheReason) {
  const Result<int> failed = DockerError{.type = Type::not_found, .code = 404, .message = "No such container: x"};
  EXPECT_DEATH(std::ignore = *failed, "not_found \\(404\\): No such container: x");
  EXPECT_DEATH(std::ignore = Result<int>(1).error(), "of a call that succeeded");
  EXPECT_EQ(failed.value_or(5), 5);
  EXPECT_EQ(Result<int>(1).expected(), (std::expected<int, DockerError>(1)));
  const Result<void> refused = DockerError{.type = Type::conflict, .code = 409, .message = "in use"};
  EXPECT_DEATH(refused.value(), "conflict \\(409\\): in use");
  EXPECT_EQ(refused.expected().error().code, 409);
  EXPECT_TRUE(Result<void>().expected());
}

}  // namespace
}  // namespace sockerless
