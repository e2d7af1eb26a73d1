#include <utility>

#include "backend/internal_router.hpp"

namespace sockerless::internal {

namespace {

ContainerRole& containers(Backend& backend) { return backend.containers(); }
ExecRole& execs(Backend& backend) { return require(backend.exec(), backend, "exec"); }
FilesRole& files(Backend& backend) { return require(backend.files(), backend, "copying files"); }
StatsRole& stats(Backend& backend) { return require(backend.stats(), backend, "statistics"); }

Task<api::ContainerCreateResponse> create(Backend& backend, std::string, CreateQuery query, api::ContainerCreateRequest body) {
  return containers(backend).create({.name = std::move(query.name), .platform = std::move(query.platform), .request = std::move(body)});
}

Task<void> start_detached(Backend& backend, std::string id, ExecStartOptions options, None) {
  options.detach = true;
  std::ignore = co_await execs(backend).start({std::move(id)}, options);  // null: nothing is attached
}

Task<std::unique_ptr<ByteSource>> put_archive(Backend& backend, std::string id, PutArchiveOptions options,
                                              std::unique_ptr<ByteSource> tar) {
  co_await files(backend).put_archive({std::move(id)}, std::move(options), std::move(tar));
  co_return nullptr;
}

Task<void> answer_archive(Request& request) {
  ArchiveStream archive = co_await files(request.backend).get_archive({std::move(request.id)}, read_options<PathQuery>(request).path);
  net::Headers headers{{std::string(routes::kPathStatHeader), base64_encode(api::to_json(archive.stat))}};
  co_await respond_source(request.exchange, std::move(archive.tar), Content::tar, std::move(headers));
}

Task<void> answer_logs(Request& request) {
  OutputStream output = co_await containers(request.backend).logs({std::move(request.id)}, read_options<LogOptions>(request));
  co_await respond_output(request.exchange, std::move(output));
}

void add_lifecycle_routes(Router& router) {
  router.add(routes::kContainerCreate, create);
  router.add(routes::kContainerList,
             [](Backend& b, std::string, ListContainersOptions o, None) { return containers(b).list(std::move(o)); });
  router.add(routes::kContainerInspect,
             [](Backend& b, std::string id, SizeQuery q, None) { return containers(b).inspect({std::move(id)}, q.size); });
  router.add(routes::kContainerRemove,
             [](Backend& b, std::string id, RemoveContainerOptions o, None) { return containers(b).remove({std::move(id)}, o); });
  router.add(routes::kContainerStart, [](Backend& b, std::string id, None, None) { return containers(b).start({std::move(id)}); });
  router.add(routes::kContainerStop,
             [](Backend& b, std::string id, StopOptions o, None) { return containers(b).stop({std::move(id)}, std::move(o)); });
  router.add(routes::kContainerRestart,
             [](Backend& b, std::string id, StopOptions o, None) { return containers(b).restart({std::move(id)}, std::move(o)); });
  router.add(routes::kContainerKill,
             [](Backend& b, std::string id, SignalQuery q, None) { return containers(b).kill({std::move(id)}, std::move(q.signal)); });
  router.add(routes::kContainerPause, [](Backend& b, std::string id, None, None) { return containers(b).pause({std::move(id)}); });
  router.add(routes::kContainerUnpause, [](Backend& b, std::string id, None, None) { return containers(b).unpause({std::move(id)}); });
  router.add(routes::kContainerRename,
             [](Backend& b, std::string id, NameQuery q, None) { return containers(b).rename({std::move(id)}, std::move(q.name)); });
  router.add(routes::kContainerUpdate, [](Backend& b, std::string id, None, api::ContainerUpdateRequest body) {
    return containers(b).update({std::move(id)}, std::move(body));
  });
  router.add(routes::kContainerResize,
             [](Backend& b, std::string id, ResizeQuery q, None) { return containers(b).resize({std::move(id)}, q.size); });
  router.add(routes::kContainerTop,
             [](Backend& b, std::string id, TopQuery q, None) { return containers(b).top({std::move(id)}, std::move(q.ps_args)); });
  router.add(routes::kContainerPrune,
             [](Backend& b, std::string, FiltersQuery q, None) { return containers(b).prune(std::move(q.filters)); });
}

void add_stream_routes(Router& router) {
  router.add(routes::kContainerLogs.method, routes::kContainerLogs.path, answer_logs);
  router.add(
      routes::kContainerLogsStream,
      +[](Backend& b, std::string id, LogOptions o) {
        o.follow = true;
        return containers(b).logs({std::move(id)}, o);
      },
      serve_output);
  router.add(
      routes::kContainerWait, +[](Backend& b, std::string id, WaitQuery q) { return containers(b).wait({std::move(id)}, q.condition); },
      serve_wait);
  router.add(
      routes::kContainerAttach,
      +[](Backend& b, std::string id, AttachOptions o) { return containers(b).attach({std::move(id)}, std::move(o)); }, serve_session);
  router.add(routes::kContainerStats, +[](Backend& b, std::string id, StatsOptions o) { return stats(b).stats({std::move(id)}, o); });
}

void add_file_routes(Router& router) {
  router.add(routes::kPathStat,
             [](Backend& b, std::string id, PathQuery q, None) { return files(b).stat_path({std::move(id)}, std::move(q.path)); });
  router.add(routes::kArchiveGet.method, routes::kArchiveGet.path, answer_archive);
  router.add(routes::kArchivePut, put_archive);
  router.add(routes::kContainerExport,
             [](Backend& b, std::string id, None, std::unique_ptr<ByteSource>) { return files(b).export_files({std::move(id)}); });
  router.add(routes::kContainerChanges, [](Backend& b, std::string id, None, None) { return files(b).changes({std::move(id)}); });
}

void add_exec_routes(Router& router) {
  router.add(routes::kExecCreate, [](Backend& b, std::string id, None, api::ContainerExecRequest body) {
    return execs(b).create({std::move(id)}, std::move(body));
  });
  router.add(routes::kExecInspect, [](Backend& b, std::string id, None, None) { return execs(b).inspect({std::move(id)}); });
  router.add(routes::kExecResize, [](Backend& b, std::string id, ResizeQuery q, None) { return execs(b).resize({std::move(id)}, q.size); });
  router.add(routes::kExecStartDetached, start_detached);
  router.add(
      routes::kExecStart,
      +[](Backend& b, std::string id, ExecStartOptions o) {
        o.detach = false;
        return execs(b).start({std::move(id)}, o);
      },
      serve_session);
}

}  // namespace

void add_container_routes(Router& router) {
  add_lifecycle_routes(router);
  add_stream_routes(router);
  add_file_routes(router);
  add_exec_routes(router);
}

}  // namespace sockerless::internal
