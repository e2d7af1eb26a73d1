#include "base/error.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <system_error>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

namespace sockerless {

namespace {

struct CodeRow {
  ErrorCode code;
  int status;
  std::string_view name;
};

constexpr std::array<CodeRow, 12> kCodes{{
    {ErrorCode::not_found, 404, "not_found"},
    {ErrorCode::conflict, 409, "conflict"},
    {ErrorCode::not_modified, 304, "not_modified"},
    {ErrorCode::invalid_argument, 400, "invalid_argument"},
    {ErrorCode::unauthorized, 401, "unauthorized"},
    {ErrorCode::forbidden, 403, "forbidden"},
    {ErrorCode::not_implemented, 501, "not_implemented"},
    {ErrorCode::too_large, 413, "too_large"},
    {ErrorCode::unavailable, 503, "unavailable"},
    {ErrorCode::deadline_exceeded, 504, "deadline_exceeded"},
    {ErrorCode::cancelled, 499, "cancelled"},
    {ErrorCode::internal, 500, "internal"},
}};

const CodeRow& row_of(ErrorCode code) {
  for (const CodeRow& row : kCodes) {
    if (row.code == code) return row;
  }
  return kCodes.back();
}

Error error_of_boost(const boost::system::system_error& error) {
  if (error.code() == boost::asio::error::operation_aborted) return Error::cancelled();
  return {ErrorCode::internal, error.code().message(), error.what()};
}

}  // namespace

int http_status(ErrorCode code) { return row_of(code).status; }

ErrorCode error_code_of_status(int status) {
  for (const CodeRow& row : kCodes) {
    if (row.status == status) return row.code;
  }
  return status >= 400 && status < 500 ? ErrorCode::invalid_argument : ErrorCode::internal;
}

std::string_view name_of(ErrorCode code) { return row_of(code).name; }

Error::Error(ErrorCode code, std::string message, std::string detail)
    : code_(code), message_(std::move(message)), detail_(std::move(detail)) {
  refresh_what();
}

void Error::add_context(std::string_view doing) {
  detail_ = detail_.empty() ? std::string(doing) : fmt::format("{}: {}", doing, detail_);
  refresh_what();
}

Error&& Error::with_detail(std::string detail) && {
  detail_ = std::move(detail);
  refresh_what();
  return std::move(*this);
}

void Error::refresh_what() { what_ = detail_.empty() ? message_ : fmt::format("{} ({})", message_, detail_); }

Error from_errno(int error_number, std::string_view doing) {
  ErrorCode code = ErrorCode::internal;
  if (error_number == ENOENT) code = ErrorCode::not_found;
  if (error_number == EACCES || error_number == EPERM) code = ErrorCode::forbidden;
  return {code, fmt::format("{}: {}", doing, std::generic_category().message(error_number))};
}

Error current_error() { return error_of(std::current_exception()); }

Error error_of(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    return error;
  } catch (const boost::system::system_error& error) {
    return error_of_boost(error);
  } catch (const std::system_error& error) {
    return {ErrorCode::internal, error.what()};
  } catch (const std::exception& error) {
    return {ErrorCode::internal, error.what()};
  } catch (...) {
    return {ErrorCode::internal, "unknown failure"};
  }
}

void assertion_failed(const char* condition, const char* why, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: assertion failed: %s: %s\n", file, line, condition, why);
  std::abort();
}

}  // namespace sockerless
