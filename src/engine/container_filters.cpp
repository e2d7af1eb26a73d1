#include "engine/container_filters.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

Error invalid_filter(std::string_view key, std::string_view value) { return Error::invalid_argument("invalid filter '{}={}'", key, value); }

std::optional<int> find_number(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string with_protocol(const std::string& port) { return port.find('/') == std::string::npos ? port + "/tcp" : port; }

}  // namespace

std::set<std::string> expand_port_range(const std::string& text) {
  const auto slash = text.find('/');
  const std::string protocol = slash == std::string::npos ? "tcp" : text.substr(slash + 1);
  const std::string range = text.substr(0, slash);
  const auto dash = range.find('-');
  const auto first = find_number(std::string_view(range).substr(0, dash));
  const auto last = dash == std::string::npos ? first : find_number(std::string_view(range).substr(dash + 1));
  if (!first || !last || *first < 0 || *last > 65535 || *first > *last || protocol.empty()) {
    throw Error::invalid_argument("error while looking up for {}: invalid port range", text);
  }
  std::set<std::string> ports;
  for (int port = *first; port <= *last; ++port) ports.insert(fmt::format("{}/{}", port, protocol));
  return ports;
}

ContainerFilter::ContainerFilter(EngineContext& context, api::Filters filters)
    : context_(context), filters_(std::move(filters)), names_(filters_.get("name")), ids_(filters_.get("id")) {
  filters_.validate({"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network",
                     "publish", "since", "status", "volume"});
  read_numbers();
  read_status();
  read_positions();
  read_networks();
  read_images();
  if (filters_.contains("is-task")) nothing_ = filters_.boolean_or("is-task", false);
}

void ContainerFilter::read_numbers() {
  for (const auto& value : filters_.get("exited")) {
    const auto code = find_number(value);
    if (!code) throw invalid_filter("exited", value);
    exit_codes_.insert(*code);
  }
  for (const auto& value : filters_.get("publish")) publish_.merge(expand_port_range(value));
  for (const auto& value : filters_.get("expose")) expose_.merge(expand_port_range(value));
}

void ContainerFilter::read_status() {
  for (const auto& value : filters_.get("status")) {
    const auto status = find_container_status(value);
    if (!status) throw invalid_filter("status", value);
    statuses_.insert(*status);
  }
  for (const auto& value : filters_.get("health")) {
    if (value != "none" && value != "starting" && value != "healthy" && value != "unhealthy") throw invalid_filter("health", value);
  }
}

void ContainerFilter::read_positions() {
  for (const auto& value : filters_.get("before")) {
    const TimePoint created = context_.containers.get(value)->definition()->created;
    before_ = before_ ? std::min(*before_, created) : created;
  }
  for (const auto& value : filters_.get("since")) {
    const TimePoint created = context_.containers.get(value)->definition()->created;
    since_ = since_ ? std::max(*since_, created) : created;
  }
}

void ContainerFilter::read_networks() {
  for (const auto& value : filters_.get("network")) {
    if (const std::string id = context_.networks.find_id(value); !id.empty()) networks_.insert(id);
  }
}

void ContainerFilter::read_images() {
  for (const auto& value : filters_.get("ancestor")) images_.merge(context_.images.with_descendants(value));
}

std::vector<ContainerPtr> ContainerFilter::candidates() const {
  if (nothing_) return {};
  const auto& references = filters_.get("id");
  if (references.size() == 1 && is_hex64(references.front())) {
    if (auto record = context_.containers.find(references.front())) return {std::move(record)};
    return {};
  }
  return context_.containers.with_labels(filters_.get("label"));
}

bool ContainerFilter::matches(const ContainerRecord& record, const ContainerSnapshot& now) {
  if (filters_.empty()) return true;
  const auto& definition = *now.definition;
  return matches_identity(record, definition) && matches_state(*now.state) && matches_volumes(definition.spec) &&
         matches_networks(*now.networks);
}

bool ContainerFilter::matches_identity(const ContainerRecord& record, const ContainerDefinition& definition) {
  const auto& spec = definition.spec;
  if (before_ && definition.created >= *before_) return false;
  if (since_ && definition.created <= *since_) return false;
  if (!ids_.matches(record.id().str())) return false;
  if (!names_.matches(spec.name) && !names_.matches("/" + spec.name)) return false;
  static const std::map<std::string, std::string> kNoLabels;
  if (!filters_.match_kv_list("label", spec.config.labels ? *spec.config.labels : kNoLabels)) return false;
  if (filters_.contains("ancestor") && !images_.contains(spec.image_id)) return false;
  if (filters_.contains("isolation") && !filters_.exact_match("isolation", "") && !filters_.exact_match("isolation", "default"))
    return false;
  if (!expose_.empty()) {
    const auto& exposed = spec.config.exposed_ports;
    if (!exposed || std::ranges::none_of(*exposed, [&](const auto& port) { return expose_.contains(with_protocol(port.first)); }))
      return false;
  }
  if (!publish_.empty()) {
    const auto& published = spec.host_config.port_bindings;
    if (!published || std::ranges::none_of(*published, [&](const auto& port) { return publish_.contains(with_protocol(port.first)); }))
      return false;
  }
  return true;
}

bool ContainerFilter::matches_state(const ContainerState& state) const {
  if (!statuses_.empty() && !statuses_.contains(state.status())) return false;
  if (!exit_codes_.empty()) {
    const bool has_exited = !state.is_running() && state.started_at() != kNever;
    if (!has_exited || !exit_codes_.contains(state.exit_code())) return false;
  }
  return filters_.exact_match("health", name_of(state.health().status));
}

bool ContainerFilter::matches_volumes(const WorkloadSpec& spec) const {
  if (!filters_.contains("volume")) return true;
  return std::ranges::any_of(spec.mounts, [&](const MountSpec& mount) {
    if (filters_.exact_match("volume", mount.destination)) return true;
    return mount.kind == MountSpec::Kind::volume ? filters_.exact_match("volume", mount.volume_name)
                                                 : !mount.source.empty() && filters_.exact_match("volume", mount.source);
  });
}

bool ContainerFilter::matches_networks(const ContainerNetworks& networks) const {
  if (!filters_.contains("network")) return true;
  return std::ranges::any_of(networks.endpoints,
                             [&](const auto& entry) { return entry.second.network_id && networks_.contains(*entry.second.network_id); });
}

}  // namespace sockerless
