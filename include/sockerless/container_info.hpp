#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sockerless/time_point.hpp"

namespace sockerless {

/// A port of a container and where it is published on the daemon's host.
struct PortMapping {
  std::uint16_t container_port = 0;
  std::optional<std::uint16_t> host_port =
      {};                        ///< of a container: nullopt, it is not published; of a spec: nullopt, the daemon chooses one
  std::string protocol = "tcp";  ///< "tcp", "udp" or "sctp"
  std::string host_ip = {};      ///< empty: all addresses

  friend bool operator==(const PortMapping&, const PortMapping&) = default;
};

/// A container, as much of it as most programs ask for.
struct ContainerInfo {
  std::string id = {};
  std::string name = {};    ///< without the leading slash
  std::string image = {};   ///< as it was named when the container was created
  std::string state = {};   ///< "created", "running", "paused", "restarting", "removing", "exited" or "dead"
  std::string status = {};  ///< for people, as `docker ps` has it: "Up 3 minutes (healthy)"
  std::vector<PortMapping> ports = {};
  std::map<std::string, std::string> labels = {};
  TimePoint created = {};
  std::optional<TimePoint> started = {};  ///< nullopt: never; a list does not tell it

  bool is_running() const { return state == "running"; }
};

/// How a service in a container is.
struct ServiceHealth {
  std::string name = {};
  std::string container_id = {};
  std::string state = {};                    ///< as ContainerInfo::state
  std::string health_status = {};            ///< "none" (it has no health check), "starting", "healthy" or "unhealthy"
  std::optional<TimePoint> last_check = {};  ///< when the last health check ended
  bool is_ready = false;                     ///< it runs, and its health check, if it has one, succeeds
  std::string last_output = {};              ///< what the last health check printed
};

}  // namespace sockerless
