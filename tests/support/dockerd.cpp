#include "tests/support/dockerd.hpp"

#include <csignal>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/error.hpp"
#include "tests/support/http_probe.hpp"

namespace sockerless::support {

namespace {

using namespace std::chrono_literals;

std::string content_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

Dockerd::Dockerd() : socket_((directory_.path() / "d.sock").string()) { start(); }

Dockerd::~Dockerd() {
  if (process_) process_->stop();
  end_containerd();
}

void Dockerd::start() {
  const std::string at = directory_.path();
  std::filesystem::remove(at + "/pid");
  process_.reset();
  process_.emplace(std::vector<std::string>{"dockerd", "--data-root", at + "/data", "--exec-root", at + "/exec", "--pidfile", at + "/pid",
                                            "-H", "unix://" + socket_, "--bridge", "none", "--iptables=false", "--ip6tables=false"},
                   directory_.path() / "dockerd.log");
  const auto give_up = std::chrono::steady_clock::now() + 60s;
  for (;;) {
    try {
      HttpProbe(socket_).must("GET", "/_ping");
      return;
    } catch (const Error& error) {
      if (!process_->alive() || std::chrono::steady_clock::now() > give_up) {
        throw Error::unavailable("dockerd did not start: {}\n{}", error.message(), content_of(directory_.path() / "dockerd.log"));
      }
    }
    std::this_thread::sleep_for(10ms);  // polling for another process's start: it offers nothing to wait on
  }
}

/// The containerd that dockerd starts outlives a dockerd that is killed; it is known by the pid file in our own folder.
void Dockerd::end_containerd() {
  const std::filesystem::path file = directory_.path() / "exec/containerd/containerd.pid";
  const std::string pid = content_of(file);
  if (pid.empty()) return;
  const pid_t number = std::atoi(pid.c_str());
  const std::string command = content_of("/proc/" + std::to_string(number) + "/cmdline");
  if (command.find(directory_.path().string()) != std::string::npos) ::kill(number, SIGKILL);
  std::filesystem::remove(file);  // until its parent has reaped it, the next dockerd would take it for a containerd that runs
}

void Dockerd::kill() {
  process_->kill();
  end_containerd();
}

int Dockerd::stop() { return process_->stop(); }

}  // namespace sockerless::support
