#pragma once

#include "backend/roles.hpp"
#include "sockerless/async_client.hpp"

// The roles of a Docker daemon. Each function is one call of it.

namespace sockerless::docker {

class DaemonSystem final : public SystemRole {
 public:
  explicit DaemonSystem(const AsyncClient& client) : client_(client) {}
  Task<api::SystemInfo> info() override;
  Task<api::SystemVersion> version() override;
  Task<api::SystemDataUsageResponse> disk_usage(DiskUsageOptions options) override;
  Task<std::unique_ptr<EventStream>> events(EventOptions options) override;

 private:
  const AsyncClient& client_;
};

class DaemonContainers final : public ContainerRole {
 public:
  explicit DaemonContainers(const AsyncClient& client) : client_(client) {}
  Task<api::ContainerCreateResponse> create(CreateContainerOptions options) override;
  Task<std::vector<api::ContainerSummary>> list(ListContainersOptions options) override;
  Task<api::ContainerInspectResponse> inspect(ContainerRef container, WithSize size) override;
  Task<void> start(ContainerRef container) override;
  Task<void> stop(ContainerRef container, StopOptions options) override;
  Task<void> restart(ContainerRef container, StopOptions options) override;
  Task<void> kill(ContainerRef container, std::string signal) override;
  Task<void> pause(ContainerRef container) override;
  Task<void> unpause(ContainerRef container) override;
  Task<void> rename(ContainerRef container, std::string new_name) override;
  Task<api::ContainerUpdateResponse> update(ContainerRef container, api::ContainerUpdateRequest request) override;
  Task<std::unique_ptr<ContainerWait>> wait(ContainerRef container, WaitCondition condition) override;
  Task<void> remove(ContainerRef container, RemoveContainerOptions options) override;
  Task<api::ContainerPruneResponse> prune(api::Filters filters) override;
  Task<OutputStream> logs(ContainerRef container, LogOptions options) override;
  Task<std::unique_ptr<AttachSession>> attach(ContainerRef container, AttachOptions options) override;
  Task<void> resize(ContainerRef container, TerminalSize size) override;
  Task<api::ContainerTopResponse> top(ContainerRef container, std::string ps_args) override;

 private:
  const AsyncClient& client_;
};

class DaemonStats final : public StatsRole {
 public:
  explicit DaemonStats(const AsyncClient& client) : client_(client) {}
  Task<std::unique_ptr<StatsStream>> stats(ContainerRef container, StatsOptions options) override;

 private:
  const AsyncClient& client_;
};

class DaemonFiles final : public FilesRole {
 public:
  explicit DaemonFiles(const AsyncClient& client) : client_(client) {}
  Task<PathStat> stat_path(ContainerRef container, std::string path) override;
  Task<ArchiveStream> get_archive(ContainerRef container, std::string path) override;
  Task<void> put_archive(ContainerRef container, PutArchiveOptions options, std::unique_ptr<ByteSource> tar) override;
  Task<std::unique_ptr<ByteSource>> export_files(ContainerRef container) override;
  Task<std::vector<api::FilesystemChange>> changes(ContainerRef container) override;

 private:
  const AsyncClient& client_;
};

class DaemonExec final : public ExecRole {
 public:
  explicit DaemonExec(const AsyncClient& client) : client_(client) {}
  Task<api::IDResponse> create(ContainerRef container, api::ContainerExecRequest request) override;
  Task<std::unique_ptr<AttachSession>> start(ExecRef exec, ExecStartOptions options) override;
  Task<void> resize(ExecRef exec, TerminalSize size) override;
  Task<api::ExecInspectResponse> inspect(ExecRef exec) override;

 private:
  const AsyncClient& client_;
};

class DaemonImages final : public ImageRole {
 public:
  explicit DaemonImages(const AsyncClient& client) : client_(client) {}
  Task<std::vector<api::ImageSummary>> list(ListImagesOptions options) override;
  Task<api::ImageInspect> inspect(ImageRef image) override;
  Task<std::vector<api::ImageHistoryResponseItem>> history(ImageRef image) override;
  Task<void> tag(ImageRef image, std::string repo, std::string tag) override;
  Task<std::vector<api::ImageDeleteResponseItem>> remove(ImageRef image, RemoveImageOptions options) override;
  Task<api::ImagePruneResponse> prune(api::Filters filters) override;
  Task<ProgressStream> load(std::unique_ptr<ByteSource> archive, bool quiet) override;
  Task<ProgressStream> import(ImportImageOptions options, std::unique_ptr<ByteSource> tar) override;
  Task<std::unique_ptr<ByteSource>> save(std::vector<ImageRef> images) override;

 private:
  const AsyncClient& client_;
};

class DaemonRegistry final : public RegistryRole {
 public:
  explicit DaemonRegistry(const AsyncClient& client) : client_(client) {}
  Task<ProgressStream> pull(PullImageOptions options) override;
  Task<ProgressStream> push(PushImageOptions options) override;
  Task<std::vector<api::ImageSearchResponseItem>> search(SearchImagesOptions options) override;
  Task<api::DistributionInspect> inspect_distribution(std::string image, std::optional<api::AuthConfig> auth) override;
  Task<api::AuthResponse> auth(api::AuthConfig credentials) override;

 private:
  const AsyncClient& client_;
};

class DaemonBuilder final : public BuildRole {
 public:
  explicit DaemonBuilder(const AsyncClient& client) : client_(client) {}
  Task<ProgressStream> build(api::ImageBuildParams params, std::unique_ptr<ByteSource> context) override;
  Task<api::BuildPruneResponse> prune_cache(api::Filters filters) override;

 private:
  const AsyncClient& client_;
};

class DaemonCommitter final : public CommitRole {
 public:
  explicit DaemonCommitter(const AsyncClient& client) : client_(client) {}
  Task<api::IDResponse> commit(api::ImageCommitParams params, api::ContainerConfig config) override;

 private:
  const AsyncClient& client_;
};

class DaemonNetworks final : public NetworkRole {
 public:
  explicit DaemonNetworks(const AsyncClient& client) : client_(client) {}
  Task<std::vector<api::NetworkInspect>> list(api::Filters filters) override;
  Task<api::NetworkInspect> inspect(NetworkRef network) override;
  Task<api::NetworkCreateResponse> create(api::NetworkCreateRequest request) override;
  Task<void> remove(NetworkRef network) override;
  Task<void> connect(NetworkRef network, api::NetworkConnectRequest request) override;
  Task<void> disconnect(NetworkRef network, api::NetworkDisconnectRequest request) override;
  Task<api::NetworkPruneResponse> prune(api::Filters filters) override;

 private:
  const AsyncClient& client_;
};

class DaemonVolumes final : public VolumeRole {
 public:
  explicit DaemonVolumes(const AsyncClient& client) : client_(client) {}
  Task<api::VolumeListResponse> list(api::Filters filters) override;
  Task<api::Volume> inspect(VolumeRef volume) override;
  Task<api::Volume> create(api::VolumeCreateRequest request) override;
  Task<void> remove(VolumeRef volume, Force force) override;
  Task<api::VolumePruneResponse> prune(api::Filters filters) override;

 private:
  const AsyncClient& client_;
};

}  // namespace sockerless::docker
