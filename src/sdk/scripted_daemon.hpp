#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"
#include "net/test_support.hpp"

// For the tests of sdk/: a daemon at a unix socket that does what a test says, byte by byte.
namespace sockerless {

/// One accepted connection, in the script's hands. Blocking.
class ScriptedConnection {
 public:
  ScriptedConnection(int fd, std::string request, std::string rest) : fd_(fd), request_(std::move(request)), rest_(std::move(rest)) {}

  /// The request's head, its empty line included.
  const std::string& request() const { return request_; }
  bool asks(std::string_view start) const { return request_.starts_with(start); }
  void send(std::string_view bytes) const;
  /// A whole answer with a length.
  void answer(int status, std::string_view body, std::string_view fields = "") const;
  void send_chunk(std::string_view bytes) const;
  /// What comes next; "" at end-of-file.
  std::string receive();
  /// Until the client closes.
  void wait_for_close();
  /// Ends the connection when the script returns; otherwise the next request is read from it.
  void close() { is_closed_ = true; }
  bool is_closed() const { return is_closed_; }
  int fd() const { return fd_; }

 private:
  int fd_;
  std::string request_;
  std::string rest_;
  bool is_closed_ = false;
};

/// Answers /_ping by itself unless told otherwise and gives everything else to the script, each connection on a thread of its own.
class ScriptedDaemon {
 public:
  using Script = std::function<void(ScriptedConnection&)>;
  explicit ScriptedDaemon(Script script, std::string api_version = "1.44");
  ~ScriptedDaemon();
  ScriptedDaemon(const ScriptedDaemon&) = delete;
  ScriptedDaemon& operator=(const ScriptedDaemon&) = delete;

  const std::string& path() const { return path_; }
  /// Closes every connection and removes the socket.
  void stop();
  /// Listens at the same path again.
  void start();
  /// Pings are given to the script as well.
  void script_pings() { scripts_pings_ = true; }
  int accepted() const { return accepted_; }
  int pings() const { return pings_; }
  /// Connections that are open now.
  int open_connections();
  void wait_until_closed();

 private:
  void accept_all(int listener);
  void serve(int fd);

  Script script_;
  std::string api_version_;
  net::TemporaryDirectory directory_;
  std::string path_;
  std::atomic<bool> scripts_pings_ = false;
  std::atomic<int> accepted_ = 0;
  std::atomic<int> pings_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<int> open_;  // under mutex_
  UniqueFd listener_;
  std::thread acceptor_;
  std::vector<std::thread> threads_;
};

/// Open descriptors of this process.
std::size_t count_descriptors();

}  // namespace sockerless
