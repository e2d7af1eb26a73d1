#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/support/process.hpp"

namespace sockerless::support {

/// A port of 127.0.0.1 that nobody had a moment ago, for programs that cannot be told to choose one.
std::uint16_t free_port();

/// A real registry (Debian's docker-registry) on loopback that asks for a user and a password.
class Registry {
 public:
  static constexpr const char* kUser = "ali";
  static constexpr const char* kPassword = "open sesame";

  /// Starts it and waits until it listens. @errors unavailable with its log; also when docker-registry is not installed.
  Registry();

  /// "127.0.0.1:40001": the host part of an image reference. dockerd speaks plain HTTP to loopback.
  const std::string& host() const { return host_; }

 private:
  TempDir directory_;
  std::string host_;
  std::optional<Process> process_;
};

}  // namespace sockerless::support
