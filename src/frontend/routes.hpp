#pragma once

#include "api/operation.hpp"
#include "base/task.hpp"

// Internal to frontend/: the handlers of all routes, one file a resource. Adding one is a line here and a line in the table of routes.cpp.
namespace sockerless::frontend {

struct Call;

/// Answers one operation. The call outlives the task.
using RouteHandler = Task<void> (*)(Call& call);

/// Null for an operation that nobody serves (those of Swarm and the like): refuse_operation words its 501.
RouteHandler find_handler(api::Operation operation);

/// @throws Error not_implemented with the way out, by the tag of the operation.
[[noreturn]] void refuse_operation(api::Operation operation, api::Tag tag);

// container_routes.cpp
Task<void> list_containers(Call& call);
Task<void> create_container(Call& call);
Task<void> inspect_container(Call& call);
Task<void> start_container(Call& call);
Task<void> stop_container(Call& call);
Task<void> restart_container(Call& call);
Task<void> kill_container(Call& call);
Task<void> pause_container(Call& call);
Task<void> unpause_container(Call& call);
Task<void> rename_container(Call& call);
Task<void> update_container(Call& call);
Task<void> delete_container(Call& call);
Task<void> prune_containers(Call& call);
Task<void> resize_container(Call& call);
Task<void> top_container(Call& call);
Task<void> refuse_checkpoints(Call& call);

// container_stream_routes.cpp
Task<void> wait_container(Call& call);
Task<void> container_logs(Call& call);
Task<void> container_stats(Call& call);
Task<void> attach_container(Call& call);
Task<void> attach_container_websocket(Call& call);

// archive_routes.cpp
Task<void> stat_container_path(Call& call);
Task<void> get_container_archive(Call& call);
Task<void> put_container_archive(Call& call);
Task<void> export_container(Call& call);
Task<void> container_changes(Call& call);

// exec_routes.cpp
Task<void> create_exec(Call& call);
Task<void> start_exec(Call& call);
Task<void> resize_exec(Call& call);
Task<void> inspect_exec(Call& call);

// image_routes.cpp
Task<void> list_images(Call& call);
Task<void> inspect_image(Call& call);
Task<void> image_history(Call& call);
Task<void> image_attestations(Call& call);
Task<void> tag_image(Call& call);
Task<void> delete_image(Call& call);
Task<void> prune_images(Call& call);
Task<void> search_images(Call& call);
Task<void> commit_image(Call& call);

// image_transfer_routes.cpp
Task<void> create_image(Call& call);
Task<void> push_image(Call& call);
Task<void> load_images(Call& call);
Task<void> get_image(Call& call);
Task<void> get_images(Call& call);
Task<void> build_image(Call& call);
Task<void> prune_builds(Call& call);
Task<void> cancel_build(Call& call);
Task<void> inspect_distribution(Call& call);

// network_routes.cpp
Task<void> list_networks(Call& call);
Task<void> inspect_network(Call& call);
Task<void> create_network(Call& call);
Task<void> delete_network(Call& call);
Task<void> connect_network(Call& call);
Task<void> disconnect_network(Call& call);
Task<void> prune_networks(Call& call);

// volume_routes.cpp
Task<void> list_volumes(Call& call);
Task<void> inspect_volume(Call& call);
Task<void> create_volume(Call& call);
Task<void> update_volume(Call& call);
Task<void> delete_volume(Call& call);
Task<void> prune_volumes(Call& call);

// system_routes.cpp
Task<void> ping(Call& call);
Task<void> inspect_plugin(Call& call);
Task<void> system_info(Call& call);
Task<void> system_version(Call& call);
Task<void> system_auth(Call& call);
Task<void> system_events(Call& call);
Task<void> system_disk_usage(Call& call);

}  // namespace sockerless::frontend
