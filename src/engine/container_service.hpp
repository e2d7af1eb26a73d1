#pragma once

#include <memory>
#include <string>
#include <vector>

#include "backend/roles.hpp"
#include "engine/container_create.hpp"
#include "engine/container_lifecycle.hpp"
#include "engine/engine_context.hpp"

namespace sockerless {

/// ContainerRole: finds the container, words the errors, and has the parts do the work. What changes something runs as a task of the
/// engine's.
class ContainerService final : public ContainerRole {
 public:
  explicit ContainerService(EngineContext& context) : context_(context), lifecycle_(context), creator_(context, lifecycle_) {}

  ContainerLifecycle& lifecycle() { return lifecycle_; }

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
  ContainerPtr get(const ContainerRef& container) const { return context_.containers.get(container.text); }
  ContainerPtr get_running(const ContainerRef& container) const;
  std::int64_t image_size(const ContainerDefinition& definition) const;
  Task<void> rename_record(ContainerPtr record, std::string new_name);
  Task<void> update_record(ContainerPtr record, api::ContainerUpdateRequest request);
  Task<api::ContainerPruneResponse> prune_stopped(api::Filters filters);
  Task<std::int64_t> writable_size(ContainerId id);

  EngineContext& context_;
  ContainerLifecycle lifecycle_;
  ContainerCreator creator_;
};

}  // namespace sockerless
