#pragma once

#include <chrono>
#include <memory>

#include "backend/roles.hpp"
#include "engine/engine_context.hpp"

namespace sockerless {

/// StatsRole: a sample a second, each with the one before it. A container that does not run gives samples without numbers.
class StatsService final : public StatsRole {
 public:
  /// @param interval  between two samples; Docker's is a second.
  explicit StatsService(EngineContext& context, std::chrono::steady_clock::duration interval = std::chrono::seconds(1))
      : context_(context), interval_(interval) {}

  /// @errors not_found. The stream's: not_implemented where the driver cannot tell.
  Task<std::unique_ptr<StatsStream>> stats(ContainerRef container, StatsOptions options) override;

 private:
  EngineContext& context_;
  std::chrono::steady_clock::duration interval_;
};

}  // namespace sockerless
