#pragma once

#include "api/params.hpp"
#include "backend/roles.hpp"

// The options of Backend's functions as the parameters of the daemon's endpoints.

namespace sockerless::docker {

api::ContainerListParams params_of(const ListContainersOptions& options);
api::ContainerStopParams stop_params_of(const StopOptions& options);
api::ContainerRestartParams restart_params_of(const StopOptions& options);
api::ContainerKillParams kill_params_of(const std::string& signal);
api::ContainerDeleteParams params_of(const RemoveContainerOptions& options);
api::ContainerLogsParams params_of(const LogOptions& options);
api::ContainerAttachParams params_of(const AttachOptions& options);
api::ContainerWaitParams params_of(WaitCondition condition);
api::ContainerTopParams top_params_of(const std::string& ps_args);
api::ContainerStatsParams params_of(const StatsOptions& options);
api::PutContainerArchiveParams params_of(const PutArchiveOptions& options);
api::ExecStartRequest request_of(const ExecStartOptions& options);

api::ImageListParams params_of(const ListImagesOptions& options);
api::ImageDeleteParams params_of(const RemoveImageOptions& options);
api::ImageCreateParams params_of(const ImportImageOptions& options);
api::ImageCreateParams params_of(const PullImageOptions& options);
api::ImagePushParams params_of(const PushImageOptions& options);
api::ImageSearchParams params_of(const SearchImagesOptions& options);

api::SystemEventsParams params_of(const EventOptions& options);
/// Daemons before API 1.42 tell everything, whatever is asked for: see keep_only.
api::SystemDataUsageParams params_of(const DiskUsageOptions& options);
void keep_only(api::SystemDataUsageResponse& usage, const DiskUsageOptions& options);

/// The value of X-Registry-Auth; empty without credentials.
std::string registry_auth_of(const std::optional<api::AuthConfig>& auth);

}  // namespace sockerless::docker
