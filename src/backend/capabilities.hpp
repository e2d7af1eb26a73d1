#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sockerless {

/// What a backend says of itself: GET /internal/v1/capabilities. The member order is the wire order.
struct Capabilities {
  std::string backend;  ///< "memory"
  std::string version;  ///< of the program: "0.1.0"
  bool exec = false;
  bool attach = false;
  bool logs = false;
  bool logs_follow = false;
  bool volumes = false;
  bool networks = false;
  bool health_checks = false;
  bool image_pull = false;
  bool image_load = false;
  std::int64_t max_timeout_seconds = 0;  ///< longest a container may run; 0: no limit
  bool agent_required = false;

  friend bool operator==(const Capabilities&, const Capabilities&) = default;
};

/// {"backend": ..., "version": ..., "capabilities": {...}}
std::string to_json(const Capabilities& capabilities);
/// @errors invalid_argument: not such a document.
Capabilities parse_capabilities(std::string_view json);

}  // namespace sockerless
