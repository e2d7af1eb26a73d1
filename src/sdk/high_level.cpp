#include "sdk/high_level.hpp"

#include <charconv>

#include "api/image_reference.hpp"
#include "base/time.hpp"
#include "sockerless/credential_store.hpp"

namespace sockerless {

namespace {

std::string_view without_slash(std::string_view name) { return name.starts_with('/') ? name.substr(1) : name; }

/// Docker writes "0001-01-01T00:00:00Z" for never.
std::optional<TimePoint> instant_of(const std::optional<std::string>& text) {
  const std::optional<TimePoint> time = text ? find_rfc3339(*text) : std::nullopt;
  return time && *time != kNever && *time > TimePoint{} ? time : std::nullopt;
}

std::uint16_t port_number(std::string_view text) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? number : std::uint16_t{0};
}

/// Of NetworkSettings.Ports: {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "81/tcp": null}.
std::vector<PortMapping> ports_of(const api::PortMap& ports) {
  std::vector<PortMapping> all;
  for (const auto& [key, bindings] : ports) {
    const std::size_t slash = key.find('/');
    PortMapping mapping{.container_port = port_number(std::string_view(key).substr(0, slash)),
                        .protocol = slash == std::string::npos ? "tcp" : key.substr(slash + 1)};
    if (!bindings || bindings->empty()) all.push_back(mapping);
    for (const api::PortBinding& binding : bindings.value_or(std::vector<api::PortBinding>())) {
      mapping.host_ip = binding.host_ip.value_or("");
      mapping.host_port = port_number(binding.host_port.value_or(""));
      all.push_back(mapping);
    }
  }
  return all;
}

std::string state_of(const api::ContainerInspectResponse& container) {
  return container.state && container.state->status ? std::string(container.state->status->str()) : std::string();
}

}  // namespace

CallBudget::CallBudget(CallOptions options) : options_(std::move(options)) {
  if (options_.timeout && options_.timeout->count() > 0) end_ = std::chrono::steady_clock::now() + *options_.timeout;
}

CallOptions CallBudget::next() const {
  CallOptions options = options_;
  if (!end_) return options;
  options.timeout = std::chrono::ceil<std::chrono::milliseconds>(*end_ - std::chrono::steady_clock::now());
  if (options.timeout->count() > 0) return options;
  throw Failure({.type = DockerErrorType::timeout,
                 .message = fmt::format("it took longer than {} ms", options_.timeout->count()),
                 .recoverable = true});
}

void pull_image(const Client& client, std::string_view image, const std::optional<RegistryCredentials>& registry,
                const CallBudget& budget) {
  const api::ImageReference reference = api::ImageReference::parse(image).with_default_tag();  // without a tag all of them would come
  const RegistryCredentials who = registry ? *registry : value_or_throw(CredentialStore().blocking_get_for_image(image));
  api::ImageCreateParams params{.from_image = reference.familiar()};
  if (!who.is_anonymous()) params.x_registry_auth = encode_registry_auth(who).reveal();
  auto progress = value_or_throw(client.image_create(params, nullptr, budget.next()));
  value_or_throw(progress.finish());
}

std::optional<api::ImageInspect> find_image(const Client& client, std::string_view image, const CallBudget& budget) {
  Result<api::ImageInspect> found = client.image_inspect(image, {}, budget.next());
  if (!found && found.error().type == DockerErrorType::not_found) return std::nullopt;
  return value_or_throw(std::move(found));
}

std::optional<api::ContainerInspectResponse> find_container(const Client& client, std::string_view name, const CallBudget& budget) {
  Result<api::ContainerInspectResponse> found = client.container_inspect(name, {}, budget.next());
  if (!found && found.error().type == DockerErrorType::not_found) return std::nullopt;
  return value_or_throw(std::move(found));
}

ContainerInfo info_of(const api::ContainerInspectResponse& container) {
  ContainerInfo info{.id = container.id.value_or(""),
                     .name = std::string(without_slash(container.name.value_or(""))),
                     .image = container.image.value_or(""),
                     .state = state_of(container),
                     .created = instant_of(container.created).value_or(TimePoint{})};
  info.status = info.state;
  if (container.config) {
    info.image = container.config->image.value_or(info.image);
    info.labels = container.config->labels.value_or(std::map<std::string, std::string>());
  }
  if (container.network_settings && container.network_settings->ports) info.ports = ports_of(*container.network_settings->ports);
  if (container.state) info.started = instant_of(container.state->started_at);
  return info;
}

ContainerInfo info_of(const api::ContainerSummary& container) {
  ContainerInfo info{.id = container.id.value_or(""),
                     .image = container.image.value_or(""),
                     .status = container.status.value_or(""),
                     .labels = container.labels.value_or(std::map<std::string, std::string>()),
                     .created = TimePoint(std::chrono::seconds(container.created.value_or(0)))};
  if (container.state) info.state = container.state->str();
  // A container that others link to has a name for each of them, too: "/web/db". Its own has no second slash.
  for (const std::string& name : container.names.value_or(std::vector<std::string>())) {
    if (without_slash(name).find('/') == std::string_view::npos) info.name = without_slash(name);
  }
  for (const api::PortSummary& port : container.ports.value_or(std::vector<api::PortSummary>())) {
    info.ports.push_back({.container_port = port.private_port,
                          .host_port = port.public_port,
                          .protocol = std::string(port.type.str()),
                          .host_ip = port.ip.value_or("")});
  }
  return info;
}

ServiceHealth health_of(const api::ContainerInspectResponse& container) {
  ServiceHealth health{.name = std::string(without_slash(container.name.value_or(""))),
                       .container_id = container.id.value_or(""),
                       .state = state_of(container),
                       .health_status = "none"};
  if (container.state && container.state->health) {
    const api::Health& told = *container.state->health;
    if (told.status && !told.status->str().empty()) health.health_status = told.status->str();
    if (told.log && !told.log->empty()) {
      health.last_check = instant_of(told.log->back().end);
      health.last_output = told.log->back().output.value_or("");
    }
  }
  health.is_ready = health.state == "running" && (health.health_status == "none" || health.health_status == "healthy");
  return health;
}

}  // namespace sockerless
