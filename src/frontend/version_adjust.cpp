// The create request of older clients: what it says is turned into what it meant.

#include <algorithm>
#include <map>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.hpp"
#include "frontend/version_shape.hpp"

namespace sockerless::frontend {

namespace {

using api::ApiVersion;
using Endpoints = std::map<std::string, api::EndpointSettings>;

constexpr std::string_view kEndpointSysctls = "com.docker.network.endpoint.sysctls";

/// One request on its way through the versions. Every step has the number of the version that it makes up for.
class CreateAdjustment {
 public:
  CreateAdjustment(api::ContainerCreateRequest& request, ApiVersion version) : request_(request), version_(version) {
    if (!request_.host_config) request_.host_config.emplace();
    if (!request_.networking_config) request_.networking_config.emplace();
    if (!request_.networking_config->endpoints_config) request_.networking_config->endpoints_config.emplace();
  }

  std::vector<std::string> run() {
    name_default_network();
    ignore_what_is_newer();
    adjust_mounts();
    check_networks();
    migrate_mac_address();
    migrate_interface_sysctls();
    if (host().pids_limit && *host().pids_limit <= 0) host().pids_limit.reset();  // all of them mean unlimited
    std::erase_if(host().unknown, [](const auto& member) { return member.first == "KernelMemory"; });
    return std::move(warnings_);
  }

 private:
  bool below(int minor) const { return version_ < ApiVersion{1, minor}; }
  api::HostConfig& host() { return *request_.host_config; }
  Endpoints& endpoints() { return *request_.networking_config->endpoints_config; }
  std::string network_mode() { return host().network_mode.value_or(""); }
  bool is_bridge() { return network_mode() == "bridge"; }
  bool is_user_defined() {
    const std::string mode = network_mode();
    return mode != "bridge" && mode != "host" && mode != "none" && !mode.starts_with("container:");
  }

  /// "default" is a word of the API for the network that a plain `docker run` uses.
  void name_default_network() {
    if (!network_mode().empty() && network_mode() != "default") return;
    host().network_mode = "bridge";
    if (auto node = endpoints().extract("default"); !node.empty()) {
      node.key() = "bridge";
      endpoints().insert(std::move(node));
    }
  }

  void ignore_what_is_newer() {
    if (below(25)) host().auto_remove = false;  // such a client removes the container itself
    if (below(40)) {
      host().kernel_memory_tcp.reset();
      if (host().ipc_mode.value_or("").empty()) host().ipc_mode = "shareable";
    }
    if (below(42)) host().console_size.reset();
    if (below(43)) host().annotations.reset();
    if (below(44) && request_.healthcheck) request_.healthcheck->start_interval.reset();
    if (below(48)) {
      for (auto& [name, endpoint] : endpoints()) endpoint.gw_priority.reset();
    }
  }

  void adjust_mounts() {
    if (!host().mounts) return;
    for (api::Mount& mount : *host().mounts) {
      const std::string type = mount.type ? std::string(mount.type->str()) : "";
      if (below(42)) {
        drop_foreign_options(mount, type);
      } else {
        refuse_foreign_options(mount, type);
      }
      if (below(40) && mount.bind_options) mount.bind_options->non_recursive.reset();
      if (below(44) && type == "bind") keep_read_only_shallow(mount);
      if (below(45) && mount.volume_options && !mount.volume_options->subpath.value_or("").empty()) {
        throw Error::invalid_argument("VolumeOptions.Subpath needs API v1.45 or newer");
      }
      if (below(48) && type == "image") throw Error::invalid_argument("Mount type \"Image\" needs API v1.48 or newer");
    }
  }

  static void drop_foreign_options(api::Mount& mount, std::string_view type) {
    if (mount.bind_options) mount.bind_options->create_mountpoint.reset();
    if (type != "volume") mount.volume_options.reset();
    if (type != "tmpfs") mount.tmpfs_options.reset();
  }

  static void refuse_foreign_options(const api::Mount& mount, std::string_view type) {
    const auto refuse = [type](std::string_view options) {
      throw Error::invalid_argument("{} must not be specified on mount type \"{}\"", options, type);
    };
    if (mount.volume_options && type != "volume") refuse("VolumeOptions");
    if (mount.bind_options && type != "bind") refuse("BindOptions");
    if (mount.tmpfs_options && type != "tmpfs") refuse("TmpfsOptions");
    if (mount.image_options && type != "image") refuse("ImageOptions");
  }

  /// Before 1.44 a read-only bind left the mounts below it alone.
  static void keep_read_only_shallow(api::Mount& mount) {
    if (mount.bind_options && mount.bind_options->read_only_force_recursive.value_or(false)) {
      throw Error::invalid_argument("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer");
    }
    if (!mount.read_only.value_or(false)) return;
    if (!mount.bind_options) mount.bind_options.emplace();
    mount.bind_options->read_only_non_recursive = true;
  }

