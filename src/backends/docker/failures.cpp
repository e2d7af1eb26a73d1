#include "backends/docker/failures.hpp"

#include "sdk/opening.hpp"

namespace sockerless::docker {

namespace {

ErrorCode code_of_answer(int status) {
  switch (status) {
    case 304:
    case 400:
    case 403:
    case 404:
    case 409:
      return error_code_of_status(status);
    default:
      return ErrorCode::internal;
  }
}

}  // namespace

Error error_of(const DockerError& failure) {
  if (failure.is_api_error()) return {code_of_answer(failure.code), failure.message};
  switch (failure.type) {
    case DockerErrorType::timeout:
      return {ErrorCode::deadline_exceeded, failure.message};
    case DockerErrorType::cancelled:
      return {ErrorCode::cancelled, failure.message};
    case DockerErrorType::permission:
    case DockerErrorType::connection:
      return {ErrorCode::unavailable, failure.message};
    default:
      return {ErrorCode::internal, failure.message};
  }
}

std::string_view without_line_end(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  return line;
}

void throw_if_failure(std::string_view progress_line) {
  // Most lines are progress bars: they are not parsed.
  if (progress_line.find("\"error") == std::string_view::npos) return;
  api::CreateImageInfo message;
  try {
    message = api::parse_json<api::CreateImageInfo>(progress_line);
  } catch (const Error&) {
    return;  // whatever it is, it is passed on
  }
  if (const auto failure = failure_in(message)) throw error_of(*failure);
}

}  // namespace sockerless::docker
