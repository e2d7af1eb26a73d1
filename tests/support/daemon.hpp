#pragma once

#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/http_probe.hpp"
#include "tests/support/process.hpp"

namespace sockerless::support {

/// A real `sockerless serve` with a socket and a state directory of its own. The state outlives the process, so that a test can kill the
/// daemon and start the next one on what it left.
class Daemon {
 public:
  /// @param backend  "local" or "memory".
  explicit Daemon(std::string backend, std::vector<std::string> more_flags = {});
  /// Ends the daemon and removes every container it knows first, so that nothing runs on.
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Starts the process and waits until it answers. @param environment  "NAME=value", added to this process's.
  /// @errors unavailable with its log.
  void start(const std::vector<std::string>& environment = {});
  /// SIGKILL, and reaped.
  void kill();
  /// SIGTERM. @return the exit code.
  int stop();

  HttpProbe& api() { return *probe_; }
  std::string host() const { return "unix://" + socket_; }
  const std::string& socket() const { return socket_; }
  std::filesystem::path state() const { return directory_.path() / "state"; }
  std::filesystem::path directory() const { return directory_.path(); }
  pid_t pid() const { return process_->pid(); }
  bool alive() { return process_->alive(); }
  std::string log_text() const;

  /// Imports the busybox root file system.
  void import_busybox(const std::string& name = "busybox:latest");

 private:
  TempDir directory_;
  std::string backend_;
  std::vector<std::string> more_flags_;
  std::string socket_;
  std::optional<Process> process_;
  std::optional<HttpProbe> probe_;
};

/// The folder of the programs that were built together with the test.
std::filesystem::path program_directory();
/// The tar of a small root file system made of busybox. @errors unavailable: busybox-static is not installed.
const std::string& busybox_rootfs();

}  // namespace sockerless::support
