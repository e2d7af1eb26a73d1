#include "tests/support/http_probe.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless::support {

namespace {

constexpr std::string_view kJson = "application/json";

}  // namespace

UniqueFd connect_unix(const std::string& path) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw from_errno(errno, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Error::invalid_argument("the socket path {} is too long", path);
  path.copy(address.sun_path, path.size());
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw Error(ErrorCode::unavailable, fmt::format("connect to {}: {}", path, std::generic_category().message(errno)));
  }
  return fd;
}

void send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) throw Error::unavailable("the server closed the connection");
    data.remove_prefix(static_cast<std::size_t>(sent));
  }
}

/// A header's value; the benchmark's servers all write their names in the usual case.
std::string_view header_of(std::string_view head, std::string_view name) {
  const std::string key = fmt::format("\r\n{}: ", name);
  const auto at = head.find(key);
  if (at == std::string_view::npos) return {};
  const auto begin = at + key.size();
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

int status_of(std::string_view head) {
  int status = 0;
  if (head.size() > 12) std::from_chars(head.data() + 9, head.data() + 12, status);
  return status;
}

std::size_t number_of(std::string_view text, int base) {
  std::size_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value, base);
  return value;
}

void HttpProbe::connect() {
  fd_ = connect_unix(socket_path_);
  buffer_.clear();
}

void HttpProbe::send(std::string_view method, std::string_view target, std::string_view body, std::string_view content_type, bool upgrade) {
  std::string request = fmt::format("{} {} HTTP/1.1\r\nHost: docker\r\n", method, target);
  if (upgrade) request += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
  if (!body.empty()) request += fmt::format("Content-Type: {}\r\n", content_type);
  if (method == "POST") request += fmt::format("Content-Length: {}\r\n", body.size());
  request += "\r\n";
  request += body;
  send_all(fd_.get(), request);
}

void HttpProbe::fill() {
  std::array<char, 256 * 1024> chunk;  // NOLINT: filled by read
  const ssize_t count = ::read(fd_.get(), chunk.data(), chunk.size());
  if (count <= 0) throw Error::unavailable("the server closed the connection");
  buffer_.append(chunk.data(), static_cast<std::size_t>(count));
}

std::string HttpProbe::read_head() {
  std::size_t end = std::string::npos;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) fill();
  std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  return head;
}

std::string HttpProbe::read_body(std::string_view head, bool no_body) {
  std::string body;
  if (no_body) return body;
  if (header_of(head, "Transfer-Encoding") == "chunked") {
    for (;;) {
      std::size_t line_end = std::string::npos;
      while ((line_end = buffer_.find("\r\n")) == std::string::npos) fill();
      const std::size_t size = number_of(std::string_view(buffer_).substr(0, line_end), 16);
      while (buffer_.size() < line_end + 2 + size + 2) fill();
      body += buffer_.substr(line_end + 2, size);
      buffer_.erase(0, line_end + 2 + size + 2);
      if (size == 0) return body;
    }
  }
  const std::size_t length = number_of(header_of(head, "Content-Length"), 10);
  while (buffer_.size() < length) fill();
  body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return body;
}

Reply HttpProbe::call(std::string_view method, std::string_view target, std::string_view body, std::string_view content_type) {
  if (!fd_) connect();
  try {
    send(method, target, body, content_type, false);
    const std::string head = read_head();
    Reply reply{status_of(head), read_body(head, method == "HEAD" || status_of(head) == 204 || status_of(head) == 304)};
    if (header_of(head, "Connection") == "close") fd_.reset();
    return reply;
  } catch (const Error&) {
    fd_.reset();
    throw;
  }
}

std::string HttpProbe::upload(std::string_view target, std::string_view body) {
  Reply reply = call("POST", target, body, "application/x-tar");
  if (reply.status / 100 != 2 || reply.body.find("\"error\"") != std::string::npos) {
    throw Error::internal("POST {} at {} answered {}: {}", target, socket_path_, reply.status, reply.body);
  }
  return std::move(reply.body);
}

std::string HttpProbe::must(std::string_view method, std::string_view target, std::string_view json_body) {
  Reply reply = call(method, target, json_body);
  if (reply.status < 200 || reply.status >= 300) {
    throw Error::internal("{} {} at {} answered {}: {}", method, target, socket_path_, reply.status, reply.body);
  }
  return std::move(reply.body);
}

UniqueFd HttpProbe::hijack(std::string_view target, std::string_view json_body, std::string& surplus) {
  HttpProbe own(socket_path_);
  own.connect();
  own.send("POST", target, json_body, kJson, true);
  const std::string head = own.read_head();
  if (const int status = status_of(head); status != 101 && status != 200) throw Error::internal("POST {} answered {}", target, status);
  surplus = std::move(own.buffer_);
  return std::move(own.fd_);
}

std::uint64_t HttpProbe::drain(std::string_view target) {
  HttpProbe own(socket_path_);
  own.connect();
  own.send("GET", target, {}, kJson, false);
  if (const int status = status_of(own.read_head()); status != 200) throw Error::internal("GET {} answered {}", target, status);
  // The end of a chunked body is its last chunk; comparing the tail of what came is enough and costs nothing.
  std::uint64_t total = own.buffer_.size();
  std::string tail = own.buffer_;
  std::vector<char> chunk(1024UL * 1024);
  while (!tail.ends_with("\r\n0\r\n\r\n") && tail != "0\r\n\r\n") {
    const ssize_t count = ::read(own.fd_.get(), chunk.data(), chunk.size());
    if (count <= 0) throw Error::unavailable("the server closed the connection in the middle");
    total += static_cast<std::uint64_t>(count);
    tail.append(chunk.data() + std::max<ssize_t>(0, count - 16), static_cast<std::size_t>(std::min<ssize_t>(count, 16)));
    if (tail.size() > 16) tail.erase(0, tail.size() - 16);
  }
  return total;
}

}  // namespace sockerless::support
