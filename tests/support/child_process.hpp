#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "base/unique_fd.hpp"

namespace sockerless::support {

/// How a process ended and what it printed. With a terminal everything is in `out`.
struct Output {
  int exit_code = -1;  ///< 128 + n for a process that signal n ended, as a shell says it
  std::string out;
  std::string err;
};

enum class Stdio { pipes, terminal };

/// A process under test: its standard streams are pipes or a terminal of its own. A process that still runs is killed with its object.
class ChildProcess {
 public:
  /// @param argv  the program (an absolute path or looked up in PATH) and its arguments.
  /// @param extra_environment  "NAME=value", laid over this process's environment.
  ChildProcess(const std::vector<std::string>& argv, Stdio stdio, const std::vector<std::string>& extra_environment = {});
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void write(std::string_view text);
  /// End-of-file for a pipe; a terminal gets ctrl-d.
  void close_input();
  void send_signal(int number) const;
  /// Sets the terminal's size; the process is told by SIGWINCH.
  void resize_terminal(unsigned short rows, unsigned short columns) const;

  /// Reads until the output so far (of both streams) contains `text`. False at the deadline or when the output ended without it.
  bool read_until(std::string_view text, std::chrono::milliseconds timeout = std::chrono::seconds(30));
  /// Reads the output to its end and reaps the process; nothing at the deadline.
  std::optional<Output> wait(std::chrono::milliseconds timeout = std::chrono::seconds(60));
  /// Reaps the process, whoever else still holds its streams. False at the deadline.
  bool wait_end(std::chrono::milliseconds timeout);
  /// Whether it has ended by now.
  bool has_ended();

  const std::string& out() const { return output_.out; }
  const std::string& err() const { return output_.err; }

 private:
  using Clock = std::chrono::steady_clock;
  void spawn_with_pipes(const std::vector<std::string>& argv, char** environment);
  void spawn_with_terminal(const std::vector<std::string>& argv, char** environment);
  /// Reads what comes before the deadline. False when both streams have ended or time is up.
  bool pump_once(Clock::time_point deadline);
  static void take(UniqueFd& fd, std::string& into);

  pid_t pid_ = -1;
  bool reaped_ = false;
  Stdio stdio_;
  UniqueFd input_;
  UniqueFd out_;  // the terminal, where there is one
  UniqueFd err_;
  Output output_;
};

/// Runs a program to its end. A process that takes longer than `timeout` is killed and gives exit code -1 and a word in `err`.
Output run_command(const std::vector<std::string>& argv, std::string_view input = {},
                   const std::vector<std::string>& extra_environment = {}, std::chrono::milliseconds timeout = std::chrono::seconds(60));

}  // namespace sockerless::support
