#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

namespace sockerless::local {

struct OciDevice;

/// A device file for a container.
struct DeviceNode {
  std::string path;  ///< in the container
  std::string type;  ///< "c" or "b"
  std::int64_t major = 0;
  std::int64_t minor = 0;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string permissions = "rwm";
};

/// Every device file under /dev, but for what a container has of its own (pts, shm, mqueue, console). May block.
std::vector<DeviceNode> blocking_host_devices();

/// The devices asked for; a directory stands for all devices in it. May block.
/// @errors invalid_argument in Docker's words: "error gathering device information while adding custom device \"/dev/x\": no such file or
/// directory".
std::vector<DeviceNode> blocking_find_devices(const std::vector<OciDevice>& wanted);

/// "c 1:3 rwm" as a rule of the OCI configuration. @errors invalid_argument.
boost::json::object parse_device_rule(const std::string& rule);

}  // namespace sockerless::local
