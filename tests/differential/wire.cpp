#include "tests/differential/wire.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include <sys/socket.h>

#include "base/error.hpp"
#include "tests/support/http_probe.hpp"

namespace sockerless::differential {

int WireAnswer::status() const { return support::status_of(status_line); }

std::string WireAnswer::header(std::string_view name) const {
  const auto same = [&](const auto& field) { return field.first == name; };
  const auto found = std::ranges::find_if(headers, same);
  return found == headers.end() ? std::string() : found->second;
}

Wire::Wire(const std::string& socket_path) : fd_(support::connect_unix(socket_path)) {
  const timeval patience{.tv_sec = 30, .tv_usec = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

void Wire::send(std::string_view bytes) { support::send_all(fd_.get(), bytes); }
void Wire::half_close() { ::shutdown(fd_.get(), SHUT_WR); }

bool Wire::more() {
  std::array<char, 65536> buffer{};
  const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (count < 0 && errno == ECONNRESET) return false;
  if (count < 0) throw from_errno(errno, "reading an answer");
  received_.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

std::string Wire::take(std::size_t count) {
  while (received_.size() < count) {
    if (!more()) throw Error::unavailable("the connection ended after \"{}\"", received_);
  }
  std::string result = received_.substr(0, count);
  received_.erase(0, count);
  return result;
}

std::string Wire::read_until(std::string_view end) {
  std::size_t found = 0;
  while ((found = received_.find(end)) == std::string::npos) {
    if (!more()) throw Error::unavailable("the connection ended after \"{}\"", received_);
  }
  return take(found + end.size());
}

std::string Wire::read_to_end() {
  while (more()) {}
  return std::exchange(received_, {});
}

WireAnswer Wire::read_answer(bool to_head) {
  WireAnswer answer;
  const std::string head = read_until("\r\n\r\n");
  std::size_t at = head.find("\r\n");
  answer.status_line = head.substr(0, at);
  for (at += 2; at + 2 < head.size();) {
    const std::size_t end = head.find("\r\n", at);
    const std::string line = head.substr(at, end - at);
    const std::size_t colon = line.find(": ");
    answer.headers.emplace_back(line.substr(0, colon), colon == std::string::npos ? "" : line.substr(colon + 2));
    at = end + 2;
  }
  read_body(answer, to_head);
  return answer;
}

void Wire::read_body(WireAnswer& answer, bool to_head) {
  const int status = answer.status();
  const bool is_open = answer.header("Transfer-Encoding").empty() && answer.header("Content-Length").empty();
  if (status == 101 || (is_open && answer.header("Content-Type").ends_with("raw-stream"))) {
    answer.framing = "raw";
  } else if (to_head || status == 204 || status == 304) {
    answer.framing = "none";
  } else if (answer.header("Transfer-Encoding") == "chunked") {
    answer.framing = "chunked";
    for (;;) {
      const std::size_t size = support::number_of(read_until("\r\n"), 16);
      answer.body += take(size);
      take(2);
      if (size == 0) return;
    }
  } else if (const std::string length = answer.header("Content-Length"); !length.empty()) {
    answer.framing = "length";
    answer.body = take(support::number_of(length, 10));
  } else {
    answer.framing = "close";
    answer.body = read_to_end();
  }
}

}  // namespace sockerless::differential
