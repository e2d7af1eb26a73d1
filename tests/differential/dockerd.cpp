#include "tests/differential/dockerd.hpp"

#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "base/error.hpp"
#include "tests/support/daemon.hpp"

namespace sockerless::differential {

namespace {

using namespace std::chrono_literals;

/// Ends the process that a pid file names and waits until it is gone: it is not ours to reap.
void end_by_pid_file(const std::filesystem::path& file) {
  pid_t pid = 0;
  if (!(std::ifstream(file) >> pid) || pid <= 1 || ::kill(pid, SIGTERM) != 0) return;
  for (const auto give_up = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < give_up && ::kill(pid, 0) == 0;) {
    std::this_thread::sleep_for(10ms);  // polling for a process that is not our child: there is nothing to wait on
  }
}

}  // namespace

Dockerd::Dockerd() : socket_((directory_.path() / "d.sock").string()) { start(); }

Dockerd::~Dockerd() {
  try {
    if (!process_ || !process_->alive()) start();
    thaw();
    const auto containers = boost::json::parse(api().must("GET", "/containers/json?all=1"));
    for (const auto& container : containers.as_array()) {
      api().call("DELETE", "/containers/" + std::string(container.at("Id").as_string()) + "?force=1");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cleaning up after the dockerd under test: %s\n", error.what());
  }
  process_.reset();
  end_by_pid_file(directory_.path() / "exec" / "containerd" / "containerd.pid");
}

void Dockerd::start() {
  if (!support::is_installed("dockerd")) throw Error::unavailable("dockerd is not installed: `make deps` brings docker.io");
  const std::string at = directory_.path().string();
  process_.reset();
  process_.emplace(std::vector<std::string>{"dockerd", "--data-root", at + "/data", "--exec-root", at + "/exec", "--pidfile", at + "/pid",
                                            "-H", host(), "--bridge", "none", "--iptables=false", "--ip6tables=false"},
                   directory_.path() / "dockerd.log");
  const auto give_up = std::chrono::steady_clock::now() + 60s;
  for (;;) {
    try {
      probe_.emplace(socket_);
      probe_->must("GET", "/_ping");
      return;
    } catch (const Error& error) {
      if (!process_->alive() || std::chrono::steady_clock::now() > give_up) {
        std::ifstream log(directory_.path() / "dockerd.log");
        throw Error::unavailable("dockerd did not start: {}\n{}", error.message(),
                                 std::string(std::istreambuf_iterator<char>(log), std::istreambuf_iterator<char>()));
      }
    }
    std::this_thread::sleep_for(10ms);  // polling for another process's start: it offers nothing to wait on
  }
}

void Dockerd::kill() {
  process_->kill();
  // Its containerd dies with it, but not at once, and the next dockerd takes a dying one for a living one.
  const std::filesystem::path pid_file = directory_.path() / "exec" / "containerd" / "containerd.pid";
  end_by_pid_file(pid_file);
  std::filesystem::remove(pid_file);
}
void Dockerd::stop() { process_->stop(); }
void Dockerd::freeze() const { ::kill(process_->pid(), SIGSTOP); }
void Dockerd::thaw() const { ::kill(process_->pid(), SIGCONT); }
void Dockerd::import_busybox(const std::string& name) { api().upload("/images/create?fromSrc=-&repo=" + name, support::busybox_rootfs()); }

}  // namespace sockerless::differential
