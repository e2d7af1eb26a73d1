#include "tests/support/process.hpp"

#include <csignal>
#include <cstdlib>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child_process.hpp"
#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "tests/support/spawn.hpp"

namespace sockerless::support {

namespace {

using namespace std::chrono_literals;

pid_t spawn(const std::vector<std::string>& argv, int output_fd) {
  SpawnPlan plan;
  plan.open("/dev/null", STDIN_FILENO);
  plan.use(output_fd, STDOUT_FILENO);
  plan.use(output_fd, STDERR_FILENO);
  return plan.spawn(argv, environ);
}

}  // namespace

Process::Process(std::vector<std::string> argv, const std::filesystem::path& log_file) {
  const UniqueFd log = blocking_open(log_file.string(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  pid_ = spawn(argv, log.get());
}

Process::Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
Process::~Process() { stop(); }

bool Process::alive() { return pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == 0; }

int Process::stop() {
  if (pid_ <= 0) return 0;
  ::kill(pid_, SIGTERM);
  const auto give_up = std::chrono::steady_clock::now() + 20s;
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > give_up) ::kill(pid_, SIGKILL);
    std::this_thread::sleep_for(5ms);
  }
  pid_ = -1;
  return exit_code_of(status);
}

void Process::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void freeze(pid_t child) {
  ::kill(child, SIGSTOP);
  siginfo_t stopped{};
  ::waitid(P_PID, static_cast<id_t>(child), &stopped, WSTOPPED | WNOWAIT);
}

int run_process(const std::vector<std::string>& argv) {
  const UniqueFd nowhere = blocking_open("/dev/null", O_WRONLY);
  int status = 0;
  ::waitpid(spawn(argv, nowhere.get()), &status, 0);
  return exit_code_of(status);
}

bool is_installed(const std::string& program) {
  const char* path = std::getenv("PATH");
  const std::string directories = path == nullptr ? "/usr/bin:/bin" : path;
  std::size_t begin = 0;
  while (begin <= directories.size()) {
    const std::size_t end = std::min(directories.find(':', begin), directories.size());
    if (::access((directories.substr(begin, end - begin) + "/" + program).c_str(), X_OK) == 0) return true;
    begin = end + 1;
  }
  return false;
}

TempDir::TempDir() {
  std::string name = (std::filesystem::temp_directory_path() / "sockerless-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw from_errno(errno, "make a temporary directory");
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;  // left-overs in the temporary directory harm nobody
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace sockerless::support
