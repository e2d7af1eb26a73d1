#include "base/error.hpp"
#include "frontend/call.hpp"
#include "frontend/routes.hpp"
#include "frontend/streams.hpp"
#include "frontend/version_shape.hpp"

namespace sockerless::frontend {

namespace {

/// The daemon as a component of itself: the docker command line prints its server from this.
api::SystemVersionComponents engine_component(const api::SystemVersion& version) {
  std::map<std::string, std::string> details;
  const auto add = [&details](const char* name, const std::optional<std::string>& value) {
    if (value && !value->empty()) details.emplace(name, *value);
  };
  add("ApiVersion", version.api_version);
  add("MinAPIVersion", version.min_api_version);
  add("Arch", version.arch);
  add("Os", version.os);
  add("KernelVersion", version.kernel_version);
  add("GitCommit", version.git_commit);
  add("GoVersion", version.go_version);
  add("BuildTime", version.build_time);
  details.emplace("Experimental", version.experimental.value_or(false) ? "true" : "false");
  return {.name = "Engine", .version = version.version.value_or(""), .details = api::RawJson{api::to_json(details)}};
}

/// How events are set apart from each other, as the client's Accept asks.
struct EventFormat {
  std::string type;
  std::string before;  ///< each event
};

EventFormat event_format(const Call& call) {
  const std::string accept = call.header("Accept");
  if (accept.contains("application/json-seq")) return {.type = "application/json-seq", .before = "\x1e"};
  if (accept.contains("application/x-ndjson")) return {.type = "application/x-ndjson", .before = ""};
  if (accept.contains("application/jsonl") || call.since(52)) return {.type = "application/jsonl", .before = ""};
  return {.type = "application/json", .before = ""};
}

Task<void> send_events(Call& call, EventStream& events) {
  const EventFormat format = event_format(call);
  net::BodyWriter* out = co_await call.exchange.respond_stream(200, {{"Content-Type", format.type}});
  while (std::optional<api::EventMessage> event = co_await events.next()) {
    if (!is_shown(*event, call.version)) continue;
    shape(*event, call.version);
    const std::string line = format.before + api::to_json(*event) + "\n";
    co_await out->write(as_bytes(line));
  }
  co_await out->finish();
}

DiskUsageOptions disk_usage_options(const Call& call, const std::vector<std::string>& types) {
  if (call.below(42) || types.empty()) return {};
  DiskUsageOptions options{.containers = false, .images = false, .volumes = false, .build_cache = false};
  for (const std::string& type : types) {
    if (type == "container") {
      options.containers = true;
    } else if (type == "image") {
      options.images = true;
    } else if (type == "volume") {
      options.volumes = true;
    } else if (type == "build-cache") {
      options.build_cache = true;
    } else {
      throw Error::invalid_argument("unknown object type: {}", type);
    }
  }
  return options;
}

}  // namespace

/// A client takes "1" for Docker's classic builder; nothing: there is none.
Task<void> ping(Call& call) {
  const auto headers_with = [](std::string_view builder) {
    return net::Headers{{"Content-Type", "text/plain; charset=utf-8"},
                        {"Cache-Control", "no-cache, no-store, must-revalidate"},
                        {"Pragma", "no-cache"},
                        {"Swarm", "inactive"},
                        {"Builder-Version", std::string(builder)}};
  };
  static const net::Headers kWithoutBuilder = headers_with("");
  static const net::Headers kWithBuilder = headers_with("1");
  return call.exchange.respond_constant(200, call.backend.builder() == nullptr ? kWithoutBuilder : kWithBuilder,
                                        call.exchange.request().method == net::Method::head ? "" : "OK");
}

/// There are no managed plugins, so none has that name. `docker inspect` asks here last, and reads 404 as "No such object".
Task<void> inspect_plugin(Call& call) {
  throw Error::not_found("plugin \"{}\" not found", call.id);
  co_return;  // makes this a coroutine
}

Task<void> system_info(Call& call) {
  api::SystemInfo info = co_await call.backend.system().info();
  shape(info, call.version);
  co_await reply(call, 200, info);
}

Task<void> system_version(Call& call) {
  api::SystemVersion version = co_await call.backend.system().version();
  version.api_version = call.options.advertised.str();
  version.min_api_version = call.options.minimum.str();
  if (version.version.value_or("").empty()) version.version = call.options.server_version;
  if (!version.components) version.components.emplace();
  auto& components = *version.components;
  const auto is_engine = [](const api::SystemVersionComponents& component) { return component.name == "Engine"; };
  std::erase_if(components, is_engine);
  components.insert(components.begin(), engine_component(version));
  shape(version, call.version);
  co_await reply(call, 200, version);
}

Task<void> system_auth(Call& call) {
  auto credentials = co_await read_json_body<api::AuthConfig>(call);
  RegistryRole& registry = require(call.backend.registry(), call.backend, "signing in to registries");
  co_await reply(call, 200, co_await registry.auth(std::move(credentials)));
}

Task<void> system_events(Call& call) {
  api::SystemEventsParams params = api::parse_system_events_params(call.query);
  if (params.since && params.until && *params.since > *params.until) {
    throw Error::invalid_argument("`since` time ({}) cannot be after `until` time ({})", call.query.text("since"),
                                  call.query.text("until"));
  }
  const std::unique_ptr<EventStream> events =
      co_await call.backend.system().events({.since = params.since, .until = params.until, .filters = std::move(params.filters)});
  co_await while_client_stays(call, send_events(call, *events));
}

Task<void> system_disk_usage(Call& call) {
  const api::SystemDataUsageParams params = api::parse_system_data_usage_params(call.query);
  api::SystemDataUsageResponse usage = co_await call.backend.system().disk_usage(disk_usage_options(call, params.type));
  shape(usage, call.version);
  co_await reply(call, 200, usage);
}

}  // namespace sockerless::frontend
