#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/support/process.hpp"

namespace sockerless::support {

/// The command of a private dockerd: everything it has is in `directory`, and it touches neither bridge nor iptables of the machine.
std::vector<std::string> dockerd_command(const std::string& directory, const std::string& socket);
/// The same with a default bridge, for whoever gives it a network namespace.
std::vector<std::string> bridged_dockerd_command(const std::string& directory, const std::string& socket);

/// A real Docker daemon with folders and a socket of its own, without the bridge and iptables of the machine. Its state outlives the
/// process, so that a test can stop the daemon and start it again.
class Dockerd {
 public:
  /// Starts it. @errors unavailable with its log; also when docker.io is not installed: who needs it fails without it.
  explicit Dockerd(std::vector<std::string> more_flags = {});
  /// Ends it, its containers included.
  ~Dockerd();
  Dockerd(const Dockerd&) = delete;
  Dockerd& operator=(const Dockerd&) = delete;

  /// Starts the process and waits until it answers.
  void start();
  /// SIGTERM. @return the exit code.
  int stop();
  /// SIGKILL, its containerd included. Its containers run on.
  void kill();
  /// SIGSTOP; returns when it stands still.
  void freeze() const;
  void thaw() const;

  const std::string& socket() const { return socket_; }
  std::string host() const { return "unix://" + socket_; }
  pid_t pid() const { return process_->pid(); }
  std::string log_text() const;

  /// Removes every container, image, network and volume.
  void clear();
  /// Imports the busybox root file system.
  void import_busybox(const std::string& name = "busybox:latest");

 private:
  void spawn();
  void end_containerd();

  TempDir directory_;
  std::vector<std::string> more_flags_;
  std::string socket_;
  std::optional<Process> process_;
};

}  // namespace sockerless::support
