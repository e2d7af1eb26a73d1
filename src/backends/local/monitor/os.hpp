#pragma once
// The few system helpers of the monitor.

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "backends/local/monitor/protocol.hpp"

namespace sockerless::local {

/// Owns a descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }
  void reset(int fd = -1);
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

std::int64_t now_nanoseconds();
std::int64_t monotonic_milliseconds();
void set_nonblocking(int fd);
bool make_pipe_pair(Fd& read_end, Fd& write_end);

/// Starts a program in a session of its own with these descriptors as 0, 1 and 2 (-1: /dev/null). @return its pid, or -errno.
pid_t spawn(const std::vector<std::string>& arguments, int in, int out, int error);

/// The end of one child: reaps whatever ends meanwhile and keeps the statuses of others in `Reaper`.
class Reaper {
 public:
  /// Blocks SIGCHLD and makes the descriptor that tells of it.
  bool open();
  int fd() const { return signal_fd_.get(); }
  /// Takes the pending SIGCHLDs and reaps.
  void collect();
  /// True once `pid` has been reaped; its wait status goes to `status`.
  bool ended(pid_t pid, int& status) const;
  /// Waits at most `milliseconds` for `pid`. @return false on time-out.
  bool wait(pid_t pid, int milliseconds, int& status);
  void forget(pid_t pid);
  /// Watches over this pid only; others are reaped and forgotten.
  void expect(pid_t pid) { expected_.push_back({pid, 0, false}); }
  /// The runtime has just told the pid of a process that became our child: finds out whether it has ended already.
  void adopt(pid_t pid);

 private:
  struct Child {
    pid_t pid;
    int status;
    bool ended;
  };
  Fd signal_fd_;
  std::vector<Child> expected_;
  std::vector<Child> strangers_;
};

/// Runs a program to its end and kills its process group when it takes too long. @return wait status, or -1 when it hung.
int run_bounded(Reaper& reaper, const std::vector<std::string>& arguments, int in, int out, int error, int milliseconds);

/// Listens on `name` in the working directory, mode 0600. @return -1 with errno on failure.
int listen_here(const char* name);
/// Takes one descriptor sent over the first connection to the listener. @return -1 when none came.
int receive_descriptor(int listener);
/// Sends a message with its text and descriptors. @return false when the peer is gone or does not read.
bool send_message(int fd, Message message, const char* text, std::size_t length, const int* descriptors = nullptr, int count = 0);
/// Everything that can be read from the descriptor without waiting, at most `limit` bytes, without trailing newlines.
std::string read_available(int fd, std::size_t limit);
/// Removes a folder that holds files only. @return false: it is still there.
bool remove_flat_folder(const char* path);
/// The number in a small file, 0 when there is none.
pid_t read_pid_file(const char* name);

}  // namespace sockerless::local
