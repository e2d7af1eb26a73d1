#include "tests/support/registry.hpp"

#include <cerrno>
#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/error.hpp"
#include "base/unique_fd.hpp"

namespace sockerless::support {

namespace {

using namespace std::chrono_literals;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool is_listened_at(std::uint16_t port) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace

std::uint16_t free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    throw from_errno(errno, "find a free port");
  }
  return ntohs(address.sin_port);
}

Registry::Registry() {
  if (!is_installed("docker-registry")) throw Error::unavailable("docker-registry is not installed: apt-get install docker-registry");
  const std::uint16_t port = free_port();
  host_ = fmt::format("127.0.0.1:{}", port);
  const std::string at = directory_.path();
  std::ofstream(at + "/users") << kUser << ":$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n";  // bcrypt of kPassword
  std::ofstream(at + "/config.yml") << fmt::format(
      "version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {0}/data}}}}\nhttp: {{addr: {1}}}\n"
      "auth: {{htpasswd: {{realm: test, path: {0}/users}}}}\n",
      at, host_);
  process_.emplace(std::vector<std::string>{"docker-registry", "serve", at + "/config.yml"}, directory_.path() / "registry.log");
  for (const auto give_up = std::chrono::steady_clock::now() + 60s; !is_listened_at(port);) {
    if (!process_->alive() || std::chrono::steady_clock::now() > give_up) {
      throw Error::unavailable("docker-registry did not start: {}", text_of(directory_.path() / "registry.log"));
    }
    std::this_thread::sleep_for(10ms);  // polling for another process's start: it offers nothing to wait on
  }
}

}  // namespace sockerless::support
