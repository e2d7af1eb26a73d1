#include <algorithm>
#include <set>

#include "sdk/high_level.hpp"
#include "sockerless/manager.hpp"

namespace sockerless {

namespace {

constexpr int kPortTries = 16;

[[noreturn]] void refuse(std::string message) { throw Failure({.type = DockerErrorType::unknown, .message = std::move(message)}); }

std::string key_of(const PortMapping& port) { return fmt::format("{}/{}", port.container_port, port.protocol); }

std::string image_of(const ContainerSpec& spec) { return spec.image.empty() ? spec.other.image.value_or("") : spec.image; }

void add_ports(api::ContainerCreateRequest& request, const std::vector<PortMapping>& ports) {
  request.host_config->port_bindings.emplace();
  if (!request.exposed_ports) request.exposed_ports.emplace();
  for (const PortMapping& port : ports) {
    request.exposed_ports->insert({key_of(port), {}});
    std::optional<std::vector<api::PortBinding>>& bindings = (*request.host_config->port_bindings)[key_of(port)];
    if (!bindings) bindings.emplace();
    bindings->push_back({.host_ip = port.host_ip, .host_port = port.host_port ? std::to_string(*port.host_port) : ""});
  }
}

void add_host_config(api::ContainerCreateRequest& request, const ContainerSpec& spec, const std::vector<PortMapping>& ports) {
  if (ports.empty() && spec.volumes.empty() && spec.network.empty() && spec.restart_policy.empty()) return;
  if (!request.host_config) request.host_config.emplace();
  api::HostConfig& host = *request.host_config;
  if (!spec.volumes.empty()) host.binds = spec.volumes;
  if (!spec.network.empty()) host.network_mode = spec.network;
  if (!spec.restart_policy.empty()) host.restart_policy = {.name = api::RestartPolicyName(spec.restart_policy)};
  if (!ports.empty()) add_ports(request, ports);
}

/// Another image name under the same tag: "image busybox is now sha256:b, the container has sha256:a".
void compare_images(const Client& client, const std::string& image, const api::ContainerInspectResponse& container,
                    const CallBudget& budget, std::vector<std::string>& found) {
  const std::optional<api::ImageInspect> now = find_image(client, image, budget);
  if (now && now->id && container.image && *now->id != *container.image) {
    found.push_back(fmt::format("the image {} is {} now, the container has {}", image, *now->id, *container.image));
  }
}

}  // namespace

void check_spec(const ContainerSpec& spec) {
  if (spec.name.empty()) refuse("a container that is started by its specification needs a name");
  if (image_of(spec).empty()) refuse(fmt::format("the specification of container {} names no image", spec.name));
  for (const PortMapping& port : spec.ports) {
    if (port.container_port == 0) refuse(fmt::format("the specification of container {} publishes port 0 of the container", spec.name));
  }
}

api::ContainerCreateRequest request_of(const ContainerSpec& spec, const std::vector<PortMapping>& ports) {
  api::ContainerCreateRequest request = spec.other;
  request.image = image_of(spec);
  if (!spec.command.empty()) request.cmd = spec.command;
  if (!spec.environment.empty() && !request.env) request.env.emplace();
  for (const auto& [name, value] : spec.environment) {
    std::erase_if(*request.env, [&](const std::string& set) { return set.starts_with(name + "="); });
    request.env->push_back(fmt::format("{}={}", name, value));
  }
  if (!spec.labels.empty() && !request.labels) request.labels.emplace();
  for (const auto& [key, value] : spec.labels) request.labels->insert_or_assign(key, value);
  add_host_config(request, spec, ports);
  return request;
}

namespace {

/// One start_container.
class Start {
 public:
  Start(const Client& client, const ContainerSpec& spec, const StartOptions& how, CallOptions options)
      : client_(client), spec_(spec), how_(how), budget_(std::move(options)), ports_(spec.ports) {}

  StartedContainer run() {
    check_spec(spec_);
    if (how_.pull == StartOptions::Pull::always) pull();
    if (!take_existing()) create_and_start();
    done_.info = info_of(value_or_throw(client_.container_inspect(spec_.name, {}, budget_.next())));
    return std::move(done_);
  }

 private:
  std::string image() const { return image_of(spec_); }
  api::ContainerCreateRequest request() const { return request_of(spec_, ports_); }

  void pull() {
    pull_image(client_, image(), how_.registry, budget_);
    done_.was_pulled = true;
  }

