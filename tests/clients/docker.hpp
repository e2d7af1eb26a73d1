#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"

namespace sockerless::clients {

using support::ChildProcess;
using support::Output;
using support::run_command;
using support::Stdio;

inline constexpr std::string_view kDebianDocker = "/usr/bin/docker";
inline constexpr std::string_view kNewerDocker = "/usr/local/bin/docker";

/// The docker command lines under test: Debian's, and a newer one where the machine has it.
std::vector<std::string> docker_binaries();

/// One docker command line that talks to one daemon.
class Docker {
 public:
  Docker(std::string binary, const support::Daemon& daemon, std::vector<std::string> more_environment = {});

  /// Runs `docker ARGUMENTS` to its end.
  Output run(const std::vector<std::string>& arguments, std::string_view input = {}) const;
  /// The same, for a command that must succeed: its standard output without the last line end. @errors internal: it failed.
  std::string get(const std::vector<std::string>& arguments, std::string_view input = {}) const;
  std::unique_ptr<ChildProcess> start(const std::vector<std::string>& arguments, Stdio stdio = Stdio::pipes) const;

 private:
  std::vector<std::string> argv(const std::vector<std::string>& arguments) const;

  std::string binary_;
  std::string host_;
  std::vector<std::string> environment_;
};

/// A docker-archive with busybox's root file system as the image `tag`, as `docker save` writes it: GREETING=hello in its environment, a
/// command that prints it.
std::string busybox_docker_archive(std::string_view tag);

}  // namespace sockerless::clients
