#include "tests/support/dockerd.hpp"

#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include <boost/json.hpp>
#include <sys/mount.h>

#include "base/error.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/http_probe.hpp"

namespace sockerless::support {

namespace {

using namespace std::chrono_literals;

void remove_all(HttpProbe& api, const std::string& list, const std::string& path, const char* name, const std::string& query) {
  const auto answer = boost::json::parse(api.must("GET", list));
  const boost::json::value* items = &answer;
  if (answer.is_object()) items = &answer.at("Volumes");
  if (items->is_null()) return;
  for (const auto& item : items->as_array()) {
    // What goes together with another one, or is predefined, answers with a refusal.
    api.call("DELETE", fmt::format("{}{}{}", path, std::string_view(item.at(name).as_string()), query));
  }
}

std::string command_line_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/cmdline");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

std::vector<std::string> bridged_dockerd_command(const std::string& directory, const std::string& socket) {
  return {"dockerd",          "--data-root", directory + "/data", "--exec-root", directory + "/exec", "--pidfile",
          directory + "/pid", "--host",      "unix://" + socket};
}

std::vector<std::string> dockerd_command(const std::string& directory, const std::string& socket) {
  auto command = bridged_dockerd_command(directory, socket);
  command.insert(command.end(), {"--bridge", "none", "--iptables=false", "--ip6tables=false"});
  return command;
}

Dockerd::Dockerd(std::vector<std::string> more_flags)
    : more_flags_(std::move(more_flags)), socket_((directory_.path() / "d.sock").string()) {
  if (!is_installed("dockerd")) throw Error::unavailable("dockerd is not installed: apt-get install docker.io");
  start();
}

Dockerd::~Dockerd() {
  try {
    if (!process_->alive()) start();  // only a daemon can end the containers that run
    thaw();
    clear();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cleaning up after dockerd: %s\n%s\n", error.what(), log_text().c_str());
  }
  process_.reset();
  end_containerd();
  // One that could not start leaves its data folder mounted on itself.
  ::umount2((directory_.path() / "data").c_str(), MNT_DETACH);
}

void Dockerd::spawn() {
  process_.reset();
  std::vector<std::string> command = dockerd_command(directory_.path().string(), socket_);
  command.insert(command.end(), more_flags_.begin(), more_flags_.end());
  process_.emplace(std::move(command), directory_.path() / "dockerd.log");
}

void Dockerd::start() {
  spawn();
  // On a busy machine dockerd gives its containerd less time than that needs, and ends: it may try again.
  int attempts_left = 3;
  const auto give_up = std::chrono::steady_clock::now() + 90s;
  for (;;) {
    try {
      HttpProbe(socket_).must("GET", "/_ping");
      return;
    } catch (const Error& error) {
      const bool has_ended = !process_->alive();
      const bool was_slow = has_ended && log_text().ends_with("timeout waiting for containerd to start\n") && --attempts_left > 0;
      if (was_slow) spawn();
      if ((has_ended && !was_slow) || std::chrono::steady_clock::now() > give_up) {
        throw Error::unavailable("dockerd did not start: {}\n{}", error.message(), log_text());
      }
    }
    std::this_thread::sleep_for(10ms);  // polling for another process's start: it offers nothing to wait on
  }
}

int Dockerd::stop() { return process_->stop(); }

/// The containerd that dockerd starts outlives a dockerd that is killed; it is known by the pid file in our own folder.
void Dockerd::end_containerd() {
  const std::filesystem::path file = directory_.path() / "exec/containerd/containerd.pid";
  pid_t pid = 0;
  if (std::ifstream(file) >> pid && pid > 1 && command_line_of(pid).find(directory_.path().string()) != std::string::npos) {
    ::kill(pid, SIGKILL);
  }
  std::filesystem::remove(file);  // until its parent has reaped it, the next dockerd would take it for a containerd that runs
}

void Dockerd::kill() {
  process_->kill();
  end_containerd();
}

void Dockerd::freeze() const { support::freeze(process_->pid()); }
void Dockerd::thaw() const { ::kill(process_->pid(), SIGCONT); }

std::string Dockerd::log_text() const {
  std::ifstream in(directory_.path() / "dockerd.log");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void Dockerd::clear() {
  HttpProbe api(socket_);
  remove_all(api, "/containers/json?all=1", "/containers/", "Id", "?force=1&v=1");
  remove_all(api, "/images/json?all=1", "/images/", "Id", "?force=1");
  remove_all(api, "/networks", "/networks/", "Id", "");
  remove_all(api, "/volumes", "/volumes/", "Name", "?force=1");
}

void Dockerd::import_busybox(const std::string& name) {
  HttpProbe(socket_).upload("/images/create?fromSrc=-&repo=" + name, busybox_rootfs());
}

}  // namespace sockerless::support
