#include "backends/docker/requests.hpp"

#include "api/json.hpp"
#include "api/types_json.hpp"
#include "base/base64.hpp"

namespace sockerless::docker {

namespace {

bool is_everything(const DiskUsageOptions& options) {
  return options.containers && options.images && options.volumes && options.build_cache;
}

}  // namespace

api::ContainerListParams params_of(const ListContainersOptions& options) {
  api::ContainerListParams params;
  params.all = options.all;
  params.limit = options.limit;
  params.size = options.size == WithSize::yes;
  params.filters = options.filters;
  return params;
}

api::ContainerStopParams stop_params_of(const StopOptions& options) {
  return {.signal = options.signal.value_or(""), .t = options.timeout_seconds};
}

api::ContainerRestartParams restart_params_of(const StopOptions& options) {
  return {.signal = options.signal.value_or(""), .t = options.timeout_seconds};
}

api::ContainerKillParams kill_params_of(const std::string& signal) {
  api::ContainerKillParams params;
  if (!signal.empty()) params.signal = signal;
  return params;
}

api::ContainerDeleteParams params_of(const RemoveContainerOptions& options) {
  return {.v = options.volumes == RemoveVolumes::yes, .force = options.force == Force::yes, .link = options.link};
}

api::ContainerLogsParams params_of(const LogOptions& options) {
  return {.follow = options.follow,
          .stdout = options.show_stdout,
          .stderr = options.show_stderr,
          .since = options.since,
          .until = options.until,
          .timestamps = options.timestamps,
          .tail = options.tail,
          .details = options.details,
          .format = {}};
}

api::ContainerAttachParams params_of(const AttachOptions& options) {
  return {.detach_keys = options.detach_keys,
          .logs = options.logs,
          .stream = options.stream,
          .stdin = options.use_stdin,
          .stdout = options.use_stdout,
          .stderr = options.use_stderr};
}

api::ContainerWaitParams params_of(WaitCondition condition) {
  switch (condition) {
    case WaitCondition::next_exit:
      return {.condition = "next-exit"};
    case WaitCondition::removed:
      return {.condition = "removed"};
    case WaitCondition::not_running:
      break;
  }
  return {.condition = "not-running"};
}

api::ContainerTopParams top_params_of(const std::string& ps_args) {
  api::ContainerTopParams params;
  if (!ps_args.empty()) params.ps_args = ps_args;
  return params;
}

api::ContainerStatsParams params_of(const StatsOptions& options) { return {.stream = options.stream, .one_shot = options.one_shot}; }

api::PutContainerArchiveParams params_of(const PutArchiveOptions& options) {
  return {.path = options.path, .no_overwrite_dir_non_dir = options.no_overwrite_dir_non_dir, .copy_uid_gid = options.copy_uid_gid};
}

api::ExecStartRequest request_of(const ExecStartOptions& options) {
  api::ExecStartRequest request;
  request.detach = options.detach;
  request.tty = options.tty;
  if (options.console_size) request.console_size = {options.console_size->height, options.console_size->width};
  return request;
}

api::ImageListParams params_of(const ListImagesOptions& options) {
  api::ImageListParams params;
  params.all = options.all;
  params.shared_size = options.shared_size;
  params.digests = options.digests;
  params.filters = options.filters;
  return params;
}

api::ImageDeleteParams params_of(const RemoveImageOptions& options) {
  return {.force = options.force == Force::yes, .noprune = options.no_prune, .platforms = {}};
}

api::ImageCreateParams params_of(const ImportImageOptions& options) {
  api::ImageCreateParams params;
  params.from_src = options.source;
  params.repo = options.repo;
  params.tag = options.tag;
  params.message = options.message;
  params.changes = options.changes;
  params.platform = options.platform;
  return params;
}

api::ImageCreateParams params_of(const PullImageOptions& options) {
  api::ImageCreateParams params;
  params.from_image = options.image;
  params.tag = options.tag;
  params.platform = options.platform;
  params.x_registry_auth = registry_auth_of(options.auth);
  return params;
}

api::ImagePushParams params_of(const PushImageOptions& options) {
  return {.tag = options.tag, .platform = {}, .x_registry_auth = registry_auth_of(options.auth)};
}

api::ImageSearchParams params_of(const SearchImagesOptions& options) {
  return {.term = options.term, .limit = options.limit, .filters = options.filters};
}

api::SystemEventsParams params_of(const EventOptions& options) {
  return {.since = options.since, .until = options.until, .filters = options.filters};
}

api::SystemDataUsageParams params_of(const DiskUsageOptions& options) {
  api::SystemDataUsageParams params;
  if (is_everything(options)) return params;
  if (options.containers) params.type.emplace_back("container");
  if (options.images) params.type.emplace_back("image");
  if (options.volumes) params.type.emplace_back("volume");
  if (options.build_cache) params.type.emplace_back("build-cache");
  return params;
}

void keep_only(api::SystemDataUsageResponse& usage, const DiskUsageOptions& options) {
  if (!options.containers) usage.containers.reset();
  if (!options.images) usage.images.reset();
  if (!options.volumes) usage.volumes.reset();
  if (!options.build_cache) usage.build_cache.reset();
}

std::string registry_auth_of(const std::optional<api::AuthConfig>& auth) {
  return auth ? encode_base64(api::to_json(*auth), Base64Alphabet::url) : std::string();
}

}  // namespace sockerless::docker
