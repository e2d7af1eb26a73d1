#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// The subcommands that talk to a daemon. Each returns the process's exit code; a failure is an Error.

namespace sockerless::cli {

struct RunOptions {
  bool remove = false;
  bool interactive = false;
  bool tty = false;
  bool detach = false;
  std::string name;
  std::vector<std::string> environment;
  std::vector<std::string> binds;
  std::string working_dir;
  std::string user;
  std::string entrypoint;
  std::string network;
  std::string image;
  std::vector<std::string> command;
};

struct ExecOptions {
  bool interactive = false;
  bool tty = false;
  bool detach = false;
  std::vector<std::string> environment;
  std::string working_dir;
  std::string user;
  std::string container;
  std::vector<std::string> command;
};

struct LogsOptions {
  bool follow = false;
  bool timestamps = false;
  std::string since;
  std::string until;
  std::string tail;
  std::string container;
};

struct DoctorCommandOptions {
  std::string host;     ///< empty: found as the docker command finds it
  std::string context;  ///< the same
  double timeout_seconds = 10;
  bool json = false;
};

/// @return the container's exit code; 125 when the daemon refused, 126 and 127 when the command could not be run.
int run_command(const std::string& host, const RunOptions& options);
int exec_command(const std::string& host, const ExecOptions& options);
int logs_command(const std::string& host, const LogsOptions& options);
int ps_command(const std::string& host, bool all, bool quiet);
int images_command(const std::string& host, bool quiet);
/// @param file  a tar, "-" for standard input.
int import_command(const std::string& host, const std::string& file, const std::string& reference, const std::vector<std::string>& changes);
int version_command(const std::string& host);
/// Examines whether a Docker daemon can be reached. @return one of doctor_results().
int doctor_command(const DoctorCommandOptions& options);
/// The exit codes of doctor_command as lines of text.
std::string doctor_exit_codes();

}  // namespace sockerless::cli
