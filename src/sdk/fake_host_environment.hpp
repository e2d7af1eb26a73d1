#pragma once

#include <cerrno>
#include <map>
#include <set>
#include <string>

#include "sockerless/host_environment.hpp"

// For the tests of sdk/.
namespace sockerless {

/// A machine of a test's own.
class FakeHostEnvironment final : public HostEnvironment {
 public:
  std::map<std::string, std::string> variables;
  std::map<std::string, std::string> files;
  std::set<std::string> sockets;
  std::map<std::string, int> failures;  ///< errno by path, for reading and looking
  uid_t user = 1000;
  std::string home = "/home/me";

  std::optional<std::string> variable(const std::string& name) const override {
    const auto it = variables.find(name);
    return it == variables.end() ? std::nullopt : std::optional(it->second);
  }
  std::expected<std::string, int> read_file(const std::string& path) const override {
    if (const auto failure = failures.find(path); failure != failures.end()) return std::unexpected(failure->second);
    const auto it = files.find(path);
    if (it == files.end()) return std::unexpected(ENOENT);
    return it->second;
  }
  std::expected<FileKind, int> kind_of(const std::string& path) const override {
    if (const auto failure = failures.find(path); failure != failures.end()) return std::unexpected(failure->second);
    if (sockets.contains(path)) return FileKind::socket;
    if (files.contains(path)) return FileKind::regular;
    return std::unexpected(ENOENT);
  }
  uid_t user_id() const override { return user; }
  std::string home_directory() const override { return home; }
};

}  // namespace sockerless
