#include "sdk/failure.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "api/json.hpp"
#include "api/types_json.hpp"

namespace sockerless {

namespace {

struct TypeRow {
  DockerErrorType type;
  int status;  // of the daemon's answer, 0: not one
  std::string_view name;
};

constexpr std::array<TypeRow, 16> kTypes{{
    {DockerErrorType::permission, 0, "permission"},
    {DockerErrorType::connection, 0, "connection"},
    {DockerErrorType::timeout, 0, "timeout"},
    {DockerErrorType::cancelled, 0, "cancelled"},
    {DockerErrorType::unknown, 0, "unknown"},
    {DockerErrorType::not_modified, 304, "not_modified"},
    {DockerErrorType::bad_request, 400, "bad_request"},
    {DockerErrorType::unauthorized, 401, "unauthorized"},
    {DockerErrorType::forbidden, 403, "forbidden"},
    {DockerErrorType::not_found, 404, "not_found"},
    {DockerErrorType::conflict, 409, "conflict"},
    {DockerErrorType::too_large, 413, "too_large"},
    {DockerErrorType::throttled, 429, "throttled"},
    {DockerErrorType::server_error, 500, "server_error"},
    {DockerErrorType::not_implemented, 501, "not_implemented"},
    {DockerErrorType::unavailable, 503, "unavailable"},
}};

DockerErrorType type_of_status(int status) {
  for (const TypeRow& row : kTypes) {
    if (row.status == status) return row.type;
  }
  return status >= 400 && status < 500 ? DockerErrorType::bad_request : DockerErrorType::server_error;
}

/// Retry-After (RFC 9110): seconds, or a date.
std::optional<std::chrono::milliseconds> retry_after_of(const net::Headers& headers) {
  const auto value = headers.find("Retry-After");
  if (!value) return std::nullopt;
  constexpr std::int64_t kLongest = 24L * 3600;
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), seconds);
  if (error == std::errc{} && end == value->data() + value->size()) {
    return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 0, kLongest));
  }
  std::tm date{};
  if (::strptime(std::string(*value).c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date) == nullptr) return std::nullopt;
  return std::chrono::seconds(std::clamp<std::int64_t>(::timegm(&date) - std::time(nullptr), 0, kLongest));
}

std::string message_of(int status, std::string_view body) {
  try {
    const auto answer = api::parse_json<api::ErrorResponse>(body);
    if (!answer.message.empty()) return answer.message;
  } catch (const Error&) {
    // Not Docker's form: the text itself, from a proxy in between.
  }
  while (!body.empty() && (body.back() == '\n' || body.back() == '\r' || body.back() == ' ')) body.remove_suffix(1);
  constexpr std::size_t kLongest = 2048;
  return body.empty() ? std::string(net::reason_of(status)) : std::string(body.substr(0, kLongest));
}

DockerErrorType type_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::unavailable:
    case ErrorCode::internal:  // what came is not HTTP, or not Docker's framing
      return DockerErrorType::connection;
    case ErrorCode::deadline_exceeded:
      return DockerErrorType::timeout;
    case ErrorCode::cancelled:
      return DockerErrorType::cancelled;
    case ErrorCode::forbidden:
      return DockerErrorType::permission;
    default:
      return DockerErrorType::unknown;
  }
}

}  // namespace

std::string_view name_of(DockerErrorType type) {
  for (const TypeRow& row : kTypes) {
    if (row.type == type) return row.name;
  }
  return "unknown";
}

std::string DockerError::text() const {
  return code == 0 ? fmt::format("{}: {}", name_of(type), message) : fmt::format("{} ({}): {}", name_of(type), code, message);
}

DockerError docker_error_of(const Error& error) {
  const bool recoverable = error.code() == ErrorCode::unavailable || error.code() == ErrorCode::deadline_exceeded;
  return {.type = type_of(error.code()), .code = 0, .message = error.what(), .recoverable = recoverable};
}

DockerError current_docker_error() noexcept {
  try {
    throw;
  } catch (const Failure& failure) {
    return failure.error();
  } catch (const Error& error) {
    return docker_error_of(error);
  } catch (...) {
    const Error error = current_error();
    const bool cancelled = error.code() == ErrorCode::cancelled;
    return {.type = cancelled ? DockerErrorType::cancelled : DockerErrorType::unknown, .code = 0, .message = error.what()};
  }
}

DockerError api_error(int status, const net::Headers& headers, std::string_view body) {
  const DockerErrorType type = type_of_status(status);
  const bool recoverable = type == DockerErrorType::throttled || type == DockerErrorType::unavailable || status == 502 || status == 504;
  return {.type = type,
          .code = status,
          .message = message_of(status, body),
          .recoverable = recoverable,
          .retry_after = retry_after_of(headers)};
}

namespace detail {

void no_value(const DockerError& error) noexcept {
  std::fprintf(stderr, "sockerless: the value was taken of a call that failed: %s\n", error.text().c_str());
  std::abort();
}

void no_error() noexcept {
  std::fprintf(stderr, "sockerless: the error was taken of a call that succeeded\n");
  std::abort();
}

}  // namespace detail

}  // namespace sockerless
