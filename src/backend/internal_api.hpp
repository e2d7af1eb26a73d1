#pragma once

#include <string_view>
#include <vector>

#include "api/params.hpp"
#include "api/types.hpp"
#include "backend/internal_codec.hpp"
#include "backend/roles.hpp"
#include "net/http.hpp"

// Every route of /internal/v1 with the types that go over it. The server binds each to a role's function, the client calls it; both are
// checked against this table by the compiler, so that they cannot drift.
//
// A path has at most one parameter, {id}, percent-encoded. {name} is the same for images: it may hold slashes that were not encoded.

namespace sockerless::internal {

inline constexpr std::string_view kPrefix = "/internal/v1";

/// What the server answers for a call that made something, and for any other. A call without a result answers 204.
inline constexpr int kCreated = 201;
inline constexpr int kOk = 200;

/// How long the client waits for the answer: some calls take as long as a container takes to stop.
enum class Patience { bounded, endless };

/// One request, one answer: options in the query, a JSON body, a JSON result; None for what there is not.
template <typename Options, typename Body, typename Result>
struct Call {
  net::Method method;
  std::string_view path;
  Patience patience = Patience::bounded;
  int status = kOk;
};

enum class Upload { no, yes };
enum class Content { lines, tar };

/// A stream of bytes as answer: progress lines or an archive. With an upload the request's body is an archive.
template <typename Options>
struct Stream {
  net::Method method;
  std::string_view path;
  Content content = Content::lines;
  Upload upload = Upload::no;
};

/// A stream of JSON documents as answer, one a line.
template <typename Options, typename Item>
struct Items {
  net::Method method;
  std::string_view path;
};

/// A WebSocket.
template <typename Options>
struct Socket {
  std::string_view path;
};

namespace routes {

using net::Method;

// system
inline constexpr std::string_view kCapabilities = "/capabilities";
inline constexpr Call<None, None, RoleList> kRoles{Method::get, "/roles"};
inline constexpr Call<None, None, api::SystemInfo> kInfo{Method::get, "/info"};
inline constexpr Call<None, None, api::SystemVersion> kVersion{Method::get, "/version"};
inline constexpr Call<DiskUsageOptions, None, api::SystemDataUsageResponse> kDiskUsage{Method::get, "/system/df", Patience::endless};
inline constexpr Items<EventOptions, api::EventMessage> kEvents{Method::get, "/events"};

// containers
inline constexpr Call<CreateQuery, api::ContainerCreateRequest, api::ContainerCreateResponse> kContainerCreate{Method::post, "/containers",
                                                                                                               Patience::endless, kCreated};
inline constexpr Call<ListContainersOptions, None, std::vector<api::ContainerSummary>> kContainerList{Method::get, "/containers",
                                                                                                      Patience::endless};
inline constexpr Call<SizeQuery, None, api::ContainerInspectResponse> kContainerInspect{Method::get, "/containers/{id}", Patience::endless};
inline constexpr Call<RemoveContainerOptions, None, None> kContainerRemove{Method::delete_, "/containers/{id}", Patience::endless};
inline constexpr Call<None, None, None> kContainerStart{Method::post, "/containers/{id}/start", Patience::endless};
inline constexpr Call<StopOptions, None, None> kContainerStop{Method::post, "/containers/{id}/stop", Patience::endless};
inline constexpr Call<StopOptions, None, None> kContainerRestart{Method::post, "/containers/{id}/restart", Patience::endless};
inline constexpr Call<SignalQuery, None, None> kContainerKill{Method::post, "/containers/{id}/kill"};
inline constexpr Call<None, None, None> kContainerPause{Method::post, "/containers/{id}/pause"};
inline constexpr Call<None, None, None> kContainerUnpause{Method::post, "/containers/{id}/unpause"};
inline constexpr Call<NameQuery, None, None> kContainerRename{Method::post, "/containers/{id}/rename"};
inline constexpr Call<None, api::ContainerUpdateRequest, api::ContainerUpdateResponse> kContainerUpdate{Method::post,
                                                                                                        "/containers/{id}/update"};
inline constexpr Call<ResizeQuery, None, None> kContainerResize{Method::post, "/containers/{id}/resize"};
inline constexpr Call<TopQuery, None, api::ContainerTopResponse> kContainerTop{Method::get, "/containers/{id}/top"};
inline constexpr Call<FiltersQuery, None, api::ContainerPruneResponse> kContainerPrune{Method::post, "/containers/prune",
                                                                                       Patience::endless};
inline constexpr Stream<LogOptions> kContainerLogs{Method::get, "/containers/{id}/logs"};
inline constexpr Socket<LogOptions> kContainerLogsStream{"/containers/{id}/logs/stream"};
inline constexpr Socket<WaitQuery> kContainerWait{"/containers/{id}/wait"};
inline constexpr Socket<AttachOptions> kContainerAttach{"/containers/{id}/attach"};
inline constexpr Items<StatsOptions, api::ContainerStatsResponse> kContainerStats{Method::get, "/containers/{id}/stats"};

// a container's files
inline constexpr std::string_view kPathStatHeader = "X-Sockerless-Path-Stat";
inline constexpr Call<PathQuery, None, PathStat> kPathStat{Method::get, "/containers/{id}/archive/stat"};
inline constexpr Stream<PathQuery> kArchiveGet{Method::get, "/containers/{id}/archive", Content::tar};
inline constexpr Stream<PutArchiveOptions> kArchivePut{Method::put, "/containers/{id}/archive", Content::tar, Upload::yes};
inline constexpr Stream<None> kContainerExport{Method::get, "/containers/{id}/export", Content::tar};
inline constexpr Call<None, None, std::vector<api::FilesystemChange>> kContainerChanges{Method::get, "/containers/{id}/changes",
                                                                                        Patience::endless};

// execs
inline constexpr Call<None, api::ContainerExecRequest, api::IDResponse> kExecCreate{Method::post, "/containers/{id}/exec",
                                                                                    Patience::bounded, kCreated};
inline constexpr Call<None, None, api::ExecInspectResponse> kExecInspect{Method::get, "/exec/{id}"};
inline constexpr Call<ResizeQuery, None, None> kExecResize{Method::post, "/exec/{id}/resize"};
inline constexpr Call<ExecStartOptions, None, None> kExecStartDetached{Method::post, "/exec/{id}/start"};
inline constexpr Socket<ExecStartOptions> kExecStart{"/exec/{id}/start"};

// images
inline constexpr Call<ListImagesOptions, None, std::vector<api::ImageSummary>> kImageList{Method::get, "/images", Patience::endless};
inline constexpr Call<None, None, api::ImageInspect> kImageInspect{Method::get, "/images/{name}"};
inline constexpr Call<None, None, std::vector<api::ImageHistoryResponseItem>> kImageHistory{Method::get, "/images/{name}/history"};
inline constexpr Call<TagQuery, None, None> kImageTag{Method::post, "/images/{name}/tag", Patience::bounded, kCreated};
inline constexpr Call<RemoveImageOptions, None, std::vector<api::ImageDeleteResponseItem>> kImageRemove{Method::delete_, "/images/{name}",
                                                                                                        Patience::endless};
inline constexpr Call<FiltersQuery, None, api::ImagePruneResponse> kImagePrune{Method::post, "/images/prune", Patience::endless};
inline constexpr Stream<LoadQuery> kImageLoad{Method::post, "/images/load", Content::lines, Upload::yes};
inline constexpr Stream<ImportImageOptions> kImageImport{Method::post, "/images/import", Content::lines, Upload::yes};
inline constexpr Stream<SaveQuery> kImageSave{Method::get, "/images/save", Content::tar};

// registries
inline constexpr Stream<PullImageOptions> kImagePull{Method::post, "/images/pull"};
inline constexpr Stream<PushQuery> kImagePush{Method::post, "/images/{name}/push"};
inline constexpr Call<SearchImagesOptions, None, std::vector<api::ImageSearchResponseItem>> kImageSearch{Method::get, "/images/search",
                                                                                                         Patience::endless};
inline constexpr Call<AuthQuery, None, api::DistributionInspect> kDistribution{Method::get, "/distribution/{name}", Patience::endless};
inline constexpr Call<None, api::AuthConfig, api::AuthResponse> kAuth{Method::post, "/auth", Patience::endless};

// making images
inline constexpr Stream<api::ImageBuildParams> kBuild{Method::post, "/build", Content::lines, Upload::yes};
inline constexpr Call<FiltersQuery, None, api::BuildPruneResponse> kBuildPrune{Method::post, "/build/prune", Patience::endless};
inline constexpr Call<api::ImageCommitParams, api::ContainerConfig, api::IDResponse> kCommit{Method::post, "/commit", Patience::endless,
                                                                                             kCreated};

// networks
inline constexpr Call<FiltersQuery, None, std::vector<api::NetworkInspect>> kNetworkList{Method::get, "/networks"};
inline constexpr Call<None, None, api::NetworkInspect> kNetworkInspect{Method::get, "/networks/{id}"};
inline constexpr Call<None, api::NetworkCreateRequest, api::NetworkCreateResponse> kNetworkCreate{Method::post, "/networks",
                                                                                                  Patience::bounded, kCreated};
inline constexpr Call<None, None, None> kNetworkRemove{Method::delete_, "/networks/{id}"};
inline constexpr Call<None, api::NetworkConnectRequest, None> kNetworkConnect{Method::post, "/networks/{id}/connect"};
inline constexpr Call<None, api::NetworkDisconnectRequest, None> kNetworkDisconnect{Method::post, "/networks/{id}/disconnect"};
inline constexpr Call<FiltersQuery, None, api::NetworkPruneResponse> kNetworkPrune{Method::post, "/networks/prune", Patience::endless};

// volumes
inline constexpr Call<FiltersQuery, None, api::VolumeListResponse> kVolumeList{Method::get, "/volumes"};
inline constexpr Call<None, None, api::Volume> kVolumeInspect{Method::get, "/volumes/{id}"};
inline constexpr Call<None, api::VolumeCreateRequest, api::Volume> kVolumeCreate{Method::post, "/volumes", Patience::bounded, kCreated};
inline constexpr Call<ForceQuery, None, None> kVolumeRemove{Method::delete_, "/volumes/{id}"};
inline constexpr Call<FiltersQuery, None, api::VolumePruneResponse> kVolumePrune{Method::post, "/volumes/prune", Patience::endless};

}  // namespace routes

}  // namespace sockerless::internal
