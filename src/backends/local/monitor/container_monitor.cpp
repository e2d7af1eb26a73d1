#include "backends/local/monitor/container_monitor.hpp"

// One process a container, and the only one that holds its pipes. Everything a container's life needs after its start is here, so the
// daemon may die and come back:
//
//   run the runtime -> tell the daemon -> { output to the log, input from connections, commands } -> the first process ends ->
//   drain the output -> exit record -> tell the watchers -> runtime delete -> unmount -> end
//
// The lock on the container's directory is held from the first to the last of these: who gets it knows that nothing of the run is left.

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/local/monitor/log_writer.hpp"

namespace sockerless::local {

namespace {

constexpr std::size_t kMaxConnections = 64;
constexpr int kDeleteTimeoutMs = 20'000;
constexpr int kDrainTimeoutMs = 2'000;
constexpr int kReadsPerTurn = 32;
constexpr int kPollPauseMs = 10;
constexpr std::size_t kExitRecordBytes = 512;
constexpr const char* kUnfinishedRecordName = "exit.json.tmp";

/// A connection of the daemon: commands at first, input for the container after `attach_stdin`.
struct Connection {
  Fd fd;
  bool watches = false;
  bool is_input = false;
  bool ended = false;        // no more input will come from it
  bool half_closed = false;  // its peer said so and waits for our end: the container's stdin is to be closed
  char head[sizeof(Message)];
  std::size_t head_size = 0;
  std::string pending;  // input the container has not taken yet
};

class ContainerMonitor {
 public:
  explicit ContainerMonitor(const MonitorOptions& options) : options_(options) {}
  int run();

 private:
  bool set_up(std::string& problem);
  bool start_container();
  void serve();
  void finish();
  bool remove_remains();
  bool delete_container();
  void clean_up();

  void report_failure(FailureKind kind, int status, const std::string& text);
  std::vector<std::string> runtime_command(const char* verb) const;

  std::size_t add_poll(int fd, short events);
  void pump_output(Fd& fd, std::uint8_t stream, int reads);
  bool drain(int milliseconds);
  void accept_connections();
  void read_connection(Connection& connection);
  void handle(Connection& connection, const Message& message);
  void feed_stdin(Connection& connection);
  void reply(Connection& connection, int error);
  int resize(int rows, int columns);
  void drop_dead_connections();
  std::string write_exit_record(int exit_code, int signal_number, std::int64_t finished_at);
  bool was_oom_killed() const;

