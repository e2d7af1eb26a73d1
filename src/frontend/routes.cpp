#include "frontend/routes.hpp"

#include <array>
#include <cstddef>

#include "base/error.hpp"

namespace sockerless::frontend {

namespace {

using api::Operation;

struct Entry {
  Operation operation;
  RouteHandler handler;
};

// The one table of what is served. What is not in it is refused by refuse_operation.
constexpr Entry kEntries[] = {
    {Operation::container_list, list_containers},
    {Operation::container_create, create_container},
    {Operation::container_inspect, inspect_container},
    {Operation::container_top, top_container},
    {Operation::container_logs, container_logs},
    {Operation::container_changes, container_changes},
    {Operation::container_export, export_container},
    {Operation::container_stats, container_stats},
    {Operation::container_resize, resize_container},
    {Operation::container_start, start_container},
    {Operation::container_stop, stop_container},
    {Operation::container_restart, restart_container},
    {Operation::container_kill, kill_container},
    {Operation::container_update, update_container},
    {Operation::container_rename, rename_container},
    {Operation::container_pause, pause_container},
    {Operation::container_unpause, unpause_container},
    {Operation::container_attach, attach_container},
    {Operation::container_attach_websocket, attach_container_websocket},
    {Operation::container_wait, wait_container},
    {Operation::container_delete, delete_container},
    {Operation::container_archive_info, stat_container_path},
    {Operation::container_archive, get_container_archive},
    {Operation::put_container_archive, put_container_archive},
    {Operation::container_prune, prune_containers},
    {Operation::checkpoint_list, refuse_checkpoints},
    {Operation::checkpoint_create, refuse_checkpoints},
    {Operation::checkpoint_delete, refuse_checkpoints},
    {Operation::container_exec, create_exec},
    {Operation::exec_start, start_exec},
    {Operation::exec_resize, resize_exec},
    {Operation::exec_inspect, inspect_exec},
    {Operation::image_list, list_images},
    {Operation::image_build, build_image},
    {Operation::build_prune, prune_builds},
    {Operation::build_cancel, cancel_build},
    {Operation::image_create, create_image},
    {Operation::image_inspect, inspect_image},
    {Operation::image_attestations, image_attestations},
    {Operation::image_history, image_history},
    {Operation::image_push, push_image},
    {Operation::image_tag, tag_image},
    {Operation::image_delete, delete_image},
    {Operation::image_search, search_images},
    {Operation::image_prune, prune_images},
    {Operation::image_commit, commit_image},
    {Operation::image_get, get_image},
    {Operation::image_get_all, get_images},
    {Operation::image_load, load_images},
    {Operation::distribution_inspect, inspect_distribution},
    {Operation::network_list, list_networks},
    {Operation::network_inspect, inspect_network},
    {Operation::network_delete, delete_network},
    {Operation::network_create, create_network},
    {Operation::network_connect, connect_network},
    {Operation::network_disconnect, disconnect_network},
    {Operation::network_prune, prune_networks},
    {Operation::volume_list, list_volumes},
    {Operation::volume_create, create_volume},
    {Operation::volume_inspect, inspect_volume},
    {Operation::volume_update, update_volume},
    {Operation::volume_delete, delete_volume},
    {Operation::volume_prune, prune_volumes},
    {Operation::plugin_inspect, inspect_plugin},
    {Operation::system_ping, ping},
    {Operation::system_ping_head, ping},
    {Operation::system_info, system_info},
    {Operation::system_version, system_version},
    {Operation::system_auth, system_auth},
    {Operation::system_events, system_events},
    {Operation::system_data_usage, system_disk_usage},
};

constexpr auto kHandlers = [] {
  std::array<RouteHandler, 256> handlers{};
  for (const Entry& entry : kEntries) handlers[static_cast<std::size_t>(entry.operation)] = entry.handler;
  return handlers;
}();

}  // namespace

RouteHandler find_handler(Operation operation) { return kHandlers[static_cast<std::size_t>(operation)]; }

void refuse_operation(Operation operation, api::Tag tag) {
  switch (tag) {
    case api::Tag::session:
      throw Error::not_implemented(
          "BuildKit is not served here ({}): build with DOCKER_BUILDKIT=0, or use buildx's docker-container driver (docker buildx create "
          "--driver docker-container --use)",
          api::name_of(operation));
    case api::Tag::plugin:
      throw Error::not_implemented("Sockerless does not support managed plugins ({}): use the built-in drivers for volumes and networks",
                                   api::name_of(operation));
    default:
      throw Error::not_implemented(
          "Sockerless does not support Swarm ({}): run the service's containers directly, with docker run or docker compose",
          api::name_of(operation));
  }
}

}  // namespace sockerless::frontend
