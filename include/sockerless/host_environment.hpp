#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include <sys/types.h>

namespace sockerless {

/// What the library reads of the machine that it runs on: variables, files, who it is. Given to the code, so that a program (or a test) can
/// put something else in its place.
///
/// Threads: any. Nothing throws.
class HostEnvironment {
 public:
  enum class FileKind : std::uint8_t { regular, directory, socket, other };

  virtual ~HostEnvironment() = default;
  /// An environment variable; an empty one is set.
  virtual std::optional<std::string> variable(const std::string& name) const = 0;
  /// A whole file, at most 16 MiB. The error is an errno.
  virtual std::expected<std::string, int> read_file(const std::string& path) const = 0;
  /// Follows links. The error is an errno.
  virtual std::expected<FileKind, int> kind_of(const std::string& path) const = 0;
  virtual uid_t user_id() const = 0;
  /// Of the user: $HOME, else what the user database says; empty: unknown.
  virtual std::string home_directory() const = 0;
};

/// The process's own.
const HostEnvironment& process_host_environment();

}  // namespace sockerless
