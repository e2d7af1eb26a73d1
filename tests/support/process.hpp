#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace sockerless::support {

/// A child process; ended when it goes out of scope (SIGTERM, then SIGKILL).
class Process {
 public:
  /// Starts argv[0], found in PATH, with its output in `log_file`.
  Process(std::vector<std::string> argv, const std::filesystem::path& log_file);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();

  pid_t pid() const { return pid_; }
  bool alive();
  /// SIGTERM, after 20 s SIGKILL. @return the exit code, 128+n for a signal; 0 when it was ended before.
  int stop();
  /// SIGKILL.
  void kill();

 private:
  pid_t pid_ = -1;
};

/// Runs to the end, its output dropped; what it leaves running in the background is not waited for. @return the exit code.
int run_process(const std::vector<std::string>& argv);

/// SIGSTOP to a child, and until it stands still: the signal alone leaves its other threads time for an answer.
void freeze(pid_t child);

bool is_installed(const std::string& program);

/// A directory under the system's temporary one that goes with its owner.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace sockerless::support
