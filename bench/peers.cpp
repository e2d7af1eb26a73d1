#include "bench/peers.hpp"

#include <fstream>
#include <iterator>
#include <thread>

#include <sys/resource.h>

#include "base/error.hpp"
#include "tests/support/dockerd.hpp"
#include "tests/support/http_probe.hpp"

namespace sockerless::bench {

namespace {

using namespace std::chrono_literals;

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::optional<Peer> start(std::string name, std::vector<std::string> argv, std::string socket, std::shared_ptr<TempDir> directory) {
  Peer peer(std::move(name), std::move(argv), std::move(socket), std::move(directory));
  peer.wait_ready();
  return peer;
}

}  // namespace

Peer::Peer(std::string name, std::vector<std::string> argv, std::string socket, std::shared_ptr<TempDir> directory)
    : name_(std::move(name)),
      socket_(std::move(socket)),
      directory_(std::move(directory)),
      process_(std::move(argv), directory_->path() / "server.log") {}

void Peer::wait_ready() {
  const auto give_up = std::chrono::steady_clock::now() + 60s;
  for (;;) {
    try {
      HttpProbe(socket_).must("GET", "/_ping");
      return;
    } catch (const Error& error) {
      if (!process_.alive() || std::chrono::steady_clock::now() > give_up) {
        throw Error::unavailable("{} did not start: {}\n{}", name_, error.message(), text_of(directory_->path() / "server.log"));
      }
    }
    std::this_thread::sleep_for(20ms);  // polling for another program's start: it offers nothing to wait on
  }
}

void Peer::import_image(const std::string& rootfs_tar) {
  HttpProbe(socket_).upload("/images/create?fromSrc=-&repo=bench&tag=latest", rootfs_tar);
}

std::optional<Peer> start_sockerless(const std::filesystem::path& program, const std::string& backend, int threads,
                                     const std::vector<std::string>& more) {
  auto directory = std::make_shared<TempDir>();
  const std::string socket = directory->path() / "s.sock";
  std::vector<std::string> command{program.string(), "serve",
                                   "--backend",      backend,
                                   "--host",         "unix://" + socket,
                                   "--state",        directory->path() / "state",
                                   "--threads",      std::to_string(threads),
                                   "--log-level",    "warn"};
  command.insert(command.end(), more.begin(), more.end());
  return start("sockerless " + backend, std::move(command), socket, directory);
}

std::optional<Peer> start_nginx() {
  if (!is_installed("nginx")) return std::nullopt;
  auto directory = std::make_shared<TempDir>();
  const std::string socket = directory->path() / "n.sock";
  std::ofstream(directory->path() / "nginx.conf") << fmt::format(
      "daemon off; worker_processes 1; pid {0}/pid; error_log {0}/error.log;\n"
      "events {{ worker_connections 1024; }}\n"
      "http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path "
      "{0}/f;\n"
      "  uwsgi_temp_path {0}/u; scgi_temp_path {0}/c;\n"
      "  server {{ listen unix:{1}; location = /_ping {{ default_type text/plain; return 200 \"OK\"; }} }} }}\n",
      directory->path().string(), socket);
  return start("nginx", {"nginx", "-c", directory->path() / "nginx.conf", "-p", directory->path(), "-e", directory->path() / "error.log"},
               socket, directory);
}

std::optional<Peer> start_dockerd(Networks networks) {
  if (!is_installed("dockerd")) return std::nullopt;
  auto directory = std::make_shared<TempDir>();
  const std::string socket = directory->path() / "d.sock";
  auto command =
      networks == Networks::own ? bridged_dockerd_command(directory->path(), socket) : dockerd_command(directory->path(), socket);
  return start("dockerd", std::move(command), socket, directory);
}

std::optional<Peer> start_copier(const Peer& to) {
  auto directory = std::make_shared<TempDir>();
  const std::string socket = directory->path() / "c.sock";
  return start("bare copier", {std::filesystem::canonical("/proc/self/exe"), "--copy", socket, to.socket()}, socket, directory);
}

std::optional<Peer> start_podman(const std::string& runtime) {
  if (!is_installed("podman")) return std::nullopt;
  auto directory = std::make_shared<TempDir>();
  const std::string at = directory->path();
  // Its own limits are above what it may set where CAP_SYS_RESOURCE is missing, and no container would start: it gets this process's.
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  std::ofstream(at + "/containers.conf") << fmt::format("[containers]\ndefault_ulimits = [\"nofile={0}:{0}\", \"nproc=4096:4096\"]\n",
                                                        files.rlim_max);
  return start("podman",
               {"env", "CONTAINERS_CONF=" + at + "/containers.conf", "podman", "--root", at + "/data", "--runroot", at + "/run",
                "--runtime", runtime, "--cgroup-manager", "cgroupfs", "system", "service", "--time=0", "unix://" + at + "/p.sock"},
               at + "/p.sock", directory);
}

}  // namespace sockerless::bench
