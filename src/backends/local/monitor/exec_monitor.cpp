#include "backends/local/monitor/exec_monitor.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/local/monitor/os.hpp"

namespace sockerless::local {

namespace {

int status_code(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

class ExecMonitor {
 public:
  explicit ExecMonitor(const ExecOptions& options) : options_(options), pid_file_("exec-" + options.name + ".pid") {}

  int run() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    ::signal(SIGPIPE, SIG_IGN);
    if (!reaper_.open()) return fail(FailureKind::monitor, 0, std::string("signalfd: ") + std::strerror(errno));
    if (!start()) return 1;
    const int code = wait_for_end();
    Message message;
    message.kind = MessageKind::exited;
    message.a = code;
    message.time = now_nanoseconds();
    send_message(options_.channel, message, nullptr, 0);
    return 0;
  }

 private:
  int fail(FailureKind kind, int status, const std::string& text) {
    Message message;
    message.kind = MessageKind::failed;
    message.a = static_cast<std::int32_t>(kind);
    message.b = status;
    send_message(options_.channel, message, text.data(), text.size());
    return 1;
  }

  bool start() {
    Fd in_read;
    Fd in_write;
    Fd out_read;
    Fd out_write;
    Fd error_read;
    Fd error_write;
    Fd console;
    const std::string console_name = "exec-" + options_.name + ".sock";
    bool ready = make_pipe_pair(error_read, error_write);
    auto command = options_.runtime;
    command.insert(command.end(), {"exec", "--detach", "--process", options_.process, "--pid-file", pid_file_});
    if (options_.tty) {
      console.reset(listen_here(console_name.c_str()));
      ready = ready && console;
      command.insert(command.end(), {"--console-socket", console_name});
    } else {
      ready = ready && make_pipe_pair(out_read, out_write);
      if (options_.open_stdin) ready = ready && make_pipe_pair(in_read, in_write);
    }
    command.push_back(options_.id);
    if (!ready) {
      fail(FailureKind::monitor, 0, std::string("make the pipes: ") + std::strerror(errno));
      return false;
    }
    const int out_fd = options_.tty ? error_write.get() : out_write.get();
    const int status = run_bounded(reaper_, command, in_read.get(), out_fd, error_write.get(), options_.start_timeout_ms);
    pid_ = status == 0 ? read_pid_file(pid_file_.c_str()) : 0;
    ::unlink(pid_file_.c_str());
    ::unlink(options_.process.c_str());
    Fd master;
    if (options_.tty && pid_ > 0) master.reset(receive_descriptor(console.get()));
    if (options_.tty) ::unlink(console_name.c_str());
    if (pid_ <= 0 || (options_.tty && !master)) {
      set_nonblocking(error_read.get());
      const std::string text = read_available(error_read.get(), kMaxMessageText);
      fail(status == -1 ? FailureKind::hung : FailureKind::runtime, status == -1 ? 0 : status_code(status), text);
      return false;
    }
    reaper_.adopt(pid_);
    Message message;
    message.kind = MessageKind::started;
    message.a = pid_;
    message.time = now_nanoseconds();
    int descriptors[3];
    int count = 0;
    if (options_.tty) {
      descriptors[count++] = master.get();
    } else {
      if (options_.open_stdin) descriptors[count++] = in_write.get();
      descriptors[count++] = out_read.get();
      descriptors[count++] = error_read.get();
    }
    send_message(options_.channel, message, nullptr, 0, descriptors, count);
    return true;  // every copy of the streams is closed here: only the daemon and the process hold them
  }

  int wait_for_end() {
    int status = 0;
    bool channel_open = true;
    while (!reaper_.ended(pid_, status)) {
      pollfd entries[2] = {{reaper_.fd(), POLLIN, 0}, {channel_open ? options_.channel : -1, POLLIN, 0}};
      if (::poll(entries, 2, -1) < 0 && errno != EINTR) break;
      if (entries[1].revents != 0) channel_open = read_command();
      if (entries[0].revents != 0) reaper_.collect();
    }
    return status_code(status);
  }

  bool read_command() {
    Message message;
    const ssize_t count = ::recv(options_.channel, &message, sizeof(message), MSG_WAITALL);
    if (count != sizeof(message) || message.magic != kMessageMagic) return false;
    int status = 0;
    if (message.kind == MessageKind::signal && !reaper_.ended(pid_, status)) ::kill(pid_, message.a);
    return true;
  }

  const ExecOptions& options_;
  const std::string pid_file_;
  Reaper reaper_;
  pid_t pid_ = 0;
};

}  // namespace

int monitor_exec(const ExecOptions& options) { return ExecMonitor(options).run(); }

}  // namespace sockerless::local
