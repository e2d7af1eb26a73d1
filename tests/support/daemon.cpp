#include "tests/support/daemon.hpp"

#include <fstream>
#include <iterator>
#include <thread>

#include "base/error.hpp"
#include "tests/support/child_process.hpp"

namespace sockerless::support {

namespace {

using namespace std::chrono_literals;

}  // namespace

Daemon::Daemon(std::string backend, std::vector<std::string> more_flags)
    : backend_(std::move(backend)), more_flags_(std::move(more_flags)), socket_((directory_.path() / "s.sock").string()) {
  start();
}

Daemon::~Daemon() {
  try {
    if (!process_ || !process_->alive()) start();
    const auto containers = boost::json::parse(api().must("GET", "/containers/json?all=1"));
    for (const auto& container : containers.as_array()) {
      api().call("DELETE", "/containers/" + std::string(container.at("Id").as_string()) + "?force=1");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cleaning up after the daemon under test: %s\n%s\n", error.what(), log_text().c_str());
  }
}

void Daemon::start(const std::vector<std::string>& environment) {
  std::vector<std::string> argv{"env"};
  argv.insert(argv.end(), environment.begin(), environment.end());
  argv.insert(argv.end(), {(program_directory() / "sockerless").string(), "serve", "--backend", backend_, "--host", host(), "--state",
                           state().string(), "--log-level", "debug"});
  argv.insert(argv.end(), more_flags_.begin(), more_flags_.end());
  process_.reset();
  process_.emplace(std::move(argv), directory_.path() / "daemon.log");
  const auto give_up = std::chrono::steady_clock::now() + 60s;
  for (;;) {
    try {
      probe_.emplace(socket_);
      probe_->must("GET", "/_ping");
      return;
    } catch (const Error& error) {
      if (!process_->alive() || std::chrono::steady_clock::now() > give_up) {
        throw Error::unavailable("the daemon did not start: {}\n{}", error.message(), log_text());
      }
    }
    std::this_thread::sleep_for(5ms);  // polling for another process's start: it offers nothing to wait on
  }
}

void Daemon::kill() { process_->kill(); }

int Daemon::stop() { return process_->stop(); }

std::string Daemon::log_text() const {
  std::ifstream in(directory_.path() / "daemon.log");
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void Daemon::import_busybox(const std::string& name) { api().upload("/images/create?fromSrc=-&repo=" + name, busybox_rootfs()); }

std::filesystem::path program_directory() { return std::filesystem::canonical("/proc/self/exe").parent_path(); }

const std::string& busybox_rootfs() {
  static const std::string tar = [] {
    const std::string script = SOCKERLESS_SOURCE_DIR "/tools/busybox_rootfs.sh";
    Output output = run_command({script});
    if (output.exit_code != 0) throw Error::unavailable("{} failed: {}", script, output.err);
    return std::move(output.out);
  }();
  return tar;
}

}  // namespace sockerless::support
