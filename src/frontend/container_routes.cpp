// Containers: what answers at once. What streams is in container_stream_routes.cpp, files are in archive_routes.cpp.

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/error.hpp"
#include "frontend/call.hpp"
#include "frontend/routes.hpp"
#include "frontend/version_shape.hpp"

namespace sockerless::frontend {

namespace {

/// Docker ignores the signal of clients older than 1.42.
StopOptions stop_options(const Call& call, const std::string& signal, std::optional<std::int64_t> seconds) {
  StopOptions options{.signal = std::nullopt, .timeout_seconds = seconds};
  if (call.since(42) && !signal.empty()) options.signal = signal;
  return options;
}

/// A start once took a HostConfig; "null" and "{}" in its place are still let through.
void refuse_start_body(const Call& call) {
  if (!call.exchange.has_body()) return;
  const std::string length = call.header("Content-Length");
  std::uint64_t bytes = std::numeric_limits<std::uint64_t>::max();  // chunked: unknown
  if (!length.empty()) std::from_chars(length.data(), length.data() + length.size(), bytes);
  if (bytes > 7) {
    throw Error::invalid_argument("starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24");
  }
}

}  // namespace

Task<void> list_containers(Call& call) {
  api::ContainerListParams params = api::parse_container_list_params(call.query);
  std::vector<api::ContainerSummary> containers =
      co_await call.backend.containers().list({.all = params.all,
                                               .limit = params.limit && *params.limit > 0 ? params.limit : std::nullopt,
                                               .size = params.size ? WithSize::yes : WithSize::no,
                                               .filters = std::move(params.filters)});
  std::string json;
  json.reserve(containers.size() * 1024 + 16);
  api::JsonWriter writer(json);
  writer.begin_array();
  for (api::ContainerSummary& container : containers) {
    shape(container, call.version);
    api::write_json(writer, container);
  }
  writer.end_array();
  co_await reply_text(call, 200, std::move(json));
}

Task<void> create_container(Call& call) {
  const api::ContainerCreateParams params = api::parse_container_create_params(call.query);
  const std::string body = co_await read_json_text(call);
  if (body.empty()) throw Error::invalid_argument("invalid JSON: got EOF while reading request body");
  if (body == "null" || body == "{}") throw Error::invalid_argument("config cannot be empty in order to create a container");
  CreateContainerOptions options{.name = params.name,
                                 .platform = call.since(41) ? params.platform : std::string(),
                                 .request = api::parse_json<api::ContainerCreateRequest>(body)};
  const std::vector<std::string> warnings = adjust(options.request, call.version);
  if (call.below(41) && !options.request.host_config->cgroupns_mode) {
    // These clients expect the host's cgroup namespace where cgroups are those of version 1.
    const api::SystemInfo info = co_await call.backend.system().info();
    if (info.cgroup_version && info.cgroup_version->str() == "1")
      options.request.host_config->cgroupns_mode = api::HostConfigCgroupnsMode("host");
  }
  api::ContainerCreateResponse created = co_await call.backend.containers().create(std::move(options));
  created.warnings.insert(created.warnings.end(), warnings.begin(), warnings.end());
  co_await reply(call, 201, created);
}

Task<void> inspect_container(Call& call) {
  const api::ContainerInspectParams params = api::parse_container_inspect_params(call.query);
  api::ContainerInspectResponse container =
      co_await call.backend.containers().inspect({call.id}, params.size ? WithSize::yes : WithSize::no);
  shape(container, call.version);
  co_await reply(call, 200, container);
}

Task<void> start_container(Call& call) {
  const api::ContainerStartParams params = api::parse_container_start_params(call.query);
  refuse_start_body(call);
  if (!params.checkpoint.empty()) co_await refuse_checkpoints(call);
  co_await call.backend.containers().start({call.id});
  co_await reply_empty(call, 204);
}

Task<void> stop_container(Call& call) {
  const api::ContainerStopParams params = api::parse_container_stop_params(call.query);
  co_await call.backend.containers().stop({call.id}, stop_options(call, params.signal, params.t));
  co_await reply_empty(call, 204);
}

Task<void> restart_container(Call& call) {
  const api::ContainerRestartParams params = api::parse_container_restart_params(call.query);
  co_await call.backend.containers().restart({call.id}, stop_options(call, params.signal, params.t));
  co_await reply_empty(call, 204);
}

Task<void> kill_container(Call& call) {
  const api::ContainerKillParams params = api::parse_container_kill_params(call.query);
  co_await call.backend.containers().kill({call.id}, params.signal);
  co_await reply_empty(call, 204);
}

Task<void> pause_container(Call& call) {
  co_await call.backend.containers().pause({call.id});
  co_await reply_empty(call, 204);
}

Task<void> unpause_container(Call& call) {
  co_await call.backend.containers().unpause({call.id});
  co_await reply_empty(call, 204);
}

Task<void> rename_container(Call& call) {
  const api::ContainerRenameParams params = api::parse_container_rename_params(call.query);
  co_await call.backend.containers().rename({call.id}, params.name);
  co_await reply_empty(call, 204);
}

Task<void> update_container(Call& call) {
  auto request = co_await read_json_body<api::ContainerUpdateRequest>(call);
  adjust(request, call.version);
  co_await reply(call, 200, co_await call.backend.containers().update({call.id}, std::move(request)));
}

Task<void> delete_container(Call& call) {
  const api::ContainerDeleteParams params = api::parse_container_delete_params(call.query);
  co_await call.backend.containers().remove(
      {call.id},
      {.force = params.force ? Force::yes : Force::no, .volumes = params.v ? RemoveVolumes::yes : RemoveVolumes::no, .link = params.link});
  co_await reply_empty(call, 204);
}

Task<void> prune_containers(Call& call) {
  api::ContainerPruneParams params = api::parse_container_prune_params(call.query);
  co_await reply(call, 200, co_await call.backend.containers().prune(std::move(params.filters)));
}

Task<void> resize_container(Call& call) {
  const api::ContainerResizeParams params = api::parse_container_resize_params(call.query);
  co_await call.backend.containers().resize({call.id}, terminal_size(params.h, params.w));
  co_await reply_empty(call, 200);
}

Task<void> top_container(Call& call) {
  const api::ContainerTopParams params = api::parse_container_top_params(call.query);
  co_await reply(call, 200, co_await call.backend.containers().top({call.id}, params.ps_args));
}

Task<void> refuse_checkpoints(Call& call) {
  throw Error::not_implemented("the {} backend does not support checkpoints", call.backend.capabilities().backend);
  co_return;  // makes this a coroutine
}

}  // namespace sockerless::frontend
