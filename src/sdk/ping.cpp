#include "sdk/ping.hpp"

#include "api/json.hpp"
#include "api/query_writer.hpp"
#include "base/base64.hpp"

namespace sockerless {

namespace {

Task<void> ping_into(std::shared_ptr<DaemonLink> link, Deadline deadline, net::Response* out) { *out = co_await link->ping(deadline); }

}  // namespace

Task<PingInfo> ping_daemon(std::shared_ptr<DaemonLink> link, CallOptions options) {
  net::Response response;
  co_await with_stop(ping_into(link, link->deadline_of({}, options), &response), options.stop);
  if (response.status >= 300) throw Failure(api_error(response.status, response.headers, response.body));
  const auto field = [&](std::string_view name) { return std::string(response.headers.find(name).value_or("")); };
  co_return PingInfo{.api_version = field("Api-Version"),
                     .builder_version = field("Builder-Version"),
                     .os_type = field("OSType"),
                     .swarm = field("Swarm"),
                     .experimental = field("Docker-Experimental") == "true"};
}

Call describe_archive_info(std::string_view id, std::string_view path) {
  return {.method = net::Method::head,
          .path = "/containers/" + api::percent_encode(id) + "/archive",
          .query = "path=" + api::percent_encode(path)};
}

PathInfo path_stat_of(const net::Headers& headers) {
  try {
    const auto value = headers.find("X-Docker-Container-Path-Stat");
    const std::optional<std::string> json = value ? decode_base64(*value) : std::nullopt;
    if (!json) throw Error::invalid_argument("no X-Docker-Container-Path-Stat");
    PathInfo stat;
    api::JsonReader reader(*json);
    reader.read_object("PathStat", [&](std::string_view name) {
      api::RawJson other;
      if (name == "name") return reader.read(stat.name);
      if (name == "size") return reader.read(stat.size);
      if (name == "mode") return reader.read(stat.mode);
      if (name == "mtime") return reader.read(stat.modified);
      if (name == "linkTarget") return reader.read(stat.link_target);
      reader.read(other);
    });
    return stat;
  } catch (const Error& error) {
    throw Failure(
        {.type = DockerErrorType::connection, .message = fmt::format("the daemon did not say what is at the path: {}", error.what())});
  }
}

BreakerState breaker_state_of(DaemonLink& link) {
  switch (link.health().breaker()) {
    case CircuitBreaker::State::closed:
      return BreakerState::closed;
    case CircuitBreaker::State::open:
      return BreakerState::open;
    case CircuitBreaker::State::half_open:
      return BreakerState::half_open;
  }
  return BreakerState::closed;
}

PoolFigures pool_figures_of(DaemonLink& link) {
  return {.in_use = link.calls().in_use(),
          .idle = link.idle_count(),
          .streams = link.streams().in_use(),
          .waiting = link.calls().waiting() + link.streams().waiting()};
}

}  // namespace sockerless
