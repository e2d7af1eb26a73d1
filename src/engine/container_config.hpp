#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/types.hpp"
#include "engine/drivers.hpp"

namespace sockerless {

// What create does to a request before anything is made: plain functions over the wire types. Each error is invalid_argument in dockerd's
// words.

/// What reaches the kernel is a C string, which a NUL would cut short. @param what  "the command", for the error's text.
void refuse_nul(std::string_view what, const std::optional<std::string>& text);
void refuse_nul(std::string_view what, const std::optional<std::vector<std::string>>& texts);

/// Checks the request's own sense: environment, working directory, stop signal, health check, resources, restart policy.
void validate_container_config(const api::ContainerConfig& config);
void validate_host_config(const api::HostConfig& host_config);
/// The part of the above that update shares.
void validate_resources(const api::Resources& resources);
void validate_restart_policy(const api::RestartPolicy& policy);

/// Takes over from the image what the request leaves open (moby's rules: entry point and command go together, variables and labels are
/// merged by name). @errors invalid_argument: "No command specified".
void merge_image_config(api::ContainerConfig& config, const api::ImageConfig& image);

/// Entry point and command as one list. @errors invalid_argument: "No command specified".
std::vector<std::string> arguments_of(const api::ContainerConfig& config);

/// What a container gets that asks for nothing, as far as it depends on the host.
struct HostDefaults {
  std::string runtime = "runc";  ///< Info.DefaultRuntime
  /// Docker's: a namespace of its own where control groups are version 2, else the host's.
  api::HostConfigCgroupnsMode cgroup_namespace = api::HostConfigCgroupnsMode::private_;
};

/// Fills in what dockerd shows where nothing was asked for.
void fill_host_config(api::HostConfig& host_config, const HostDefaults& defaults);

/// "default" and "" are "bridge".
std::string normal_network_mode(std::string_view mode);

/// `linux/arm64` asked for, linux/amd64 there. @errors not_found: in dockerd's words.
void check_platform(std::string_view wanted, const ImageFacts& image, std::string_view reference);

/// True for the policies that bring a container back.
bool has_restart_policy(const api::HostConfig& host_config);

/// The signal that stops the container: StopSignal, else SIGTERM.
int stop_signal_of(const api::ContainerConfig& config);

}  // namespace sockerless
