#pragma once

#include <optional>
#include <string>

#include "tests/support/process.hpp"

namespace sockerless::support {

/// A real dockerd with data, state and socket of its own, without networks. It must be there: a test without it fails.
class Dockerd {
 public:
  Dockerd();
  ~Dockerd();
  Dockerd(const Dockerd&) = delete;
  Dockerd& operator=(const Dockerd&) = delete;

  /// Starts the process and waits until it answers. @errors unavailable with its log.
  void start();
  /// SIGKILL, its containerd included, and reaped.
  void kill();
  /// SIGTERM. @return the exit code.
  int stop();
  pid_t pid() const { return process_->pid(); }
  const std::string& socket() const { return socket_; }

 private:
  void end_containerd();

  TempDir directory_;
  std::string socket_;
  std::optional<Process> process_;
};

}  // namespace sockerless::support
