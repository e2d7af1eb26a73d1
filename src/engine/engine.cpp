#include "engine/engine.hpp"

#include <chrono>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "engine/build_service.hpp"
#include "engine/commit_service.hpp"
#include "engine/container_service.hpp"
#include "engine/engine_context.hpp"
#include "engine/files_service.hpp"
#include "engine/stats_service.hpp"
#include "engine/system_service.hpp"

namespace sockerless {

namespace {

using namespace std::chrono_literals;

Logger log("engine");

constexpr auto kStopPatience = 3s;

class Engine final : public Backend {
 public:
  explicit Engine(EngineOptions options)
      : capabilities_(std::move(options.capabilities)),
        drivers_(std::move(options.drivers)),
        store_(std::move(options.store)),
        table_(*store_),
        events_(options.clock),
        images_(*drivers_.images, *store_, events_, table_, options.clock),
        volumes_(*drivers_.volumes, *store_, events_, table_, options.clock, options.random),
        networks_(*drivers_.networks, *store_, events_, table_, options.clock, options.random),
        execs_(*drivers_.workloads, table_, events_, options.clock, options.random),
        context_{*drivers_.workloads,
                 *store_,
                 options.clock,
                 options.random,
                 options.executor,
                 table_,
                 events_,
                 images_,
                 volumes_,
                 networks_,
                 execs_,
                 tasks_,
                 {},
                 {}},
        containers_(context_),
        stats_(context_),
        files_(drivers_.workloads->files() != nullptr
                   ? std::make_unique<FilesService>(context_, containers_.lifecycle(), *drivers_.workloads->files())
                   : nullptr),
        committer_(drivers_.workloads->files() != nullptr
                       ? std::make_unique<CommitService>(context_, containers_.lifecycle(), *drivers_.workloads->files())
                       : nullptr),
        builds_(drivers_.builder.get(), images_),
        system_(context_, containers_, capabilities_, options.blocking_pool) {}

  const Capabilities& capabilities() const override { return capabilities_; }
  SystemRole& system() override { return system_; }
  ContainerRole& containers() override { return containers_; }
  StatsRole* stats() override { return &stats_; }
  FilesRole* files() override { return files_.get(); }
  CommitRole* committer() override { return committer_.get(); }
  ExecRole* exec() override { return capabilities_.exec ? &execs_ : nullptr; }
  ImageRole* images() override { return &images_; }
  RegistryRole* registry() override { return images_.can_pull() ? &images_ : nullptr; }
  BuildRole* builder() override { return drivers_.builder ? &builds_ : nullptr; }
  NetworkRole* networks() override { return &networks_; }
  VolumeRole* volumes() override { return &volumes_; }

  Task<void> start() override {
    const api::SystemInfo facts = co_await drivers_.workloads->facts();
    context_.defaults.runtime = facts.default_runtime.value_or("runc");
    if (facts.cgroup_version == api::SystemInfoCgroupVersion("1")) {
      context_.defaults.cgroup_namespace = api::HostConfigCgroupnsMode::host;
    }
    context_.storage_driver = facts.driver.value_or("");
    images_.set_storage_driver(context_.storage_driver);
    co_await system_.restore();
    co_await volumes_.restore();
    co_await table_.load();
    co_await images_.restore();
    co_await networks_.restore();
    co_await containers_.lifecycle().restore();
    log.info("engine ready backend={} containers={} images={}", capabilities_.backend, table_.size(), images_.size());
  }

  Task<void> stop() override {
    events_.close();
    co_await tasks_.stop(kStopPatience);
    co_await execs_.stop();
    co_await builds_.stop();
    co_await images_.stop();
    co_await drivers_.networks->stop();
    co_await drivers_.workloads->stop();
  }

 private:
  // In the order of who uses whom; destroyed the other way round.
  Capabilities capabilities_;
  Drivers drivers_;
  std::unique_ptr<StateStore> store_;
  TaskGroup tasks_;
  ContainerTable table_;
  EventBus events_;
  ImageService images_;
  VolumeService volumes_;
  NetworkService networks_;
  ExecService execs_;
  EngineContext context_;
  ContainerService containers_;
  StatsService stats_;
  std::unique_ptr<FilesService> files_;       // null: the driver has no view of files
  std::unique_ptr<CommitService> committer_;  // the same
  BuildService builds_;
  SystemService system_;
};

}  // namespace

std::unique_ptr<Backend> make_engine(EngineOptions options) { return std::make_unique<Engine>(std::move(options)); }

}  // namespace sockerless
