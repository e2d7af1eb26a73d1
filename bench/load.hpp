#pragma once

#include <chrono>
#include <string>

namespace sockerless::bench {

/// Requests a second that a server answers to `connections` kept-alive connections, each sending the next request when its answer is
/// complete, for `duration` after a short warm-up. Every answer must be a 200 with a Content-Length or chunked body.
double requests_per_second(const std::string& socket_path, const std::string& target, int connections, std::chrono::milliseconds duration);

}  // namespace sockerless::bench
