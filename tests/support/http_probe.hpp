#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"

namespace sockerless::support {

struct Reply {
  int status = 0;
  std::string body;
};

/// A blocking HTTP/1.1 client of one unix socket with one kept-alive connection.
class HttpProbe {
 public:
  explicit HttpProbe(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  /// @errors unavailable: no answer. The status is not judged.
  Reply call(std::string_view method, std::string_view target, std::string_view body = {},
             std::string_view content_type = "application/json");
  /// The same, and the status must be 2xx. @errors internal with the answer's text.
  std::string must(std::string_view method, std::string_view target, std::string_view json_body = {});
  /// Uploads `body` (a tar). The status must be 2xx.
  std::string upload(std::string_view target, std::string_view body);
  /// Hijacks a connection of its own: sends the request and returns the socket after the answer's head. `surplus` gets bytes behind the
  /// head.
  UniqueFd hijack(std::string_view target, std::string_view json_body, std::string& surplus);
  /// Requests on a connection of its own and counts the body's bytes (chunked or until the end) without keeping them.
  std::uint64_t drain(std::string_view target);

 private:
  void connect();
  void send(std::string_view method, std::string_view target, std::string_view body, std::string_view content_type, bool upgrade);
  void fill();
  std::string read_head();
  std::string read_body(std::string_view head, bool no_body);

  std::string socket_path_;
  UniqueFd fd_;
  std::string buffer_;
};

/// Connects to a unix socket. @errors unavailable with the path.
UniqueFd connect_unix(const std::string& path);
/// Sends all of it. @errors unavailable: the peer is gone.
void send_all(int fd, std::string_view data);
/// The value of a header in a head (status line and header lines, each ended by CRLF), empty when there is none.
std::string_view header_of(std::string_view head, std::string_view name);
int status_of(std::string_view head);
std::size_t number_of(std::string_view text, int base);

}  // namespace sockerless::support
