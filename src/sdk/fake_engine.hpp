#pragma once

#include <algorithm>
#include <charconv>
#include <mutex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sdk/scripted_daemon.hpp"
#include "sockerless/config.hpp"

// For the tests of what stands on Client: a daemon that expects certain requests in a certain order.
namespace sockerless {

/// The answer to a request that starts so, its version left out: "GET /containers/web/json".
struct Reply {
  std::string start = {};
  int status = 200;
  std::string body = {};
  bool stays_open = false;  ///< a stream: the body, and then nothing until the client goes
  bool hangs = false;       ///< no answer at all
  bool breaks = false;      ///< a stream that breaks after the body
};

/// Expects the requests in the order of the replies; any other one fails the test.
class FakeEngine {
 public:
  explicit FakeEngine(std::vector<Reply> replies)
      : replies_(std::move(replies)), daemon_([this](ScriptedConnection& connection) { serve(connection); }) {}

  DockerConfig config() const {
    DockerConfig config;
    config.socket_path = daemon_.path();
    config.timeout = std::chrono::seconds(10);
    config.retry_attempts = 0;
    config.retry_delay = std::chrono::milliseconds(1);
    config.health_check_interval = {};
    return config;
  }

  bool is_exhausted() const {
    const std::scoped_lock lock(mutex_);
    return next_ == replies_.size();
  }
  /// What did not happen.
  std::string rest() const {
    const std::scoped_lock lock(mutex_);
    return next_ == replies_.size() ? "" : " not asked: " + replies_[next_].start;
  }
  /// Of the last request that started so.
  std::string body_of(const std::string& start) const {
    const std::scoped_lock lock(mutex_);
    const auto found = std::find_if(asked_.rbegin(), asked_.rend(), [&](const auto& asked) { return asked.first.starts_with(start); });
    return found == asked_.rend() ? "" : found->second;
  }
  std::vector<std::string> asked() const {
    const std::scoped_lock lock(mutex_);
    std::vector<std::string> lines;
    for (const auto& [line, body] : asked_) lines.push_back(line);
    return lines;
  }
  ScriptedDaemon& daemon() { return daemon_; }

 private:
  /// "GET /v1.44/info HTTP/1.1" is "GET /info".
  static std::string line_of(const std::string& request) {
    std::string line = request.substr(0, request.find(" HTTP/"));
    const std::size_t version = line.find("/v1.");
    return line.erase(version, line.find('/', version + 1) - version);
  }

  static std::string read_body(ScriptedConnection& connection) {
    const std::string& head = connection.request();
    const std::size_t at = head.find("Content-Length: ");
    std::size_t length = 0;
    if (at != std::string::npos) std::from_chars(head.data() + at + 16, head.data() + head.size(), length);
    std::string body;
    while (body.size() < length) {
      const std::string more = connection.receive();
      if (more.empty()) break;
      body += more;
    }
    return body;
  }

  void serve(ScriptedConnection& connection) {
    const std::string line = line_of(connection.request());
    const std::string body = read_body(connection);
    Reply reply;
    {
      const std::scoped_lock lock(mutex_);
      asked_.emplace_back(line, body);
      if (next_ == replies_.size() || !line.starts_with(replies_[next_].start)) {
        ADD_FAILURE() << line << " was asked" << (next_ == replies_.size() ? "" : " instead of " + replies_[next_].start);
        reply = {.status = 500, .body = R"({"message":"not expected"})"};
      } else {
        reply = replies_[next_++];
      }
    }
    if (reply.hangs) return connection.wait_for_close();
    if (!reply.stays_open && !reply.breaks) return connection.answer(reply.status, reply.body);
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    if (!reply.body.empty()) connection.send_chunk(reply.body);
    if (reply.breaks) return connection.close();
    connection.wait_for_close();
  }

  mutable std::mutex mutex_;
  std::vector<Reply> replies_;
  std::size_t next_ = 0;
  std::vector<std::pair<std::string, std::string>> asked_;
  ScriptedDaemon daemon_;  // last: its threads use what is above
};

}  // namespace sockerless
