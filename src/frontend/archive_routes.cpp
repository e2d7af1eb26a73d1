// A container's files: copy in and out, export, changes.

#include "base/base64.hpp"
#include "base/error.hpp"
#include "base/time.hpp"
#include "frontend/call.hpp"
#include "frontend/routes.hpp"
#include "frontend/streams.hpp"

namespace sockerless::frontend {

namespace {

FilesRole& files(Call& call) { return require(call.backend.files(), call.backend, "copying files to and from containers"); }

std::string checked_path(const std::string& path) {
  if (path.empty()) throw Error::invalid_argument("bad parameter: path cannot be empty");
  return path;
}

/// X-Docker-Container-Path-Stat: standard base64 of JSON; `mode` has the bits of Go's FileMode.
std::string path_stat_header(const PathStat& stat) {
  std::string json;
  api::JsonWriter writer(json);
  writer.begin_object();
  writer.key("name");
  writer.string(stat.name);
  writer.key("size");
  writer.number(stat.size);
  writer.key("mode");
  writer.number(stat.mode);
  writer.key("mtime");
  writer.string(format_rfc3339(stat.mtime));
  writer.key("linkTarget");
  writer.string(stat.link_target);
  writer.end_object();
  return encode_base64(json);
}

net::Headers archive_headers(const PathStat& stat) {
  return {{"Content-Type", "application/x-tar"}, {"X-Docker-Container-Path-Stat", path_stat_header(stat)}};
}

Task<void> send_archive(Call& call, std::string path) {
  ArchiveStream archive = co_await files(call).get_archive({call.id}, std::move(path));
  co_await send_source(call, archive_headers(archive.stat), std::move(archive.tar));
}

Task<void> send_export(Call& call) {
  co_await send_source(call, {{"Content-Type", "application/octet-stream"}}, co_await files(call).export_files({call.id}));
}

}  // namespace

Task<void> stat_container_path(Call& call) {
  const api::ContainerArchiveInfoParams params = api::parse_container_archive_info_params(call.query);
  const PathStat stat = co_await files(call).stat_path({call.id}, checked_path(params.path));
  co_await call.exchange.respond(200, {{"X-Docker-Container-Path-Stat", path_stat_header(stat)}}, {});
}

Task<void> get_container_archive(Call& call) {
  const api::ContainerArchiveParams params = api::parse_container_archive_params(call.query);
  co_await while_client_stays(call, send_archive(call, checked_path(params.path)));
}

Task<void> put_container_archive(Call& call) {
  const api::PutContainerArchiveParams params = api::parse_put_container_archive_params(call.query);
  co_await files(call).put_archive({call.id},
                                   {.path = checked_path(params.path),
                                    .no_overwrite_dir_non_dir = params.no_overwrite_dir_non_dir,
                                    .copy_uid_gid = call.since(30) && params.copy_uid_gid},
                                   body_source(call.exchange));
  co_await reply_empty(call, 200);
}

Task<void> export_container(Call& call) { co_await while_client_stays(call, send_export(call)); }

Task<void> container_changes(Call& call) { co_await reply(call, 200, co_await files(call).changes({call.id})); }

}  // namespace sockerless::frontend
