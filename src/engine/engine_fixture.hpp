#pragma once
// A whole engine over fake drivers, for the tests: runs end when the test says so.

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>

#include "backend/backend.hpp"
#include "engine/engine.hpp"
#include "engine/fake_drivers.hpp"

namespace sockerless::fakes {

/// What runs, shared by the drivers of successive engines: it outlives the daemon, as containers do.
struct World {
  struct Run {
    std::optional<WorkloadExit> exit;
  };
  struct State {
    std::map<std::string, std::shared_ptr<Run>> runs;  // by container id; the current or last run
    std::set<std::string> prepared;
    std::set<std::string> paused;
    std::map<std::string, int> pending;  // signals that a frozen container hears when it is thawed
    std::vector<int> signals;
    std::optional<StartFailure> start_failure;
    bool dies_on_term = true;
    bool exits_at_once = false;
    int next_exit_code = 0;
  };
  Guarded<State> state;
  Signal changed;

  void exit(const std::string& id, int code) {
    state.write([&](State& now) {
      const auto it = now.runs.find(id);
      if (it == now.runs.end() || it->second->exit) return;
      it->second->exit = WorkloadExit{.exit_code = code, .oom_killed = false, .finished_at = system_clock().now(), .error = {}};
    });
    changed.notify();
  }
  std::vector<int> signals() const {
    return state.read([](const State& now) { return now.signals; });
  }
};

class ScriptedWorkloads final : public FakeWorkloads {
 public:
  explicit ScriptedWorkloads(std::shared_ptr<World> world) : world_(std::move(world)) {}

  Task<std::vector<std::string>> prepare(WorkloadSpec spec) override {
    world_->state.write([&](World::State& now) { now.prepared.insert(spec.id.str()); });
    co_return std::vector<std::string>{"prepared with a warning"};
  }
  Task<WorkloadStarted> start(WorkloadSpec spec) override {
    world_->state.write([&](World::State& now) {
      if (now.start_failure) throw StartFailure(*now.start_failure);
      auto run = std::make_shared<World::Run>();
      if (now.exits_at_once)
        run->exit = WorkloadExit{.exit_code = now.next_exit_code, .oom_killed = false, .finished_at = system_clock().now(), .error = {}};
      now.runs[spec.id.str()] = std::move(run);
    });
    co_return WorkloadStarted{.pid = 4242, .started_at = system_clock().now()};
  }
  Task<WorkloadExit> wait(ContainerId id) override {
    for (;;) {
      const std::uint64_t seen = world_->changed.version();
      const auto exit = world_->state.read([&](const World::State& now) { return now.runs.at(id.str())->exit; });
      if (exit) co_return *exit;
      co_await world_->changed.wait_changed(seen);
    }
  }
  Task<void> signal(ContainerId id, int number) override {
    const bool dies = world_->state.write([&](World::State& now) {
      const auto it = now.runs.find(id.str());
      if (it == now.runs.end() || it->second->exit) throw Error::not_found("it does not run");
      now.signals.push_back(number);
      if (now.paused.contains(id.str())) {
        now.pending[id.str()] = number;
        return false;
      }
      return number == 9 || (number == 15 && now.dies_on_term);
    });
    if (dies) world_->exit(id.str(), 128 + number);
    co_return;
  }
  Task<void> pause(ContainerId id) override {
    world_->state.write([&](World::State& now) { now.paused.insert(id.str()); });
    co_return;
  }
  Task<void> unpause(ContainerId id) override {
    const int pending = world_->state.write([&](World::State& now) {
      now.paused.erase(id.str());
      const auto it = now.pending.find(id.str());
      return it == now.pending.end() ? 0 : std::exchange(it->second, 0);
    });
    if (pending == 9 || pending == 15) world_->exit(id.str(), 128 + pending);
    co_return;
  }
  Task<void> remove(ContainerId id) override {
    world_->state.write([&](World::State& now) {
      now.prepared.erase(id.str());
      now.runs.erase(id.str());
    });
    co_return;
  }
  Task<std::int64_t> writable_size(ContainerId) override { co_return 11; }
  Task<std::vector<RestoredWorkload>> restore(std::vector<ContainerId> known) override {
    std::vector<RestoredWorkload> found;
    world_->state.read([&](const World::State& now) {
      for (const auto& id : known) {
        const auto it = now.runs.find(id.str());
        if (it == now.runs.end()) continue;
        RestoredWorkload workload{.id = id, .running = {}, .exit = it->second->exit};
        if (!workload.exit) workload.running = WorkloadStarted{.pid = 4242, .started_at = system_clock().now()};
        found.push_back(std::move(workload));
      }
    });
    co_return found;
  }

