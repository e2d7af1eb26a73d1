#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sockerless {

/// What the caller should do about a failure. A closed set: one table gives the HTTP status, one gives the code back.
enum class ErrorCode {
  not_found,          ///< 404
  conflict,           ///< 409
  not_modified,       ///< 304, no body
  invalid_argument,   ///< 400
  unauthorized,       ///< 401
  forbidden,          ///< 403
  not_implemented,    ///< 501
  too_large,          ///< 413
  unavailable,        ///< 503
  deadline_exceeded,  ///< 504
  cancelled,          ///< 499, never reaches a client that still listens
  internal,           ///< 500
};

/// The HTTP status Docker uses for this class of error (moby's error classes).
int http_status(ErrorCode code);

/// The inverse of http_status; a status outside the table becomes invalid_argument (4xx) or internal (anything else).
ErrorCode error_code_of_status(int status);

/// The enumerator's name, for logs.
std::string_view name_of(ErrorCode code);

/// The one exception type. `message()` may go to the client and names the object in Docker's own words; `detail()` is for the log.
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, std::string detail = {});

  ErrorCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& detail() const noexcept { return detail_; }

  /// Says what was being done when this happened; kept in detail(), outermost first.
  void add_context(std::string_view doing);
  /// Attaches text for the log only.
  Error&& with_detail(std::string detail) &&;

  const char* what() const noexcept override { return what_.c_str(); }

  template <typename... Args>
  static Error not_found(fmt::format_string<Args...> text, Args&&... args) {
    return {ErrorCode::not_found, fmt::format(text, std::forward<Args>(args)...)};
  }
  template <typename... Args>
  static Error conflict(fmt::format_string<Args...> text, Args&&... args) {
    return {ErrorCode::conflict, fmt::format(text, std::forward<Args>(args)...)};
  }
  template <typename... Args>
  static Error not_modified(fmt::format_string<Args...> text, Args&&... args) {
    return {ErrorCode::not_modified, fmt::format(text, std::forward<Args>(args)...)};
  }
  template <typename... Args>
  static Error invalid_argument(fmt::format_string<Args...> text, Args&&... args) {
    return {ErrorCode::invalid_argument, fmt::format(text, std::forward<Args>(args)...)};
  }
  template <typename... Args>
  static Error forbidden(fmt::format_string<Args...> text, Args&&... args) {
    return {ErrorCode::forbidden, fmt::format(text, std::forward<Args>(args)...)};
  }
  template <typename... Args>
  static Error not_implemented(fmt::format_string<Args...> text, Args&&... args) {
    return {ErrorCode::not_implemented, fmt::format(text, std::forward<Args>(args)...)};
  }
  template <typename... Args>
  static Error too_large(fmt::format_string<Args...> text, Args&&... args) {
    return {ErrorCode::too_large, fmt::format(text, std::forward<Args>(args)...)};
  }
  template <typename... Args>
  static Error unavailable(fmt::format_string<Args...> text, Args&&... args) {
    return {ErrorCode::unavailable, fmt::format(text, std::forward<Args>(args)...)};
  }
  template <typename... Args>
  static Error deadline_exceeded(fmt::format_string<Args...> text, Args&&... args) {
    return {ErrorCode::deadline_exceeded, fmt::format(text, std::forward<Args>(args)...)};
  }
  template <typename... Args>
  static Error internal(fmt::format_string<Args...> text, Args&&... args) {
    return {ErrorCode::internal, fmt::format(text, std::forward<Args>(args)...)};
  }
  static Error cancelled() { return {ErrorCode::cancelled, "the operation was cancelled"}; }

 private:
  void refresh_what();

  ErrorCode code_;
  std::string message_;
  std::string detail_;
  std::string what_;
};

/// A failed system call as an Error: `doing` says what was attempted on which object ("open /x"), the message ends in strerror.
Error from_errno(int error_number, std::string_view doing);

/// The exception in flight as an Error: ours as it is, an Asio abort as cancelled, anything else as internal. Call only in a catch handler.
Error current_error();

/// The same for a stored exception.
Error error_of(const std::exception_ptr& exception);

/// Aborts with the text. For our own mistakes, never for input.
[[noreturn]] void assertion_failed(const char* condition, const char* why, const char* file, int line);

}  // namespace sockerless

#define SOCKERLESS_ASSERT(condition, why) \
  ((condition) ? static_cast<void>(0) : ::sockerless::assertion_failed(#condition, why, __FILE__, __LINE__))
