#pragma once

#include <exception>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "net/http.hpp"
#include "sockerless/result.hpp"

// Internal to sdk/: how failures travel inside (exceptions) and how they leave (Result).
namespace sockerless {

/// A DockerError on its way out.
class Failure : public std::exception {
 public:
  explicit Failure(DockerError error) : error_(std::move(error)) {}
  const DockerError& error() const noexcept { return error_; }
  const char* what() const noexcept override { return error_.message.c_str(); }

 private:
  DockerError error_;
};

/// What a failure of the network, or of this library, means.
DockerError docker_error_of(const Error& error);
/// The exception in flight. Call only in a catch handler.
DockerError current_docker_error() noexcept;

/// The daemon's answer with a status that is no success.
DockerError api_error(int status, const net::Headers& headers, std::string_view body);

/// Calls and catches everything: the library's boundary.
template <typename F>
auto without_throwing(F&& function) noexcept -> Result<decltype(function())> {
  try {
    if constexpr (std::is_void_v<decltype(function())>) {
      function();
      return {};
    } else {
      return std::forward<F>(function)();
    }
  } catch (...) {
    return current_docker_error();
  }
}

}  // namespace sockerless
