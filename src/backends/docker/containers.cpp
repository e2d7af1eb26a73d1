#include <utility>

#include "backends/docker/failures.hpp"
#include "backends/docker/requests.hpp"
#include "backends/docker/roles.hpp"
#include "backends/docker/streams.hpp"
#include "base/time.hpp"
#include "sdk/ping.hpp"
#include "sdk_calls.hpp"

namespace sockerless::docker {

namespace {

/// Work whose first byte comes when the daemon has put everything together.
Call patient(Call call) {
  call.patience = Call::Patience::endless;
  return call;
}

PathStat stat_of(PathInfo info) {
  return {.name = std::move(info.name),
          .size = info.size,
          .mode = info.mode,
          .mtime = find_rfc3339(info.modified).value_or(kNever),
          .link_target = std::move(info.link_target)};
}

PathStat stat_of(const RawStream& archive) {
  try {
    return stat_of(path_stat_of(archive.headers()));
  } catch (const Failure&) {
    throw Error::internal("the daemon's archive comes without its path's stat");
  }
}

}  // namespace

// ---- containers

Task<api::ContainerCreateResponse> DaemonContainers::create(CreateContainerOptions options) {
  return value_of(client_.container_create(options.request, {.name = options.name, .platform = options.platform}));
}

Task<std::vector<api::ContainerSummary>> DaemonContainers::list(ListContainersOptions options) {
  return value_of(client_.container_list(params_of(options)));
}

Task<api::ContainerInspectResponse> DaemonContainers::inspect(ContainerRef container, WithSize size) {
  return value_of(client_.container_inspect(id_of(container), {.size = size == WithSize::yes}));
}

Task<void> DaemonContainers::start(ContainerRef container) { return value_of(client_.container_start(id_of(container))); }

Task<void> DaemonContainers::stop(ContainerRef container, StopOptions options) {
  return value_of(client_.container_stop(id_of(container), stop_params_of(options)));
}

Task<void> DaemonContainers::restart(ContainerRef container, StopOptions options) {
  return value_of(client_.container_restart(id_of(container), restart_params_of(options)));
}

Task<void> DaemonContainers::kill(ContainerRef container, std::string signal) {
  return value_of(client_.container_kill(id_of(container), kill_params_of(signal)));
}

Task<void> DaemonContainers::pause(ContainerRef container) { return value_of(client_.container_pause(id_of(container))); }

Task<void> DaemonContainers::unpause(ContainerRef container) { return value_of(client_.container_unpause(id_of(container))); }

Task<void> DaemonContainers::rename(ContainerRef container, std::string new_name) {
  return value_of(client_.container_rename(id_of(container), {.name = std::move(new_name)}));
}

Task<api::ContainerUpdateResponse> DaemonContainers::update(ContainerRef container, api::ContainerUpdateRequest request) {
  return value_of(client_.container_update(id_of(container), request));
}

Task<std::unique_ptr<ContainerWait>> DaemonContainers::wait(ContainerRef container, WaitCondition condition) {
  co_return make_wait(co_await value_of(raw_answer(client_, describe_container_wait(id_of(container), params_of(condition)))));
}

Task<void> DaemonContainers::remove(ContainerRef container, RemoveContainerOptions options) {
  return value_of(client_.container_delete(id_of(container), params_of(options)));
}

Task<api::ContainerPruneResponse> DaemonContainers::prune(api::Filters filters) {
  return value_of(client_.container_prune({.filters = std::move(filters)}));
}

Task<OutputStream> DaemonContainers::logs(ContainerRef container, LogOptions options) {
  co_return make_output(co_await value_of(raw_output(client_, describe_container_logs(id_of(container), params_of(options)))));
}

Task<std::unique_ptr<AttachSession>> DaemonContainers::attach(ContainerRef container, AttachOptions options) {
  co_return make_session(co_await value_of(raw_connection(client_, describe_container_attach(id_of(container), params_of(options)))));
}

Task<void> DaemonContainers::resize(ContainerRef container, TerminalSize size) {
  return value_of(client_.container_resize(id_of(container), {.h = size.height, .w = size.width}));
}

Task<api::ContainerTopResponse> DaemonContainers::top(ContainerRef container, std::string ps_args) {
  return value_of(client_.container_top(id_of(container), top_params_of(ps_args)));
}

// ---- statistics, files

Task<std::unique_ptr<StatsStream>> DaemonStats::stats(ContainerRef container, StatsOptions options) {
  co_return make_stats(co_await value_of(client_.container_stats(id_of(container), params_of(options))));
}

Task<PathStat> DaemonFiles::stat_path(ContainerRef container, std::string path) {
  co_return stat_of(co_await value_of(client_.container_archive_info(id_of(container), path)));
}

Task<ArchiveStream> DaemonFiles::get_archive(ContainerRef container, std::string path) {
  Call call = patient(describe_container_archive(id_of(container), {.path = std::move(path)}));
  RawStream archive = co_await value_of(raw_answer(client_, std::move(call)));
  PathStat stat = stat_of(archive);
  co_return ArchiveStream{std::move(stat), make_bytes(std::move(archive))};
}

Task<void> DaemonFiles::put_archive(ContainerRef container, PutArchiveOptions options, std::unique_ptr<ByteSource> tar) {
  Call call = describe_put_container_archive(id_of(container), params_of(options));
  co_await upload(co_await value_of(raw_upload(client_, std::move(call))), std::move(tar));
}

Task<std::unique_ptr<ByteSource>> DaemonFiles::export_files(ContainerRef container) {
  co_return make_bytes(co_await value_of(raw_answer(client_, patient(describe_container_export(id_of(container))))));
}

Task<std::vector<api::FilesystemChange>> DaemonFiles::changes(ContainerRef container) {
  return value_of(client_.container_changes(id_of(container)));
}

// ---- execs

Task<api::IDResponse> DaemonExec::create(ContainerRef container, api::ContainerExecRequest request) {
  return value_of(client_.container_exec(id_of(container), request));
}

Task<std::unique_ptr<AttachSession>> DaemonExec::start(ExecRef exec, ExecStartOptions options) {
  RawStream stream = co_await value_of(raw_connection(client_, describe_exec_start(exec.text, request_of(options)), options.tty));
  if (options.detach) co_return nullptr;
  co_return make_session(std::move(stream));
}

Task<void> DaemonExec::resize(ExecRef exec, TerminalSize size) {
  return value_of(client_.exec_resize(exec.text, {.h = size.height, .w = size.width}));
}

Task<api::ExecInspectResponse> DaemonExec::inspect(ExecRef exec) { return value_of(client_.exec_inspect(exec.text)); }

}  // namespace sockerless::docker