  const MonitorOptions& options_;
  Reaper reaper_;
  LogWriter log_;
  Fd directory_;
  Fd exit_record_;
  Fd listener_;
  Fd console_listener_;
  Fd stdout_;  // with a tty: the pty's master
  Fd stderr_;
  Fd stdin_;  // with a tty: unused
  bool stdin_closed_ = false;
  pid_t pid_ = 0;
  int wait_status_ = 0;
  bool oom_killed_ = false;
  std::int64_t started_at_ = 0;
  std::vector<Connection> connections_;
  std::vector<pollfd> polls_;
};

/// Whether the peer has closed both directions: it died, or detached.
bool is_gone(int fd) {
  pollfd entry{fd, 0, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

std::string describe(const char* what) { return std::string(what) + ": " + std::strerror(errno); }

int ContainerMonitor::run() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  ::signal(SIGPIPE, SIG_IGN);
  connections_.reserve(kMaxConnections);  // references into it stay valid
  connections_.emplace_back();
  connections_.back().fd.reset(options_.channel);
  connections_.back().watches = true;
  set_nonblocking(options_.channel);

  std::string problem;
  if (!set_up(problem)) {
    report_failure(FailureKind::monitor, 0, problem);
    return 1;  // another monitor may own the directory: leave everything as it is
  }
  if (!start_container()) {
    connections_.erase(connections_.begin() + 1, connections_.end());
    delete_container();
    clean_up();
    return 1;
  }
  serve();
  finish();
  return 0;
}

bool ContainerMonitor::set_up(std::string& problem) {
  directory_.reset(::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory_ || ::flock(directory_.get(), LOCK_EX | LOCK_NB) != 0)
    return problem = describe("the previous run has not ended yet"), false;
  ::unlink(kExitRecordName);
  ::unlink(kPidFileName);
  // The record's room on the disk is taken now, so that a container that fills the disk still leaves one.
  char blank[kExitRecordBytes];
  std::memset(blank, ' ', sizeof(blank));
  exit_record_.reset(::open(kUnfinishedRecordName, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!exit_record_ || ::write(exit_record_.get(), blank, sizeof(blank)) != static_cast<ssize_t>(sizeof(blank))) {
    return problem = describe("make room for the exit record"), false;
  }
  if (!reaper_.open()) return problem = describe("signalfd"), false;
  if (options_.log_size > 0) log_.limit(options_.log_size, options_.log_files);
  if (!log_.open(kLogName)) return problem = describe("open the container's log"), false;
  listener_.reset(listen_here(kControlSocketName));
  if (!listener_) return problem = describe("listen on the control socket"), false;
  set_nonblocking(listener_.get());
  return true;
}

std::vector<std::string> ContainerMonitor::runtime_command(const char* verb) const {
  std::vector<std::string> command = options_.runtime;
  command.emplace_back(verb);
  return command;
}

void ContainerMonitor::report_failure(FailureKind kind, int status, const std::string& text) {
  Message message;
  message.kind = MessageKind::failed;
  message.a = static_cast<std::int32_t>(kind);
  message.b = status;
  message.time = now_nanoseconds();
  for (auto& connection : connections_) send_message(connection.fd.get(), message, text.data(), text.size());
}

/// Runs the runtime. Nothing is read from the pipes before it has ended: when it fails, what is in them are its words, not the container's.
bool ContainerMonitor::start_container() {
  Fd child_in;
  Fd child_out;
  Fd child_error;
  bool ready = make_pipe_pair(stderr_, child_error);
  auto command = runtime_command("run");
  command.insert(command.end(), {"--detach", "--pid-file", kPidFileName});
  if (options_.tty) {
    console_listener_.reset(listen_here(kConsoleSocketName));
    ready = ready && console_listener_;
    command.insert(command.end(), {"--console-socket", kConsoleSocketName});
  } else {
    ready = ready && make_pipe_pair(stdout_, child_out);
    if (options_.open_stdin) ready = ready && make_pipe_pair(child_in, stdin_);
  }
  command.push_back(options_.id);
  if (!ready) {
    report_failure(FailureKind::monitor, 0, describe("make the container's pipes"));
    return false;
  }
  const int error_fd = child_error.get();
  const int out_fd = options_.tty ? error_fd : child_out.get();
  const int status = run_bounded(reaper_, command, child_in.get(), out_fd, error_fd, options_.start_timeout_ms);
  child_in.reset();
  child_out.reset();
  child_error.reset();
  if (stdout_) set_nonblocking(stdout_.get());
  set_nonblocking(stderr_.get());
  if (stdin_) set_nonblocking(stdin_.get());

  pid_ = status == 0 ? read_pid_file(kPidFileName) : 0;
  if (options_.tty && pid_ > 0) {
    stdout_.reset(receive_descriptor(console_listener_.get()));
    if (stdout_) set_nonblocking(stdout_.get());
  }
  console_listener_.reset();
  if (options_.tty) ::unlink(kConsoleSocketName);
  if (pid_ <= 0 || !stdout_) {
    std::string text = read_available(stderr_.get(), kMaxMessageText);
    if (text.empty() && stdout_) text = read_available(stdout_.get(), kMaxMessageText);
    if (status == -1) {
      report_failure(FailureKind::hung, 0, text);
    } else {
      report_failure(FailureKind::runtime, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text);
    }
    return false;
  }
  if (options_.tty) stderr_.reset();  // the runtime's own; a tty has one stream
  reaper_.adopt(pid_);
  started_at_ = now_nanoseconds();
  // The container is on its way with its own score: only the monitor becomes a poor victim. Without the privilege it stays as it is.
  const Fd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (score && ::write(score.get(), "-998", 4) < 0) errno = 0;
  Message message;
  message.kind = MessageKind::started;
  message.a = pid_;
  message.time = started_at_;
  send_message(connections_[0].fd.get(), message, nullptr, 0);
  return true;
}

// ---- the run

std::size_t ContainerMonitor::add_poll(int fd, short events) {
  polls_.push_back({fd, events, 0});
  return polls_.size() - 1;
}

void ContainerMonitor::serve() {
  while (!reaper_.ended(pid_, wait_status_)) {
    polls_.clear();
    add_poll(reaper_.fd(), POLLIN);
    const bool room = connections_.size() < kMaxConnections;
    add_poll(room ? listener_.get() : -1, POLLIN);
    add_poll(stdout_.get(), POLLIN);
    add_poll(stderr_.get(), POLLIN);
    bool input_waits = false;
    for (auto& connection : connections_) {
      const bool blocked = !connection.pending.empty();
      input_waits = input_waits || blocked;
      add_poll(blocked || connection.ended ? -1 : connection.fd.get(), POLLIN);
    }
    const int input = options_.tty ? stdout_.get() : stdin_.get();
    add_poll(input_waits ? input : -1, POLLOUT);
    if (::poll(polls_.data(), polls_.size(), -1) < 0) {
      // Out of memory for a moment, or interrupted: the end of the process must still be seen, or its exit code would be made up.
      reaper_.wait(pid_, kPollPauseMs, wait_status_);
      continue;
    }

    if (polls_[2].revents != 0) pump_output(stdout_, 1, kReadsPerTurn);
    if (polls_[3].revents != 0) pump_output(stderr_, 2, kReadsPerTurn);
    const std::size_t known = polls_.size() - 5;
    for (std::size_t i = 0; i < known; ++i) {
      if (polls_[4 + i].revents != 0) read_connection(connections_[i]);
      if (!connections_[i].pending.empty()) feed_stdin(connections_[i]);
    }
    if (polls_[1].revents != 0) accept_connections();
    drop_dead_connections();
    if (polls_[0].revents != 0) reaper_.collect();
  }
}

void ContainerMonitor::pump_output(Fd& fd, std::uint8_t stream, int reads) {
  for (int i = 0; i < reads && fd; ++i) {
    const ssize_t count = log_.copy_from(fd.get(), stream);
    if (count > 0) continue;
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    // The end; a pty says EIO. With a tty the master stays for resize and input until the process ends, unless it is gone for good.
    if (!options_.tty || count == 0 || errno == EIO) fd.reset();
    return;
  }
}

/// Reads what is left until both streams have ended. @return false when somebody still holds them after that time.
bool ContainerMonitor::drain(int milliseconds) {
  const std::int64_t deadline = monotonic_milliseconds() + milliseconds;
  for (;;) {
    pump_output(stdout_, 1, kReadsPerTurn);
    pump_output(stderr_, 2, kReadsPerTurn);
    if (!stdout_ && !stderr_) return true;
    pollfd entries[2] = {{stdout_.get(), POLLIN, 0}, {stderr_.get(), POLLIN, 0}};
    const std::int64_t left = deadline - monotonic_milliseconds();
    const int ready = ::poll(entries, 2, left > 0 ? static_cast<int>(left) : 0);
    if (ready <= 0 && left <= 0) return false;
  }
}

void ContainerMonitor::accept_connections() {
  while (connections_.size() < kMaxConnections) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!fd) return;
    ucred peer{};
    socklen_t size = sizeof(peer);
    if (::getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || (peer.uid != ::geteuid() && peer.uid != 0)) continue;
    connections_.emplace_back();
    connections_.back().fd = std::move(fd);
  }
}

void ContainerMonitor::read_connection(Connection& connection) {
  if (connection.is_input) {
    static char buffer[64 * 1024];
    const ssize_t count = ::read(connection.fd.get(), buffer, sizeof(buffer));
    if (count > 0) {
      connection.pending.assign(buffer, static_cast<std::size_t>(count));
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      connection.ended = true;
      connection.half_closed = count == 0 && !is_gone(connection.fd.get());
    }
    return;
  }
  const ssize_t count = ::read(connection.fd.get(), connection.head + connection.head_size, sizeof(Message) - connection.head_size);
  if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) connection.ended = true;
  if (count <= 0) return;
  connection.head_size += static_cast<std::size_t>(count);
  if (connection.head_size < sizeof(Message)) return;
  connection.head_size = 0;
  Message message;
  std::memcpy(&message, connection.head, sizeof(message));
  if (message.magic != kMessageMagic || message.text_length != 0) {
    connection.ended = true;
    return;
  }
  handle(connection, message);
}

void ContainerMonitor::handle(Connection& connection, const Message& message) {
  switch (message.kind) {
    case MessageKind::watch: {
      Message answer;
      answer.kind = MessageKind::started;
      answer.a = pid_;
      answer.time = started_at_;
      connection.watches = true;
      if (!send_message(connection.fd.get(), answer, nullptr, 0)) connection.ended = true;
      return;
    }
    case MessageKind::signal: {
      // Our own child that has not been waited for: its pid cannot have been given to anybody else.
      int status = 0;
      const bool gone = reaper_.ended(pid_, status);
      return reply(connection, gone ? ESRCH : ::kill(pid_, message.a) == 0 ? 0 : errno);
    }
    case MessageKind::resize:
      return reply(connection, resize(message.a, message.b));
    case MessageKind::attach_stdin: {
      const bool open = options_.open_stdin && (options_.tty ? static_cast<bool>(stdout_) : stdin_ && !stdin_closed_);
      reply(connection, open ? 0 : options_.open_stdin ? EPIPE : ENXIO);
      if (!open) connection.ended = true;
      connection.is_input = open;
      return;
    }
    default:
      connection.ended = true;
  }
}

void ContainerMonitor::reply(Connection& connection, int error) {
  Message message;
  message.kind = MessageKind::reply;
  message.a = error;
  if (!send_message(connection.fd.get(), message, nullptr, 0)) connection.ended = true;
}

int ContainerMonitor::resize(int rows, int columns) {
  if (!options_.tty || !stdout_) return ENOTTY;
  winsize size{};
  size.ws_row = static_cast<unsigned short>(rows);
  size.ws_col = static_cast<unsigned short>(columns);
  return ::ioctl(stdout_.get(), TIOCSWINSZ, &size) == 0 ? 0 : errno;
}

void ContainerMonitor::feed_stdin(Connection& connection) {
  const int target = options_.tty ? stdout_.get() : stdin_.get();
  if (target < 0) {  // closed by the container: the writer learns it from the end of its connection
    connection.pending.clear();
    connection.ended = true;
    return;
  }
  const ssize_t count = ::write(target, connection.pending.data(), connection.pending.size());
  if (count > 0) {
    connection.pending.erase(0, static_cast<std::size_t>(count));
  } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
    if (!options_.tty) {
      stdin_.reset();
      stdin_closed_ = true;
    }
    connection.pending.clear();
    connection.ended = true;
    connection.half_closed = false;
  }
}

