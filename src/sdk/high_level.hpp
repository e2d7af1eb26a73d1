#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sdk/failure.hpp"
#include "sockerless/client.hpp"
#include "sockerless/container_info.hpp"
#include "sockerless/credentials.hpp"
#include "sockerless/manager.hpp"

// Internal to sdk/: what DockerManager and Batch are made of. Functions here throw Failure.
namespace sockerless {

/// The value, or the error as an exception.
template <typename T>
T value_or_throw(Result<T> result) {
  if (!result) throw Failure(std::move(result).error());
  if constexpr (!std::is_void_v<T>) return std::move(result).value();
}

/// False: it was so already, which is what its caller wants. @errors Failure.
inline bool changed(const Result<void>& result) {
  if (!result && result.error().type == DockerErrorType::not_modified) return false;
  value_or_throw(result);
  return true;
}

/// As the endpoints' parameter `t` has it.
inline std::optional<std::int64_t> seconds_of(std::optional<std::chrono::seconds> grace) {
  return grace ? std::optional<std::int64_t>(grace->count()) : std::nullopt;
}

/// The time of several calls that are one to their caller.
class CallBudget {
 public:
  explicit CallBudget(CallOptions options);
  /// For the next call: what is left. @errors timeout: nothing.
  CallOptions next() const;
  /// For what must be tidied up whatever happened: not stopped, and with the client's own time.
  CallOptions for_cleaning() const { return {.retry_attempts = options_.retry_attempts}; }
  const std::stop_token& stop() const { return options_.stop; }

 private:
  CallOptions options_;
  std::optional<std::chrono::steady_clock::time_point> end_;
};

/// @errors as those of the daemon; unknown: not an image reference.
void pull_image(const Client& client, std::string_view image, const std::optional<RegistryCredentials>& registry, const CallBudget& budget);
/// Nullopt: there is none.
std::optional<api::ImageInspect> find_image(const Client& client, std::string_view image, const CallBudget& budget);
std::optional<api::ContainerInspectResponse> find_container(const Client& client, std::string_view name, const CallBudget& budget);

ContainerInfo info_of(const api::ContainerInspectResponse& container);
ContainerInfo info_of(const api::ContainerSummary& container);
ServiceHealth health_of(const api::ContainerInspectResponse& container);

/// @errors unknown: it cannot be used.
void check_spec(const ContainerSpec& spec);
/// What is sent for it. @param ports  in place of the spec's.
api::ContainerCreateRequest request_of(const ContainerSpec& spec, const std::vector<PortMapping>& ports);

/// How a container is different from what is asked for: "Config.Cmd is [\"a\"], not [\"b\"]"; nothing: it is as asked.
/// @param ports_may_differ  a published port may be another one.
std::vector<std::string> differences(const api::ContainerCreateRequest& asked, const api::ContainerInspectResponse& container,
                                     bool ports_may_differ);

}  // namespace sockerless
