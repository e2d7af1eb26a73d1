#include "backends/local/monitor/os.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" char** environ;  // NOLINT(readability-redundant-declaration): not in every libc's header

namespace sockerless::local {

namespace {

constexpr int kPipeBytes = 1024 * 1024;
constexpr int kMaxDescriptors = 3;

}  // namespace

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

std::int64_t now_nanoseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

std::int64_t monotonic_milliseconds() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1000 + time.tv_nsec / 1'000'000;
}

void set_nonblocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

bool make_pipe_pair(Fd& read_end, Fd& write_end) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return false;
  ::fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);  // refused beyond the user's limit: the pipe keeps its size
  read_end.reset(ends[0]);
  write_end.reset(ends[1]);
  return true;
}

pid_t spawn(const std::vector<std::string>& arguments, int in, int out, int error) {
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (const auto& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const int wanted[3] = {in, out, error};
  for (int target = 0; target < 3; ++target) {
    if (wanted[target] >= 0) {
      posix_spawn_file_actions_adddup2(&actions, wanted[target], target);
    } else {
      posix_spawn_file_actions_addopen(&actions, target, "/dev/null", O_RDWR, 0);
    }
  }
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  pid_t pid = -1;
  const int failure = ::posix_spawn(&pid, pointers[0], &actions, &attributes, pointers.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return failure == 0 ? pid : -failure;
}

// ---- Reaper

bool Reaper::open() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  if (::sigprocmask(SIG_BLOCK, &signals, nullptr) != 0) return false;
  signal_fd_.reset(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  return static_cast<bool>(signal_fd_);
}

void Reaper::collect() {
  signalfd_siginfo info[8];
  while (::read(signal_fd_.get(), info, sizeof(info)) > 0) {}
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return;
    bool known = false;
    for (auto& child : expected_) {
      if (child.pid != pid || child.ended) continue;
      child = {pid, status, true};
      known = true;
    }
    // The container's process may end before the runtime has told us its pid. Only the last few strangers can matter.
    if (!known) {
      if (strangers_.size() >= 64) strangers_.erase(strangers_.begin());
      strangers_.push_back({pid, status, true});
    }
  }
}

void Reaper::adopt(pid_t pid) {
  for (const auto& child : strangers_) {
    if (child.pid == pid) {
      expected_.push_back(child);
      return;
    }
  }
  expect(pid);
}

bool Reaper::ended(pid_t pid, int& status) const {
  for (const auto& child : expected_) {
    if (child.pid == pid && child.ended) {
      status = child.status;
      return true;
    }
  }
  return false;
}

void Reaper::forget(pid_t pid) {
  for (std::size_t i = 0; i < expected_.size(); ++i) {
    if (expected_[i].pid != pid) continue;
    expected_.erase(expected_.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
}

bool Reaper::wait(pid_t pid, int milliseconds, int& status) {
  const std::int64_t deadline = monotonic_milliseconds() + milliseconds;
  for (;;) {
    collect();
    if (ended(pid, status)) return true;
    const std::int64_t left = deadline - monotonic_milliseconds();
    if (left <= 0) return false;
    pollfd entry{signal_fd_.get(), POLLIN, 0};
    ::poll(&entry, 1, static_cast<int>(left));
  }
}

int run_bounded(Reaper& reaper, const std::vector<std::string>& arguments, int in, int out, int error, int milliseconds) {
  const pid_t pid = spawn(arguments, in, out, error);
  if (pid < 0) {
    const std::string text = "cannot run " + arguments[0] + ": " + std::strerror(-pid) + "\n";
    if (error >= 0 && ::write(error, text.data(), text.size()) < 0) return 127 << 8;
    return 127 << 8;  // what a shell would say: an exit status of 127
  }
  reaper.expect(pid);
  int status = 0;
  const bool ended = reaper.wait(pid, milliseconds, status);
  if (!ended) {
    ::kill(-pid, SIGKILL);  // it leads a session and group of its own
    ::kill(pid, SIGKILL);
    reaper.wait(pid, 1000, status);
  }
  reaper.forget(pid);
  return ended ? status : -1;
}

// ---- sockets

int listen_here(const char* name) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return -1;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, name, sizeof(address.sun_path) - 1);
  ::unlink(name);
  const mode_t before = ::umask(0177);
  const bool bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::umask(before);
  if (!bound || ::listen(fd.get(), 32) != 0) return -1;
  return fd.release();
}

int receive_descriptor(int listener) {
  pollfd entry{listener, POLLIN, 0};
  if (::poll(&entry, 1, 1000) <= 0) return -1;
  const Fd connection(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!connection) return -1;
  timeval limit{1, 0};
  ::setsockopt(connection.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  char data[256];
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  iovec vector{data, sizeof(data)};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  if (::recvmsg(connection.get(), &header, MSG_CMSG_CLOEXEC) < 0) return -1;
  const cmsghdr* part = CMSG_FIRSTHDR(&header);
  if (part == nullptr || part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) return -1;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(part), sizeof(fd));
  return fd;
}

bool send_message(int fd, Message message, const char* text, std::size_t length, const int* descriptors, int count) {
  if (length > kMaxMessageText) length = kMaxMessageText;
  message.text_length = static_cast<std::uint32_t>(length);
  iovec vectors[2] = {{&message, sizeof(message)}, {const_cast<char*>(text), length}};
  msghdr header{};
  header.msg_iov = vectors;
  header.msg_iovlen = length > 0 ? 2 : 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
  if (count > 0 && count <= kMaxDescriptors) {
    std::memset(control, 0, sizeof(control));
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * static_cast<std::size_t>(count));
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int) * static_cast<std::size_t>(count));
    std::memcpy(CMSG_DATA(part), descriptors, sizeof(int) * static_cast<std::size_t>(count));
  }
  // Never waits: a reader that has let its socket fill up loses the connection, and learns what it missed from the exit record.
  const ssize_t sent = ::sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent == static_cast<ssize_t>(sizeof(message) + length);
}

std::string read_available(int fd, std::size_t limit) {
  std::string text;
  char buffer[4096];
  while (text.size() < limit) {
    const ssize_t count = ::read(fd, buffer, sizeof(buffer));
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  if (text.size() > limit) text.resize(limit);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

bool remove_flat_folder(const char* path) {
  DIR* folder = ::opendir(path);
  if (folder == nullptr) return errno == ENOENT;
  while (const dirent* entry = ::readdir(folder)) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) ::unlinkat(::dirfd(folder), entry->d_name, 0);
  }
  ::closedir(folder);
  return ::rmdir(path) == 0;
}

pid_t read_pid_file(const char* name) {
  const Fd fd(::open(name, O_RDONLY | O_CLOEXEC));
  if (!fd) return 0;
  char text[32] = {};
  if (::read(fd.get(), text, sizeof(text) - 1) <= 0) return 0;
  return static_cast<pid_t>(std::strtol(text, nullptr, 10));
}

}  // namespace sockerless::local
