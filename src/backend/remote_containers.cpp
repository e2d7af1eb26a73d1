#include <utility>

#include "backend/remote_roles.hpp"

namespace sockerless::internal {

namespace {

class RemoteStatsStream final : public StatsStream {
 public:
  explicit RemoteStatsStream(std::unique_ptr<ByteSource> lines) : lines_(std::move(lines)) {}
  Task<std::optional<api::ContainerStatsResponse>> next() override {
    const auto line = co_await lines_.next();
    if (!line) co_return std::nullopt;
    co_return Wire::parse_answer<api::ContainerStatsResponse>(*line);
  }

 private:
  LineReader lines_;
};

}  // namespace

// ---- containers

Task<api::ContainerCreateResponse> RemoteContainers::create(CreateContainerOptions options) {
  return wire_.call(routes::kContainerCreate, {}, {.name = std::move(options.name), .platform = std::move(options.platform)},
                    std::move(options.request));
}

Task<std::vector<api::ContainerSummary>> RemoteContainers::list(ListContainersOptions options) {
  return wire_.call(routes::kContainerList, {}, std::move(options), {});
}

Task<api::ContainerInspectResponse> RemoteContainers::inspect(ContainerRef container, WithSize size) {
  return wire_.call(routes::kContainerInspect, std::move(container.text), {.size = size}, {});
}

Task<void> RemoteContainers::start(ContainerRef container) {
  return wire_.call(routes::kContainerStart, std::move(container.text), {}, {});
}

Task<void> RemoteContainers::stop(ContainerRef container, StopOptions options) {
  return wire_.call(routes::kContainerStop, std::move(container.text), std::move(options), {});
}

Task<void> RemoteContainers::restart(ContainerRef container, StopOptions options) {
  return wire_.call(routes::kContainerRestart, std::move(container.text), std::move(options), {});
}

Task<void> RemoteContainers::kill(ContainerRef container, std::string signal) {
  return wire_.call(routes::kContainerKill, std::move(container.text), {.signal = std::move(signal)}, {});
}

Task<void> RemoteContainers::pause(ContainerRef container) {
  return wire_.call(routes::kContainerPause, std::move(container.text), {}, {});
}

Task<void> RemoteContainers::unpause(ContainerRef container) {
  return wire_.call(routes::kContainerUnpause, std::move(container.text), {}, {});
}

Task<void> RemoteContainers::rename(ContainerRef container, std::string new_name) {
  return wire_.call(routes::kContainerRename, std::move(container.text), {.name = std::move(new_name)}, {});
}

Task<api::ContainerUpdateResponse> RemoteContainers::update(ContainerRef container, api::ContainerUpdateRequest request) {
  return wire_.call(routes::kContainerUpdate, std::move(container.text), {}, std::move(request));
}

Task<std::unique_ptr<ContainerWait>> RemoteContainers::wait(ContainerRef container, WaitCondition condition) {
  co_return read_wait(co_await wire_.connect(routes::kContainerWait, std::move(container.text), {.condition = condition}));
}

Task<void> RemoteContainers::remove(ContainerRef container, RemoveContainerOptions options) {
  return wire_.call(routes::kContainerRemove, std::move(container.text), options, {});
}

Task<api::ContainerPruneResponse> RemoteContainers::prune(api::Filters filters) {
  return wire_.call(routes::kContainerPrune, {}, {.filters = std::move(filters)}, {});
}

Task<OutputStream> RemoteContainers::logs(ContainerRef container, LogOptions options) {
  if (options.follow) {
    co_return co_await read_output(co_await wire_.connect(routes::kContainerLogsStream, std::move(container.text), options));
  }
  const auto& route = routes::kContainerLogs;
  Incoming answer = co_await wire_.open(make_outgoing(route.method, route.path, container.text, options), nullptr);
  const bool raw = answer.head.headers.find("Content-Type").value_or("") == content_type(Framing::raw);
  co_return OutputStream{raw ? Framing::raw : Framing::multiplexed, std::move(answer.body)};
}

Task<std::unique_ptr<AttachSession>> RemoteContainers::attach(ContainerRef container, AttachOptions options) {
  co_return co_await read_session(co_await wire_.connect(routes::kContainerAttach, std::move(container.text), std::move(options)));
}

Task<void> RemoteContainers::resize(ContainerRef container, TerminalSize size) {
  return wire_.call(routes::kContainerResize, std::move(container.text), {.size = size}, {});
}

Task<api::ContainerTopResponse> RemoteContainers::top(ContainerRef container, std::string ps_args) {
  return wire_.call(routes::kContainerTop, std::move(container.text), {.ps_args = std::move(ps_args)}, {});
}

// ---- statistics, files

Task<std::unique_ptr<StatsStream>> RemoteStats::stats(ContainerRef container, StatsOptions options) {
  co_return std::make_unique<RemoteStatsStream>(co_await wire_.items(routes::kContainerStats, std::move(container.text), options));
}

Task<PathStat> RemoteFiles::stat_path(ContainerRef container, std::string path) {
  return wire_.call(routes::kPathStat, std::move(container.text), {.path = std::move(path)}, {});
}

Task<ArchiveStream> RemoteFiles::get_archive(ContainerRef container, std::string path) {
  const auto& route = routes::kArchiveGet;
  PathQuery query{.path = std::move(path)};
  Incoming answer = co_await wire_.open(make_outgoing(route.method, route.path, container.text, std::move(query)), nullptr);
  const auto stat = answer.head.headers.find(routes::kPathStatHeader);
  if (!stat) throw Error::internal("the backend's archive comes without its path's stat");
  PathStat parsed = Wire::parse_answer<PathStat>(base64_decode(*stat));
  co_return ArchiveStream{std::move(parsed), std::move(answer.body)};
}

Task<void> RemoteFiles::put_archive(ContainerRef container, PutArchiveOptions options, std::unique_ptr<ByteSource> tar) {
  std::ignore = co_await wire_.stream(routes::kArchivePut, std::move(container.text), std::move(options), std::move(tar));  // has no body
}

Task<std::unique_ptr<ByteSource>> RemoteFiles::export_files(ContainerRef container) {
  return wire_.stream(routes::kContainerExport, std::move(container.text), {});
}

Task<std::vector<api::FilesystemChange>> RemoteFiles::changes(ContainerRef container) {
  return wire_.call(routes::kContainerChanges, std::move(container.text), {}, {});
}

// ---- execs

Task<api::IDResponse> RemoteExec::create(ContainerRef container, api::ContainerExecRequest request) {
  return wire_.call(routes::kExecCreate, std::move(container.text), {}, std::move(request));
}

Task<std::unique_ptr<AttachSession>> RemoteExec::start(ExecRef exec, ExecStartOptions options) {
  if (options.detach) {
    co_await wire_.call(routes::kExecStartDetached, std::move(exec.text), options, {});
    co_return nullptr;
  }
  co_return co_await read_session(co_await wire_.connect(routes::kExecStart, std::move(exec.text), options));
}

Task<void> RemoteExec::resize(ExecRef exec, TerminalSize size) {
  return wire_.call(routes::kExecResize, std::move(exec.text), {.size = size}, {});
}

Task<api::ExecInspectResponse> RemoteExec::inspect(ExecRef exec) { return wire_.call(routes::kExecInspect, std::move(exec.text), {}, {}); }

}  // namespace sockerless::internal