 private:
  std::shared_ptr<World> world_;
};

/// Passes writes on until it is told to fail: the n-th write from then on.
class FailingStore final : public StateStore {
 public:
  FailingStore(std::shared_ptr<StateStore> inner, std::shared_ptr<std::atomic<int>> writes_left)
      : inner_(std::move(inner)), writes_left_(std::move(writes_left)) {}
  Task<void> put(StateKind kind, std::string id, std::string json) override {
    if ((*writes_left_)-- == 0) throw Error::unavailable("the disk is full");
    co_await inner_->put(kind, std::move(id), std::move(json));
  }
  Task<void> erase(StateKind kind, std::string id) override { co_await inner_->erase(kind, std::move(id)); }
  Task<std::vector<std::pair<std::string, std::string>>> load_all(StateKind kind) override { co_return co_await inner_->load_all(kind); }

 private:
  std::shared_ptr<StateStore> inner_;
  std::shared_ptr<std::atomic<int>> writes_left_;
};

/// Threads and an engine on them. restart() is the daemon's death and return: same world, same store.
class Daemon {
 public:
  Daemon() {
    for (int i = 0; i < 2; ++i) threads_.emplace_back([this] { context_.run(); });
    start();
  }
  ~Daemon() {
    stop();
    work_.reset();
    threads_.clear();
  }
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  void start() {
    Drivers drivers;
    auto workloads = std::make_unique<ScriptedWorkloads>(world);
    driver = workloads.get();
    drivers.workloads = std::move(workloads);
    auto images = std::make_unique<FakeImages>();
    images->stored = {image_facts()};
    drivers.images = std::move(images);
    drivers.networks = std::make_unique<FakeNetworks>();
    drivers.volumes = std::make_unique<FakeVolumes>();
    Capabilities capabilities;
    capabilities.backend = "fake";
    capabilities.version = "0.1.0";
    capabilities.exec = true;
    backend = make_engine(EngineOptions{.capabilities = capabilities,
                                        .drivers = std::move(drivers),
                                        .store = std::make_unique<FailingStore>(store_, writes_left),
                                        .clock = system_clock(),
                                        .random = system_random(),
                                        .blocking_pool = pool_,
                                        .executor = context_.get_executor()});
    on(backend->start());
  }
  void stop() {
    if (backend) on(backend->stop());
    backend.reset();
  }
  void restart() {
    stop();
    start();
  }

  /// Runs a task on a strand of the engine's threads and waits for it.
  template <typename T>
  T on(Task<T> task) {
    return asio::co_spawn(asio::make_strand(context_), std::move(task), asio::use_future).get();
  }
  ContainerRole& containers() { return backend->containers(); }

  static ImageFacts image_facts() {
    ImageFacts facts = make_image('a');
    facts.config.cmd = std::vector<std::string>{"sh"};
    facts.config.env = std::vector<std::string>{"PATH=/bin"};
    return facts;
  }
  static std::string image() { return image_facts().id; }

  std::string create(std::string name, api::HostConfig host_config = {}, api::ContainerConfig config = {}) {
    CreateContainerOptions options;
    options.name = std::move(name);
    static_cast<api::ContainerConfig&>(options.request) = std::move(config);
    options.request.image = image();
    options.request.host_config = std::move(host_config);
    return on(containers().create(std::move(options))).id;
  }
  std::string run_detached(std::string name, api::HostConfig host_config = {}, api::ContainerConfig config = {}) {
    std::string id = create(std::move(name), std::move(host_config), std::move(config));
    on(containers().start({id}));
    return id;
  }
  api::ContainerInspectResponse inspect(const std::string& id) { return on(containers().inspect({id}, WithSize::no)); }
  std::string status(const std::string& id) { return std::string(inspect(id).state->status->str()); }

  std::shared_ptr<World> world = std::make_shared<World>();
  std::shared_ptr<std::atomic<int>> writes_left = std::make_shared<std::atomic<int>>(-1);
  ScriptedWorkloads* driver = nullptr;
  std::unique_ptr<Backend> backend;

 private:
  BlockingPool pool_{2};
  std::shared_ptr<StateStore> store_ = make_memory_store();
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(context_);
  std::vector<std::jthread> threads_;
};

}  // namespace sockerless::fakes
