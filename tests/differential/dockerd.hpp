#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "tests/support/http_probe.hpp"
#include "tests/support/process.hpp"

namespace sockerless::differential {

/// A private dockerd without networks, everything it has in a folder of its own. Needs root; a machine without dockerd fails the test.
class Dockerd {
 public:
  Dockerd();
  /// Removes its containers and ends it, and the containerd that it started.
  ~Dockerd();
  Dockerd(const Dockerd&) = delete;
  Dockerd& operator=(const Dockerd&) = delete;

  /// Waits until it answers. @errors unavailable with its log.
  void start();
  /// SIGKILL, and reaped. Its containers run on.
  void kill();
  /// SIGTERM.
  void stop();
  void freeze() const;
  void thaw() const;

  const std::string& socket() const { return socket_; }
  std::string host() const { return "unix://" + socket_; }
  support::HttpProbe& api() { return *probe_; }
  void import_busybox(const std::string& name = "busybox");

 private:
  support::TempDir directory_;
  std::string socket_;
  std::optional<support::Process> process_;
  std::optional<support::HttpProbe> probe_;
};

}  // namespace sockerless::differential
