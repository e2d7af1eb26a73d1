#pragma once

#include <memory>
#include <string>

#include "backend/capabilities.hpp"
#include "backend/roles.hpp"
#include "engine/container_service.hpp"
#include "engine/engine_context.hpp"

namespace sockerless {

/// SystemRole: what the daemon says of itself, how much room everything takes, and the events.
class SystemService final : public SystemRole {
 public:
  SystemService(EngineContext& context, ContainerService& containers, const Capabilities& capabilities, BlockingPool& pool)
      : context_(context), containers_(containers), capabilities_(capabilities), pool_(pool) {}

  /// Reads or makes the daemon's identity and looks at the machine. Called once, first.
  Task<void> restore();

  Task<api::SystemInfo> info() override;
  Task<api::SystemVersion> version() override;
  Task<api::SystemDataUsageResponse> disk_usage(DiskUsageOptions options) override;
  Task<std::unique_ptr<EventStream>> events(EventOptions options) override;

 private:
  void count_containers(api::SystemInfo& info) const;
  Task<void> add_containers(api::SystemDataUsageResponse& usage);
  Task<void> add_images(api::SystemDataUsageResponse& usage);
  Task<void> add_volumes(api::SystemDataUsageResponse& usage);

  EngineContext& context_;
  ContainerService& containers_;
  const Capabilities& capabilities_;
  BlockingPool& pool_;
  // Set by restore(), never changed.
  std::string id_;
  std::string operating_system_;
  std::string os_version_;
};

}  // namespace sockerless