  void check_networks() {
    if (!below(44) || endpoints().size() <= 1) return;
    std::vector<std::string_view> names;
    for (const auto& [name, endpoint] : endpoints()) names.push_back(name);
    throw Error::invalid_argument("Container cannot be created with multiple network endpoints: {}", fmt::join(names, ", "));
  }

  /// The endpoint of the network mode. @errors invalid_argument: there are endpoints, but none under this name.
  api::EndpointSettings& main_endpoint() {
    if (endpoints().empty()) return endpoints()[network_mode()];
    if (below(44)) return endpoints().begin()->second;
    const auto found = endpoints().find(network_mode());
    if (found == endpoints().end()) {
      throw Error::invalid_argument("HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks");
    }
    return found->second;
  }

  void migrate_mac_address() {
    const std::string mac = request_.mac_address.value_or("");
    if (!below(52)) {
      request_.mac_address.reset();
      return;
    }
    if (mac.empty()) {
      if (below(44)) {
        for (auto& [name, endpoint] : endpoints()) endpoint.mac_address.reset();
      }
      return;
    }
    const bool has_endpoint = is_bridge() || is_user_defined();
    if (below(44) && !has_endpoint) {
      throw Error::invalid_argument("conflicting options: mac-address and the network mode");
    }
    if (has_endpoint) {
      api::EndpointSettings& endpoint = main_endpoint();
      if (!below(44) && !endpoint.mac_address.value_or("").empty() && endpoint.mac_address != mac) {
        throw Error::invalid_argument(
            "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty");
      }
      endpoint.mac_address = mac;
    }
    if (!below(44)) {
      warnings_.emplace_back("The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.");
    }
  }

  /// net.*.*.eth0.* can only be set once the interface is there, so it belongs to the endpoint; up to 1.46 it is moved there.
  void migrate_interface_sysctls() {
    const std::string mode = network_mode();
    if (!host().sysctls || mode == "host" || mode.starts_with("container:")) return;
    std::vector<std::string> moved;
    std::vector<std::string> settings;
    for (const auto& [name, value] : *host().sysctls) {
      const std::string setting = interface_setting(name);
      if (setting.empty()) continue;
      if (!below(47)) {
        throw Error(ErrorCode::internal, fmt::format("interface specific sysctl setting \"{}\" must be supplied using driver option '{}'",
                                                     name, kEndpointSysctls));
      }
      if (!name.contains(".eth0.")) {
        throw Error(ErrorCode::internal,
                    fmt::format("unable to determine network endpoint for sysctl {}, use driver option '{}' to set per-interface sysctls",
                                name, kEndpointSysctls));
      }
      moved.push_back(name);
      settings.push_back(fmt::format("{}={}", setting, value));
    }
    if (!moved.empty()) move_sysctls(moved, fmt::format("{}", fmt::join(settings, ",")));
  }

  void move_sysctls(const std::vector<std::string>& names, std::string settings) {
    warnings_.push_back(
        fmt::format("Migrated sysctl \"{}\" to DriverOpts{{\"{}\":\"{}\"}}.", fmt::join(names, ","), kEndpointSysctls, settings));
    api::EndpointSettings& endpoint = main_endpoint();
    if (!endpoint.driver_opts) endpoint.driver_opts.emplace();
    std::string& option = (*endpoint.driver_opts)[std::string(kEndpointSysctls)];
    if (!option.empty()) settings += "," + option;
    option = std::move(settings);
    for (const std::string& name : names) host().sysctls->erase(name);
  }

  /// net.ipv4.conf.eth0.forwarding gives net.ipv4.conf.IFNAME.forwarding; "" for what names no interface.
  static std::string interface_setting(std::string_view name) {
    if (!name.starts_with("net.")) return {};
    std::size_t at = 0;
    for (int dots = 0; dots < 3; ++dots) {
      at = name.find('.', at);
      if (at == std::string_view::npos) return {};
      ++at;
    }
    const std::size_t end = name.find('.', at);
    if (end == std::string_view::npos || !name.substr(at).starts_with("eth")) return {};
    return fmt::format("{}IFNAME{}", name.substr(0, at), name.substr(end));
  }

  api::ContainerCreateRequest& request_;
  ApiVersion version_;
  std::vector<std::string> warnings_;
};

}  // namespace

std::vector<std::string> adjust(api::ContainerCreateRequest& request, ApiVersion version) {
  return CreateAdjustment(request, version).run();
}

}  // namespace sockerless::frontend
