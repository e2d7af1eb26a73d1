#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/program.hpp"
#include "base/task.hpp"
#include "net/client.hpp"

namespace sockerless::cli {

/// A query string, percent-encoded: {{"all", "1"}} gives "?all=1".
std::string query_of(const std::vector<std::pair<std::string, std::string>>& parameters);
/// One segment of a path, percent-encoded but for the slashes of image names.
std::string path_segment(std::string_view text);

/// The daemon a command talks to. Every failure is an Error with the daemon's own message.
class Daemon {
 public:
  /// @param host  "unix:///path" or "tcp://host:port".
  explicit Daemon(const std::string& host);

  Task<std::string> get(std::string target);
  Task<std::string> post(std::string target, std::string json_body = {});
  Task<std::string> remove(std::string target);
  /// A streamed answer (logs, progress), its status already checked.
  Task<std::unique_ptr<net::ClientStream>> stream(net::Method method, std::string target);
  /// A request whose body is streamed (import); the head is awaited by the caller.
  Task<std::unique_ptr<net::ClientStream>> upload(std::string target, std::string content_type);
  /// Hijacks the connection (attach, exec start).
  Task<net::Upgraded> hijack(std::string target, std::string json_body);

 private:
  Task<std::string> call(net::Method method, std::string target, std::string body);

  net::HttpClient client_;
};

/// Throws what a status other than 2xx and 304 says, with the daemon's message.
void check_status(int status, std::string_view body);

/// The socket when none is named: /var/run/sockerless.sock, without root one under $XDG_RUNTIME_DIR.
std::string default_socket();

}  // namespace sockerless::cli
