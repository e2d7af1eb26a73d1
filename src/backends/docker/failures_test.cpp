#include "backends/docker/failures.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sockerless::docker {
namespace {

DockerError answer(DockerErrorType type, int status) { return {.type = type, .code = status, .message = "in the daemon's words"}; }

TEST(DockerFailures, TheDaemonsStatusIsKeptWhereItIsOneOfOurs) {
  const std::vector<std::tuple<DockerErrorType, int, int>> all = {
      {DockerErrorType::not_modified, 304, 304}, {DockerErrorType::bad_request, 400, 400},  {DockerErrorType::unauthorized, 401, 500},
      {DockerErrorType::forbidden, 403, 403},    {DockerErrorType::not_found, 404, 404},    {DockerErrorType::bad_request, 405, 500},
      {DockerErrorType::bad_request, 406, 500},  {DockerErrorType::conflict, 409, 409},     {DockerErrorType::too_large, 413, 500},
      {DockerErrorType::throttled, 429, 500},    {DockerErrorType::server_error, 500, 500}, {DockerErrorType::not_implemented, 501, 500},
      {DockerErrorType::server_error, 502, 500}, {DockerErrorType::unavailable, 503, 500},  {DockerErrorType::server_error, 0, 500}};
  for (const auto& [type, status, expected] : all) {
    const Error error = error_of(answer(type, status));
    EXPECT_EQ(http_status(error.code()), expected) << status;
    EXPECT_EQ(error.message(), "in the daemon's words");
  }
}

TEST(DockerFailures, ADaemonThatIsNotThereIsUnavailable) {
  const auto code_of = [](DockerErrorType type) { return error_of({.type = type, .code = 0, .message = "why"}).code(); };
  EXPECT_EQ(code_of(DockerErrorType::connection), ErrorCode::unavailable);
  EXPECT_EQ(code_of(DockerErrorType::permission), ErrorCode::unavailable);
  EXPECT_EQ(code_of(DockerErrorType::timeout), ErrorCode::deadline_exceeded);
  EXPECT_EQ(code_of(DockerErrorType::cancelled), ErrorCode::cancelled);
  EXPECT_EQ(code_of(DockerErrorType::unknown), ErrorCode::internal);
}

std::optional<Error> failure_of(std::string_view line) {
  try {
    throw_if_failure(line);
    return std::nullopt;
  } catch (const Error& error) {
    return error;
  }
}

TEST(DockerFailures, ALineThatReportsAFailureIsOne) {
  const auto plain = failure_of(R"({"errorDetail":{"message":"no space left"},"error":"no space left"})");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->code(), ErrorCode::internal);
  EXPECT_EQ(plain->message(), "no space left");
  const auto coded = failure_of(R"({"errorDetail":{"code":404,"message":"manifest unknown"},"error":"manifest unknown"})");
  ASSERT_TRUE(coded);
  EXPECT_EQ(coded->code(), ErrorCode::not_found);
  const auto exit_code = failure_of(R"({"errorDetail":{"code":1,"message":"returned a non-zero code: 1"},"error":"x"})");
  ASSERT_TRUE(exit_code);
  EXPECT_EQ(exit_code->code(), ErrorCode::internal);
}

TEST(DockerFailures, ProgressIsNone) {
  EXPECT_FALSE(failure_of(R"({"status":"Pulling fs layer","progressDetail":{},"id":"a"})"));
  EXPECT_FALSE(failure_of(R"({"stream":"an \"error\" in a RUN's output\n"})"));
  EXPECT_FALSE(failure_of("\"error is no JSON"));
  EXPECT_EQ(without_line_end("a\r\n"), "a");
  EXPECT_EQ(without_line_end("\r"), "");
}

}  // namespace
}  // namespace sockerless::docker
