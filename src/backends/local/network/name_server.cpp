#include "backends/local/network/name_server.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/local/container_store.hpp"
#include "base/child_process.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

Logger log("local");

constexpr const char* kProgram = "aardvark-dns";
constexpr std::string_view kPidFile = "aardvark.pid";
constexpr auto kStartPatience = std::chrono::seconds(10);
constexpr int kStopPatienceMilliseconds = 2000;

std::string find_aardvark() {
  const std::string found = find_program(kProgram, "/usr/lib/podman:/usr/libexec/podman:/usr/local/libexec/podman");
  return found.empty() ? find_program(kProgram) : found;
}

/// Fields are separated by spaces and names by commas.
bool fits(const std::string& name) {
  return !name.empty() && std::ranges::all_of(name, [](unsigned char c) { return std::isgraph(c) != 0 && c != ','; });
}

}  // namespace

std::string make_names_file(const NamedNetwork& network) {
  std::string text = fmt::format("{}\n", fmt::join(network.listen, ","));
  for (const auto& endpoint : network.endpoints) {
    std::vector<std::string> names;
    std::ranges::copy_if(endpoint.names, std::back_inserter(names), fits);
    if (names.empty()) continue;
    text += fmt::format("{} {} {} {}", endpoint.container, endpoint.ipv4, endpoint.ipv6, fmt::join(names, ","));
    if (!endpoint.name_servers.empty()) text += fmt::format(" {}", fmt::join(endpoint.name_servers, ","));
    text += '\n';
  }
  return text;
}

NameServer::NameServer(std::string directory) : directory_(std::move(directory)) {}

/// Whose command line names this directory: a number alone may be another process's by now.
pid_t NameServer::find_process() const {
  std::ifstream file(directory_ + "/" + std::string(kPidFile));
  pid_t pid = 0;
  if (!(file >> pid) || pid <= 1) return 0;
  std::ifstream command(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
  const std::string line{std::istreambuf_iterator<char>(command), std::istreambuf_iterator<char>()};
  return line.contains(kProgram) && line.contains('\0' + directory_ + '\0') ? pid : 0;
}

void NameServer::start() {
  const std::string program = find_aardvark();
  if (program.empty()) {
    log.warn("aardvark-dns is not installed: containers on user networks do not find each other by name");
    return;
  }
  // It answers when it listens, and goes on in the background.
  const ProgramResult result = blocking_run_program({program, "--config", directory_, "--port", "53", "run"}, kStartPatience);
  if (result.exit_code != 0 || result.timed_out) log.warn("aardvark-dns does not start error={}", result.error);
}

void NameServer::reload() {
  if (const pid_t pid = find_process(); pid != 0 && ::kill(pid, SIGHUP) == 0) return;
  start();
}

void NameServer::blocking_set(const std::string& network, const NamedNetwork& names) {
  const std::scoped_lock lock(mutex_);
  fs::create_directories(directory_);
  const std::string path = directory_ + "/" + network;
  const std::string draft = directory_ + ".draft";  // not in the folder that the process reads
  write_file(draft, make_names_file(names));
  fs::rename(draft, path);
  reload();
}

void NameServer::blocking_remove(const std::string& network) {
  const std::scoped_lock lock(mutex_);
  std::error_code error;
  if (!fs::remove(directory_ + "/" + network, error)) return;
  if (const pid_t pid = find_process(); pid != 0) ::kill(pid, SIGHUP);  // without networks it ends
}

void NameServer::blocking_keep_only(const std::vector<std::string>& networks) {
  const std::scoped_lock lock(mutex_);
  std::error_code error;
  std::vector<fs::path> strange;
  for (const auto& file : fs::directory_iterator(directory_, error)) {
    const std::string name = file.path().filename();
    if (name != kPidFile && std::ranges::find(networks, name) == networks.end()) strange.push_back(file.path());
  }
  for (const auto& path : strange) fs::remove(path, error);
}

void NameServer::blocking_stop() {
  const std::scoped_lock lock(mutex_);
  if (const pid_t pid = find_process(); pid != 0) {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    ::kill(pid, SIGTERM);
    pollfd ended{process.get(), POLLIN, 0};
    if (process && ::poll(&ended, 1, kStopPatienceMilliseconds) == 0) ::kill(pid, SIGKILL);
  }
  std::error_code error;
  fs::remove_all(directory_, error);
}

}  // namespace sockerless::local