void ContainerMonitor::drop_dead_connections() {
  for (std::size_t i = connections_.size(); i-- > 0;) {
    Connection& connection = connections_[i];
    if (!connection.ended || !connection.pending.empty()) continue;
    if (connection.half_closed && stdin_) {
      stdin_.reset();
      stdin_closed_ = true;
    }
    connections_.erase(connections_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

// ---- the end

bool ContainerMonitor::was_oom_killed() const {
  if (options_.oom_file.empty()) return false;
  const Fd fd(::open(options_.oom_file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return false;
  const std::string text = read_available(fd.get(), 4096);
  for (std::size_t at = text.find("oom_kill "); at != std::string::npos; at = text.find("oom_kill ", at + 1)) {
    if (at == 0 || text[at - 1] == '\n') return std::strtol(text.c_str() + at + 9, nullptr, 10) > 0;
  }
  return false;
}

std::string ContainerMonitor::write_exit_record(int exit_code, int signal_number, std::int64_t finished_at) {
  char text[kExitRecordBytes];
  std::snprintf(text, sizeof(text),
                "{\"exit_code\": %d, \"signal\": %d, \"oom_killed\": %s, \"pid\": %d, \"started_at\": %lld, \"finished_at\": %lld, "
                "\"log_size\": %llu, \"log_dropped\": %llu}\n",
                exit_code, signal_number, oom_killed_ ? "true" : "false", static_cast<int>(pid_), static_cast<long long>(started_at_),
                static_cast<long long>(finished_at), static_cast<unsigned long long>(log_.size()),
                static_cast<unsigned long long>(log_.dropped_bytes()));
  std::size_t length = std::strlen(text);
  std::memset(text + length, ' ', sizeof(text) - length);
  if (::pwrite(exit_record_.get(), text, sizeof(text), 0) == static_cast<ssize_t>(sizeof(text)))
    ::rename(kUnfinishedRecordName, kExitRecordName);
  text[length] = '\0';
  return text;
}

void ContainerMonitor::finish() {
  const std::int64_t finished_at = now_nanoseconds();
  stdin_.reset();
  oom_killed_ = was_oom_killed();  // its cgroup is gone after the delete
  bool deleted = false;
  const bool drained = drain(0);
  if (!drained) {
    // Processes outside the container's pid namespace still hold the streams: deleting the container ends those in its cgroup.
    deleted = delete_container();
    drain(kDrainTimeoutMs);
  }
  const int signal_number = WIFSIGNALED(wait_status_) ? WTERMSIG(wait_status_) : 0;
  const int exit_code = signal_number != 0 ? 128 + signal_number : WEXITSTATUS(wait_status_);
  const std::string record = write_exit_record(exit_code, signal_number, finished_at);
  Message message;
  message.kind = MessageKind::exited;
  message.a = exit_code;
  message.time = finished_at;
  for (auto& connection : connections_) {
    if (connection.watches) send_message(connection.fd.get(), message, record.data(), record.size());
  }
  std::vector<Connection> watchers;  // they see the end of their connection when the clean-up is done
  for (auto& connection : connections_) {
    if (connection.watches) watchers.push_back(std::move(connection));
  }
  connections_.clear();
  ::unlink(kControlSocketName);
  listener_.reset();
  if (!deleted && !(drained && remove_remains())) delete_container();
  clean_up();
}

/// What the runtime's delete would do, without the price of another process. The common case only: all processes are gone and nobody has
/// made control groups below. @return false: something is left, the runtime has to do it.
bool ContainerMonitor::remove_remains() {
  if (options_.state.empty()) return false;
  for (const auto& cgroup : options_.cgroups) {
    if (::rmdir(cgroup.c_str()) != 0 && errno != ENOENT) return false;
  }
  return remove_flat_folder(options_.state.c_str());
}

bool ContainerMonitor::delete_container() {
  auto command = runtime_command("delete");
  command.insert(command.end(), {"--force", options_.id});
  return run_bounded(reaper_, command, -1, -1, -1, kDeleteTimeoutMs) == 0;
}

void ContainerMonitor::clean_up() {
  for (const auto& target : options_.unmounts) ::umount2(target.c_str(), MNT_DETACH);
  ::unlink(kControlSocketName);
  ::unlink(kPidFileName);
  ::unlink(kUnfinishedRecordName);
}

}  // namespace

int monitor_container(const MonitorOptions& options) {
  static ContainerMonitor* monitor = new ContainerMonitor(options);  // holds a 64 KiB record: not for the stack
  return monitor->run();
}

}  // namespace sockerless::local