  /// False: there is none.
  bool take_existing() {
    const auto existing = find_container(client_, spec_.name, budget_);
    // An id, or the beginning of one, is no name.
    if (!existing || info_of(*existing).name != spec_.name) return false;
    std::vector<std::string> found = differences(request(), *existing, how_.taken_port == StartOptions::TakenPort::next_free);
    compare_images(client_, image(), *existing, budget_, found);
    if (!found.empty()) {
      throw Failure({.type = DockerErrorType::conflict,
                     .message = fmt::format("there is a container {} with another configuration: {}. Remove it, or choose another name",
                                            spec_.name, fmt::join(found, "; "))});
    }
    const ContainerInfo info = info_of(*existing);
    if (info.state == "paused") {
      value_or_throw(client_.container_unpause(info.id, budget_.next()));
    } else if (info.state != "running") {
      done_.was_started = changed(client_.container_start(info.id, {}, budget_.next()));
    }
    return true;
  }

  std::string create() {
    Result<api::ContainerCreateResponse> created = client_.container_create(request(), {.name = spec_.name}, budget_.next());
    const bool may_be_missing = !created && created.error().type == DockerErrorType::not_found && !done_.was_pulled;
    if (may_be_missing && how_.pull != StartOptions::Pull::never && !find_image(client_, image(), budget_)) {
      pull();
      created = client_.container_create(request(), {.name = spec_.name}, budget_.next());
    }
    const api::ContainerCreateResponse container = value_or_throw(std::move(created));
    done_.warnings = container.warnings;
    return container.id;
  }

  void create_and_start() {
    for (int tries = 1;; ++tries) {
      const std::string id = create();
      Result<void> started = Result<void>();
      try {
        started = client_.container_start(id, {}, budget_.next());
      } catch (const Failure& failure) {
        started = failure.error();
      }
      if (started || started.error().type == DockerErrorType::not_modified) break;
      DockerError error = std::move(started).error();
      const bool is_removed = take_away(id, error);
      if (!is_removed || how_.taken_port != StartOptions::TakenPort::next_free || !move_ports(error, tries))
        throw Failure(std::move(error));
    }
    done_.was_created = done_.was_started = true;
  }

  /// False: it is still there, and the error says so, too.
  bool take_away(const std::string& id, DockerError& error) const {
    const Result<void> removed = client_.container_delete(id, {.v = true, .force = true}, budget_.for_cleaning());
    if (removed || removed.error().type == DockerErrorType::not_found) return true;
    error.message += fmt::format(" (the container {}, which was created for it, could not be removed: {})", id, removed.error().text());
    return false;
  }

  /// Other host ports for those that the daemon says are taken. False: that is not what is wrong, or no port was asked for.
  bool move_ports(const DockerError& error, int tries) {
    const std::string& message = error.message;
    if (message.find("port is already allocated") == std::string::npos && message.find("address already in use") == std::string::npos)
      return false;
    const auto is_named = [&](const PortMapping& port) {
      const std::string number = ":" + std::to_string(*port.host_port);
      const std::size_t at = message.find(number);
      return at != std::string::npos && (at + number.size() == message.size() || std::isdigit(message[at + number.size()]) == 0);
    };
    const bool names_one = std::ranges::any_of(ports_, [&](const PortMapping& port) { return port.host_port && is_named(port); });
    std::set<std::uint16_t> taken = published_ports();
    bool moved = false;
    for (PortMapping& port : ports_) {
      if (!port.host_port || *port.host_port == 0 || (names_one && !is_named(port))) continue;
      moved = true;
      std::uint16_t next = *port.host_port;
      do {
        ++next;
      } while (next != 0 && taken.contains(next));
      if (tries >= kPortTries || next == 0) {
        port.host_port.reset();
      } else {
        port.host_port = next;
        taken.insert(next);
      }
    }
    return moved;
  }

  std::set<std::uint16_t> published_ports() const {
    std::set<std::uint16_t> ports;
    for (const api::ContainerSummary& container : value_or_throw(client_.container_list({}, budget_.next()))) {
      for (const PortMapping& port : info_of(container).ports) ports.insert(port.host_port.value_or(0));
    }
    for (const PortMapping& port : ports_) ports.insert(port.host_port.value_or(0));
    return ports;
  }

  const Client& client_;
  const ContainerSpec& spec_;
  const StartOptions& how_;
  CallBudget budget_;
  std::vector<PortMapping> ports_;  // of the spec, or where next_free moved them
  StartedContainer done_;
};

}  // namespace

Result<StartedContainer> DockerManager::start_container(const ContainerSpec& spec, const StartOptions& how, CallOptions options) const {
  return without_throwing([&] { return Start(client_, spec, how, std::move(options)).run(); });
}

}  // namespace sockerless
