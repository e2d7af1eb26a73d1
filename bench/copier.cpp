#include "bench/copier.hpp"

#include <array>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.hpp"
#include "base/unique_fd.hpp"
#include "tests/support/http_probe.hpp"

namespace sockerless::bench {

namespace {

UniqueFd listen_at(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(fd.get(), 8) != 0) {
    throw from_errno(errno, "listen at " + path);
  }
  return fd;
}

/// Until either end closes.
void copy(int client, int server) {
  std::array<char, 64UL * 1024> buffer{};
  std::array<pollfd, 2> ends{pollfd{.fd = client, .events = POLLIN, .revents = 0}, pollfd{.fd = server, .events = POLLIN, .revents = 0}};
  for (;;) {
    if (::poll(ends.data(), ends.size(), -1) < 0) return;
    for (std::size_t from = 0; from < ends.size(); ++from) {
      if (ends[from].revents == 0) continue;
      const ssize_t count = ::recv(ends[from].fd, buffer.data(), buffer.size(), 0);
      if (count <= 0) return;
      support::send_all(ends[1 - from].fd, std::string_view(buffer.data(), static_cast<std::size_t>(count)));
    }
  }
}

}  // namespace

void copy_between(const std::string& from, const std::string& to) {
  const UniqueFd listener = listen_at(from);
  for (;;) {
    const UniqueFd client(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client) throw from_errno(errno, "accept at " + from);
    copy(client.get(), support::connect_unix(to).get());
  }
}

}  // namespace sockerless::bench
