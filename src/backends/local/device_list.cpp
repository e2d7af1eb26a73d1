#include "backends/local/device_list.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <set>
#include <sstream>

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "backends/local/runtime_config.hpp"
#include "base/error.hpp"

namespace sockerless::local {

namespace fs = std::filesystem;

namespace {

bool append_device(const std::string& path, const std::string& path_in_container, const std::string& permissions,
                   std::vector<DeviceNode>& devices) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0 || (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode))) return false;
  devices.push_back({path_in_container, S_ISCHR(status.st_mode) ? "c" : "b", static_cast<std::int64_t>(major(status.st_rdev)),
                     static_cast<std::int64_t>(minor(status.st_rdev)), status.st_mode & 07777, status.st_uid, status.st_gid, permissions});
  return true;
}

void append_directory(const fs::path& directory, const std::string& path_in_container, const std::string& permissions,
                      std::vector<DeviceNode>& devices) {
  static const std::set<std::string> kSkipped = {"pts",    "shm",    "fd",   "mqueue",      "console", "stdin",
                                                 "stdout", "stderr", ".lxc", ".lxd-mounts", ".udev"};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    const std::string inside = fmt::format("{}/{}", path_in_container, name);
    if (kSkipped.contains(name) || entry.is_symlink(error)) continue;
    if (entry.is_directory(error)) {
      append_directory(entry.path(), inside, permissions, devices);
    } else {
      append_device(entry.path(), inside, permissions, devices);
    }
  }
}

}  // namespace

std::vector<DeviceNode> blocking_host_devices() {
  std::vector<DeviceNode> devices;
  append_directory("/dev", "/dev", "rwm", devices);
  // The runtime makes these itself.
  static const std::set<std::string> kStandard = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                                  "/dev/urandom", "/dev/tty",  "/dev/ptmx"};
  std::erase_if(devices, [](const DeviceNode& device) { return kStandard.contains(device.path); });
  return devices;
}

std::vector<DeviceNode> blocking_find_devices(const std::vector<OciDevice>& wanted) {
  std::vector<DeviceNode> devices;
  for (const auto& device : wanted) {
    const std::string inside = device.path_in_container.empty() ? device.path_on_host : device.path_in_container;
    const std::string permissions = device.permissions.empty() ? "rwm" : device.permissions;
    if (permissions.find_first_not_of("rwm") != std::string::npos) throw Error::invalid_argument("invalid device mode: {}", permissions);
    std::error_code error;
    if (append_device(device.path_on_host, inside, permissions, devices)) continue;
    const std::size_t before = devices.size();
    if (fs::is_directory(device.path_on_host, error)) append_directory(device.path_on_host, inside, permissions, devices);
    if (devices.size() != before) continue;
    throw Error::invalid_argument("error gathering device information while adding custom device \"{}\": {}", device.path_on_host,
                                  fs::exists(device.path_on_host, error) ? "not a device node" : "no such file or directory");
  }
  return devices;
}

boost::json::object parse_device_rule(const std::string& rule) {
  const auto malformed = [&] { return Error::invalid_argument("invalid device cgroup rule format: '{}'", rule); };
  std::istringstream fields(rule);
  std::string type;
  std::string numbers;
  std::string access;
  std::string rest;
  if (!(fields >> type >> numbers >> access) || fields >> rest || (type != "a" && type != "b" && type != "c")) throw malformed();
  const std::size_t colon = numbers.find(':');
  if (colon == std::string::npos || access.find_first_not_of("rwm") != std::string::npos) throw malformed();
  boost::json::object result{{"allow", true}, {"type", type}, {"access", access}};
  const auto set_number = [&](std::string_view name, std::string_view text) {
    if (text == "*") return;
    std::int64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || end != text.data() + text.size() || value < 0) throw malformed();
    result[name] = value;
  };
  set_number("major", std::string_view(numbers).substr(0, colon));
  set_number("minor", std::string_view(numbers).substr(colon + 1));
  return result;
}

}  // namespace sockerless::local
