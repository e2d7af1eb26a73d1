#include "sdk/scripted_daemon.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace sockerless {

void ScriptedConnection::send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return;  // the client has gone, which some scripts want
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void ScriptedConnection::answer(int status, std::string_view body, std::string_view fields) const {
  send(fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", status, body.size(), fields, body));
}

void ScriptedConnection::send_chunk(std::string_view bytes) const { send(fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes)); }

std::string ScriptedConnection::receive() {
  if (!rest_.empty()) return std::exchange(rest_, {});
  std::array<char, 65536> buffer{};
  const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
  return count > 0 ? std::string(buffer.data(), static_cast<std::size_t>(count)) : std::string();
}

void ScriptedConnection::wait_for_close() {
  while (!receive().empty()) {}
  close();
}

ScriptedDaemon::ScriptedDaemon(Script script, std::string api_version)
    : script_(std::move(script)), api_version_(std::move(api_version)), path_(directory_.file("docker.sock")) {
  start();
}

ScriptedDaemon::~ScriptedDaemon() { stop(); }

void ScriptedDaemon::start() {
  listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path_.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(listener_.get(), 128) != 0) {
    throw std::runtime_error("cannot listen at " + path_);
  }
  acceptor_ = std::thread([this, fd = listener_.get()] { accept_all(fd); });
}

void ScriptedDaemon::stop() {
  if (!acceptor_.joinable()) return;
  std::filesystem::remove(path_);
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    const std::scoped_lock lock(mutex_);
    for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  listener_.reset();
}

void ScriptedDaemon::accept_all(int listener) {
  for (;;) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++accepted_;
    const std::scoped_lock lock(mutex_);
    open_.push_back(fd);
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

void ScriptedDaemon::serve(int fd) {
  std::string input;
  std::array<char, 65536> buffer{};
  for (;;) {
    const std::size_t end = input.find("\r\n\r\n");
    if (end == std::string::npos) {
      const ssize_t count = ::recv(fd, buffer.data(), buffer.size(), 0);
      if (count <= 0) break;
      input.append(buffer.data(), static_cast<std::size_t>(count));
      continue;
    }
    ScriptedConnection connection(fd, input.substr(0, end + 4), input.substr(end + 4));
    input.clear();
    const bool is_ping = connection.request().find(" /_ping ") != std::string::npos;
    if (is_ping) ++pings_;
    if (is_ping && !scripts_pings_) {
      connection.answer(200, "OK", fmt::format("Api-Version: {}\r\n", api_version_));
    } else {
      script_(connection);
    }
    if (connection.is_closed()) break;
  }
  const std::scoped_lock lock(mutex_);
  std::erase(open_, fd);
  ::close(fd);
  changed_.notify_all();
}

int ScriptedDaemon::open_connections() {
  const std::scoped_lock lock(mutex_);
  return static_cast<int>(open_.size());
}

void ScriptedDaemon::wait_until_closed() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return open_.empty(); });
}

std::size_t count_descriptors() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), std::filesystem::directory_iterator()));
}

}  // namespace sockerless
