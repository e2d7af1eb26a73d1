#pragma once

#include <chrono>
#include <string>

#include <sched.h>

namespace sockerless::bench {

/// Requests a second that a server answers to `connections` kept-alive connections, each sending the next request when its answer is
/// complete, for `duration` after a short warm-up. Every answer must be a 200 with a Content-Length or chunked body.
double requests_per_second(const std::string& socket_path, const std::string& target, int connections, std::chrono::milliseconds duration);

/// While it lives, the calling thread and every process that it starts stay on one core. A server and its load are measured on two: left
/// to the scheduler they share one now and then, which halves both of them.
class OnCore {
 public:
  /// @param index  counts the cores that this process may use; past the last it begins again.
  explicit OnCore(int index);
  ~OnCore();
  OnCore(const OnCore&) = delete;
  OnCore& operator=(const OnCore&) = delete;

 private:
  cpu_set_t before_{};
};

}  // namespace sockerless::bench
