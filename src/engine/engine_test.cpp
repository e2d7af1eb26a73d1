#include "engine/engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "engine/engine_fixture.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using fakes::Daemon;
using testing::ElementsAre;
using Texts = std::vector<std::string>;

struct EngineTest : testing::Test {
  Daemon daemon;

  template <typename T>
  void expect_failure(Task<T> task, ErrorCode code, const std::string& message) {
    try {
      daemon.on(std::move(task));
      ADD_FAILURE() << "did not fail: " << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.message();
      if (!message.empty()) EXPECT_EQ(error.message(), message);
    }
  }

  std::unique_ptr<EventStream> listen() { return daemon.on(daemon.backend->system().events({})); }
  /// The container events up to and with `last`, exec's left out.
  Texts actions_until(EventStream& stream, const std::string& last) {
    return daemon.on([](EventStream& events, std::string end) -> Task<Texts> {
      Texts seen;
      while (const auto event = co_await events.next()) {
        if (*event->type != api::EventMessageType::container || event->action->starts_with("exec_")) continue;
        seen.push_back(*event->action);
        if (*event->action == end) break;
      }
      co_return seen;
    }(stream, last));
  }
  std::unique_ptr<ContainerWait> wait_for(const std::string& id, WaitCondition condition) {
    return daemon.on(daemon.containers().wait({id}, condition));
  }
  std::int64_t result(ContainerWait& wait) { return daemon.on(wait.result()).status_code; }

  static api::HostConfig auto_remove() {
    api::HostConfig host;
    host.auto_remove = true;
    return host;
  }
  static api::HostConfig policy(std::string_view name, std::int64_t retries = 0) {
    api::HostConfig host;
    host.restart_policy.emplace().name = api::RestartPolicyName(name);
    host.restart_policy->maximum_retry_count = retries;
    return host;
  }
};

TEST_F(EngineTest, AContainerIsMadeRunsEndsAndGoes) {
  const auto events = listen();
  const std::string id = daemon.create("web");
  EXPECT_TRUE(is_hex64(id));
  EXPECT_EQ(daemon.status("web"), "created");
  const auto wait = wait_for(id.substr(0, 10), WaitCondition::next_exit);
  daemon.on(daemon.containers().start({"web"}));
  const auto running = daemon.inspect("web");
  EXPECT_TRUE(*running.state->running);
  EXPECT_EQ(*running.state->pid, 4242);
  EXPECT_EQ(*running.path, "sh");
  EXPECT_EQ(*running.config->hostname, id.substr(0, 12));
  EXPECT_THAT(*running.config->env, ElementsAre("PATH=/bin"));
  daemon.world->exit(id, 3);
  EXPECT_EQ(result(*wait), 3);
  EXPECT_EQ(daemon.status(id), "exited");
  EXPECT_EQ(*daemon.inspect(id).state->exit_code, 3);
  daemon.on(daemon.containers().remove({id}, {}));
  expect_failure(daemon.containers().inspect({"web"}, WithSize::no), ErrorCode::not_found, "No such container: web");
  EXPECT_TRUE(daemon.world->state.read([](const auto& now) { return now.prepared.empty(); }));
  EXPECT_THAT(actions_until(*events, "destroy"), ElementsAre("create", "start", "die", "destroy"));
}

TEST_F(EngineTest, CreateRefusesInDockersWords) {
  CreateContainerOptions options;
  options.request.image = "nothing:here";
  expect_failure(daemon.containers().create(options), ErrorCode::not_found, "No such image: nothing:here");
  const std::string id = daemon.create("taken");
  options.request.image = Daemon::image();
  options.name = "taken";
  expect_failure(daemon.containers().create(options), ErrorCode::conflict,
                 "Conflict. The container name \"/taken\" is already in use by container \"" + id +
                     "\". You have to remove (or rename) that container to be able to reuse that name.");
  options.name = "-bad";
  expect_failure(daemon.containers().create(options), ErrorCode::invalid_argument,
                 "Invalid container name (-bad), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
  EXPECT_EQ(daemon.on(daemon.containers().list({.all = true, .limit = {}, .size = WithSize::no, .filters = {}})).size(), 1U);
}

TEST_F(EngineTest, UnknownMembersAndDefaultsAreInInspect) {
  api::ContainerConfig config;
  config.unknown.emplace_back("Future", api::RawJson{"{\"a\":1}"});
  const std::string id = daemon.create("", {}, config);
  const auto seen = daemon.inspect(id);
  EXPECT_EQ(seen.config->unknown.front().second.text, "{\"a\":1}");
  EXPECT_EQ(*seen.host_config->shm_size, 67108864);
  EXPECT_EQ(*seen.host_config->network_mode, "bridge");
  EXPECT_EQ(*seen.state->started_at, "0001-01-01T00:00:00Z");
  EXPECT_NE(seen.name->find('_'), std::string::npos) << "a name was made: " << *seen.name;
}

TEST_F(EngineTest, StartingOrStoppingTwiceIsNotModified) {
  const std::string id = daemon.run_detached("web");
  expect_failure(daemon.containers().start({id}), ErrorCode::not_modified, "");
  daemon.on(daemon.containers().stop({id}, {}));
  expect_failure(daemon.containers().stop({id}, {}), ErrorCode::not_modified, "");
}

TEST_F(EngineTest, StopKillsAfterItsPatience) {
  const auto events = listen();
  const std::string id = daemon.run_detached("web");
  daemon.world->state.write([](auto& now) { now.dies_on_term = false; });
  daemon.on(daemon.containers().stop({id}, {.signal = "SIGUSR1", .timeout_seconds = 0}));
  EXPECT_THAT(daemon.world->signals(), ElementsAre(SIGUSR1, SIGKILL));
  EXPECT_EQ(*daemon.inspect(id).state->exit_code, 137);
  EXPECT_THAT(actions_until(*events, "stop"), ElementsAre("create", "start", "kill", "kill", "die", "stop"));
}

TEST_F(EngineTest, NetworksAndVolumesSpeakInDockersOrder) {
  api::HostConfig host = auto_remove();
  host.binds = Texts{"data:/data"};
  const auto events = listen();
  const std::string id = daemon.create("job", host);
  const auto removed = wait_for(id, WaitCondition::removed);
  daemon.on(daemon.containers().start({id}));
  daemon.world->exit(id, 0);
  EXPECT_EQ(result(*removed), 0);
  const Texts seen = daemon.on([](EventStream& stream) -> Task<Texts> {
    Texts said;
    while (const auto event = co_await stream.next()) {
      said.push_back(std::string(event->type->str()) + " " + *event->action);
      if (*event->action == "destroy") break;
    }
    co_return said;
  }(*events));
  EXPECT_THAT(seen, ElementsAre("volume create", "container create", "network connect", "volume mount", "container start", "container die",
                                "network disconnect", "volume unmount", "container destroy"));
}

TEST_F(EngineTest, ARestartStopsAndStartsInDockersOrder) {
  const std::string id = daemon.run_detached("web", auto_remove());
  const auto events = listen();
  daemon.on(daemon.containers().restart({id}, {}));
  EXPECT_THAT(actions_until(*events, "restart"), ElementsAre("kill", "die", "stop", "start", "restart"));
  EXPECT_EQ(daemon.status(id), "running") << "--rm does not act between the two";
}

TEST_F(EngineTest, AutoRemoveKeepsTheResultForWhoWaits) {
  const auto events = listen();
  const std::string id = daemon.create("job", auto_remove());
  const auto removed = wait_for(id, WaitCondition::removed);
  const auto exited = wait_for(id, WaitCondition::next_exit);
  daemon.on(daemon.containers().start({id}));
  daemon.world->exit(id, 5);
  EXPECT_EQ(result(*removed), 5);
  EXPECT_EQ(result(*exited), 5);
  expect_failure(daemon.containers().inspect({id}, WithSize::no), ErrorCode::not_found, "");
  EXPECT_THAT(actions_until(*events, "destroy"), ElementsAre("create", "start", "die", "destroy"));
}

TEST_F(EngineTest, WaitNotRunningReturnsAtOnceForWhatDoesNotRun) {
  const std::string id = daemon.run_detached("web");
  daemon.world->exit(id, 7);
  EXPECT_EQ(result(*wait_for(id, WaitCondition::not_running)), 7);
  EXPECT_EQ(result(*wait_for(id, WaitCondition::not_running)), 7);
}

TEST_F(EngineTest, OnFailureRestartsAsOftenAsItMay) {
  daemon.world->state.write([](auto& now) {
    now.exits_at_once = true;
    now.next_exit_code = 1;
  });
  const auto events = listen();
  const std::string id = daemon.create("web", policy("on-failure", 2));
  daemon.on(daemon.containers().start({id}));
  Texts seen;
  while (std::ranges::count(seen, "die") < 3) {
    const auto more = actions_until(*events, "die");
    seen.insert(seen.end(), more.begin(), more.end());
  }
  EXPECT_THAT(seen, ElementsAre("create", "start", "die", "start", "die", "start", "die"));
  const auto state = daemon.inspect(id);
  EXPECT_EQ(state.state->status->str(), "exited");
  EXPECT_EQ(*state.restart_count, 2);
}

TEST_F(EngineTest, StoppingWhatIsRestartingEndsTheRestarts) {
  daemon.world->state.write([](auto& now) {
    now.exits_at_once = true;
    now.next_exit_code = 1;
  });
  const auto events = listen();
  const std::string id = daemon.create("web", policy("always"));
  daemon.on(daemon.containers().start({id}));
  for (int i = 0; i < 3; ++i) actions_until(*events, "die");  // the delay is 400 ms by now
  ASSERT_EQ(daemon.status(id), "restarting");
  daemon.on(daemon.containers().stop({id}, {}));
  EXPECT_EQ(daemon.status(id), "exited");
  daemon.on(daemon.containers().remove({id}, {}));
}

TEST_F(EngineTest, AStartThatFailsShowsItsCodeAndItsReason) {
  const std::string id = daemon.create("web");
  daemon.world->state.write(
      [](auto& now) { now.start_failure = StartFailure(127, ErrorCode::invalid_argument, "exec: \"nope\": not found"); });
  expect_failure(daemon.containers().start({id}), ErrorCode::invalid_argument, "exec: \"nope\": not found");
  auto state = daemon.inspect(id).state;
  EXPECT_EQ(state->status->str(), "created");
  EXPECT_EQ(*state->exit_code, 127);
  EXPECT_EQ(*state->error, "exec: \"nope\": not found");
  daemon.world->state.write([](auto& now) { now.start_failure.reset(); });
  daemon.on(daemon.containers().start({id}));
  EXPECT_EQ(daemon.status(id), "running");
  EXPECT_EQ(*daemon.inspect(id).state->error, "");
}

TEST_F(EngineTest, AFailedStartWithAutoRemoveRemoves) {
  const std::string id = daemon.create("web", auto_remove());
  const auto removed = wait_for(id, WaitCondition::removed);
  daemon.world->state.write([](auto& now) { now.start_failure = StartFailure(126, ErrorCode::invalid_argument, "not executable"); });
  expect_failure(daemon.containers().start({id}), ErrorCode::invalid_argument, "not executable");
  EXPECT_EQ(result(*removed), 126);
}

TEST_F(EngineTest, PauseFreezesAndKillThaws) {
  const std::string id = daemon.run_detached("web");
  daemon.on(daemon.containers().pause({id}));
  EXPECT_EQ(daemon.status(id), "paused");
  expect_failure(daemon.containers().pause({id}), ErrorCode::conflict, "container " + id + " is already paused");
  expect_failure(daemon.containers().start({id}), ErrorCode::conflict, "cannot start a paused container, try unpause instead");
  expect_failure(daemon.containers().remove({id}, {}), ErrorCode::conflict,
                 "cannot remove container \"/web\": container is paused and must be unpaused first");
  daemon.on(daemon.containers().unpause({id}));
  daemon.on(daemon.containers().pause({id}));
  daemon.on(daemon.containers().kill({id}, ""));
  EXPECT_EQ(*daemon.inspect(id).state->exit_code, 137);
  EXPECT_TRUE(daemon.world->state.read([](const auto& now) { return now.paused.empty(); }));
}

TEST_F(EngineTest, KillNamesTheContainerAsTheClientDid) {
  const std::string id = daemon.create("web");
  expect_failure(daemon.containers().kill({"web"}, "TERM"), ErrorCode::conflict,
                 "Cannot kill container: web: container " + id + " is not running");
  expect_failure(daemon.containers().kill({"nobody"}, ""), ErrorCode::not_found,
                 "Cannot kill container: nobody: No such container: nobody");
  expect_failure(daemon.containers().kill({"nobody"}, "NOPE"), ErrorCode::invalid_argument, "invalid signal: NOPE");
}

TEST_F(EngineTest, OnlyForceRemovesWhatRuns) {
  const std::string id = daemon.run_detached("web");
  const auto events = listen();
  expect_failure(daemon.containers().remove({"web"}, {}), ErrorCode::conflict,
                 "cannot remove container \"/web\": container is running: stop the container before removing or force remove");
  daemon.on(daemon.containers().remove({"web"}, {.force = Force::yes, .volumes = RemoveVolumes::yes, .link = false}));
  EXPECT_THAT(actions_until(*events, "destroy"), ElementsAre("kill", "die", "destroy"));
}

TEST_F(EngineTest, AVolumeNobodyNamedGoesWithItsContainer) {
  api::HostConfig host;
  host.binds = Texts{"/data", "named:/named"};
  const std::string id = daemon.create("web", host);
  const auto mounts = *daemon.inspect(id).mounts;
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(*mounts[1].name, "named");
  EXPECT_EQ(daemon.on(daemon.backend->volumes()->list({})).volumes->size(), 2U);
  daemon.on(daemon.containers().remove({id}, {.force = Force::no, .volumes = RemoveVolumes::yes, .link = false}));
  const auto left = *daemon.on(daemon.backend->volumes()->list({})).volumes;
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left.front().name, "named");
}

TEST_F(EngineTest, RenameMovesTheName) {
  const std::string one = daemon.create("one");
  daemon.create("two");
  expect_failure(daemon.containers().rename({"one"}, "one"), ErrorCode::invalid_argument,
                 "Renaming a container with the same name as its current name");
  try {
    daemon.on(daemon.containers().rename({"one"}, "two"));
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::conflict);
    EXPECT_TRUE(error.message().starts_with("Error when allocating new name: Conflict. The container name \"/two\" is already in use"));
  }
  daemon.on(daemon.containers().rename({"one"}, "three"));
  EXPECT_EQ(*daemon.inspect("three").id, one);
  daemon.create("one");
}

TEST_F(EngineTest, TheListFiltersAndSorts) {
  api::ContainerConfig labelled;
  labelled.labels = std::map<std::string, std::string>{{"app", "web"}};
  const std::string old = daemon.create("old", {}, labelled);
  const std::string young = daemon.run_detached("young", {}, labelled);
  daemon.create("plain");
  const auto names = [&](std::initializer_list<std::pair<std::string_view, std::string_view>> wanted, bool all = true) {
    ListContainersOptions options;
    options.all = all;
    for (const auto& [key, value] : wanted) options.filters.add(key, value);
    Texts found;
    for (const auto& entry : daemon.on(daemon.containers().list(std::move(options)))) found.push_back(entry.names->front());
    return found;
  };
  EXPECT_THAT(names({}), ElementsAre("/plain", "/young", "/old"));
  EXPECT_THAT(names({}, false), ElementsAre("/young"));
  EXPECT_THAT(names({{"label", "app=web"}}), ElementsAre("/young", "/old"));
  EXPECT_THAT(names({{"label", "app=web"}, {"status", "created"}}, false), ElementsAre("/old"));
  EXPECT_THAT(names({{"name", "^/?o"}}), ElementsAre("/old"));
  EXPECT_THAT(names({{"id", old.substr(0, 12)}}), ElementsAre("/old"));
  EXPECT_THAT(names({{"before", "young"}}), ElementsAre("/old"));
  EXPECT_THAT(names({{"since", "young"}}), ElementsAre("/plain"));
  EXPECT_THAT(names({{"ancestor", Daemon::image()}, {"status", "running"}}), ElementsAre("/young"));
  EXPECT_THAT(names({{"network", "bridge"}}), ElementsAre("/plain", "/young", "/old"));
  EXPECT_THAT(names({{"health", "none"}, {"is-task", "false"}}), ElementsAre("/plain", "/young", "/old"));
  EXPECT_TRUE(names({{"is-task", "true"}}).empty());
  daemon.world->exit(young, 4);
  result(*wait_for(young, WaitCondition::not_running));
  EXPECT_THAT(names({{"exited", "4"}}), ElementsAre("/young"));
  for (const auto& [key, value] : {std::pair{"nonsense", "x"}, std::pair{"status", "flying"}, std::pair{"exited", "one"}}) {
    ListContainersOptions options;
    options.filters.add(key, value);
    expect_failure(daemon.containers().list(std::move(options)), ErrorCode::invalid_argument, "");
  }
}

TEST_F(EngineTest, PruneTakesWhatIsStoppedAndMatches) {
  daemon.run_detached("runs");
  const std::string gone = daemon.create("gone");
  api::ContainerConfig kept;
  kept.labels = std::map<std::string, std::string>{{"keep", "yes"}};
  daemon.create("kept", {}, kept);
  api::Filters filters;
  filters.add("label!", "keep=yes");
  const auto pruned = daemon.on(daemon.containers().prune(filters));
  EXPECT_THAT(*pruned.containers_deleted, ElementsAre(gone));
  EXPECT_EQ(*pruned.space_reclaimed, 11);
}

TEST_F(EngineTest, HealthFollowsTheProbes) {
  std::atomic<int> code{1};
  std::atomic<int> other_commands{0};
  daemon.driver->on_exec = [&](fakes::FakeExec& exec) {
    if (exec.spec.arguments != Texts{"/bin/sh", "-c", "true"}) ++other_commands;
    exec.write(StdStream::out, "looked");
    exec.end_output();
    exec.exit(code);
  };
  api::ContainerConfig config;
  config.healthcheck.emplace().test = Texts{"CMD-SHELL", "true"};
  config.healthcheck->interval = Duration(1ms).count();
  config.healthcheck->retries = 2;
  const auto events = listen();
  const std::string id = daemon.run_detached("web", {}, config);
  actions_until(*events, "health_status: unhealthy");
  auto health = *daemon.inspect(id).state->health;
  EXPECT_EQ(health.status->str(), "unhealthy");
  EXPECT_GE(*health.failing_streak, 2);
  EXPECT_EQ(*health.log->front().output, "looked");
  code = 0;
  actions_until(*events, "health_status: healthy");
  EXPECT_EQ(*daemon.inspect(id).state->health->failing_streak, 0);
  EXPECT_EQ(other_commands, 0);
  daemon.on(daemon.containers().stop({id}, {}));
  EXPECT_EQ(daemon.status(id), "exited") << "the probes end with the run";
}

TEST_F(EngineTest, TheNextDaemonFindsEverything) {
  const std::string runs = daemon.run_detached("runs");
  const std::string created = daemon.create("created");
  const std::string ended = daemon.run_detached("ended");
  const std::string always = daemon.run_detached("always", policy("always"));
  const std::string stopped = daemon.run_detached("stopped", policy("unless-stopped"));
  daemon.on(daemon.containers().stop({stopped}, {}));
  daemon.stop();
  daemon.world->exit(ended, 9);
  daemon.world->exit(always, 0);
  daemon.start();
  EXPECT_EQ(daemon.status("runs"), "running");
  EXPECT_EQ(daemon.status("created"), "created");
  EXPECT_EQ(daemon.status("ended"), "exited");
  EXPECT_EQ(*daemon.inspect("ended").state->exit_code, 9);
  EXPECT_EQ(daemon.status("always"), "running");
  EXPECT_EQ(daemon.status("stopped"), "exited");
  const auto wait = wait_for(runs, WaitCondition::not_running);
  daemon.world->exit(runs, 6);
  EXPECT_EQ(result(*wait), 6) << "the new daemon supervises what it found";
}

TEST_F(EngineTest, ACreateThatFailsAtAnyStepLeavesNothing) {
  for (int step = 0;; ++step) {
    *daemon.writes_left = step;
    CreateContainerOptions options;
    options.name = "web";
    options.request.image = Daemon::image();
    options.request.host_config.emplace().binds = Texts{"/anonymous"};
    bool failed = false;
    try {
      daemon.on(daemon.containers().create(std::move(options)));
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.message();
      failed = true;
    }
    *daemon.writes_left = -1;
    if (!failed) break;
    ASSERT_LT(step, 10) << "it never succeeds";
    EXPECT_TRUE(daemon.world->state.read([](const auto& now) { return now.prepared.empty(); })) << "failed at step " << step;
    EXPECT_TRUE(daemon.on(daemon.containers().list({.all = true, .limit = {}, .size = WithSize::no, .filters = {}})).empty()) << step;
    EXPECT_TRUE(daemon.on(daemon.backend->volumes()->list({})).volumes->empty()) << "failed at step " << step;
  }
  daemon.restart();
  EXPECT_EQ(daemon.status("web"), "created");
}

TEST_F(EngineTest, ManyClientsAtOneContainerSeeOneOrder) {
  const std::string id = daemon.create("web");
  std::atomic<int> started{0};
  std::vector<std::jthread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      for (int round = 0; round < 25; ++round) {
        try {
          daemon.on(daemon.containers().start({id}));
          ++started;
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::not_modified) << error.message();
        }
        try {
          daemon.on(daemon.containers().stop({id}, {}));
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::not_modified) << error.message();
        }
      }
    });
  }
  clients.clear();
  EXPECT_GE(started, 1);
  EXPECT_EQ(daemon.status(id), "exited");
  daemon.on(daemon.containers().remove({id}, {}));
}

TEST_F(EngineTest, StatsNameTheContainerAlsoWhenItDoesNotRun) {
  const std::string id = daemon.create("web");
  const auto once = [&] {
    const auto stream = daemon.on(daemon.backend->stats()->stats({"web"}, {.stream = false, .one_shot = true}));
    const auto sample = daemon.on(stream->next());
    EXPECT_FALSE(daemon.on(stream->next()).has_value()) << "one was asked for";
    return sample.value();
  };
  EXPECT_EQ(*once().read, "0001-01-01T00:00:00Z");
  daemon.on(daemon.containers().start({id}));
  const auto sample = once();
  EXPECT_EQ(*sample.id, id);
  EXPECT_EQ(*sample.name, "/web");
  EXPECT_NE(*sample.read, "0001-01-01T00:00:00Z");
  expect_failure(daemon.backend->stats()->stats({"nobody"}, {}), ErrorCode::not_found, "No such container: nobody");
}

TEST_F(EngineTest, InfoCountsAndNames) {
  daemon.run_detached("runs");
  daemon.create("created");
  const auto info = daemon.on(daemon.backend->system().info());
  EXPECT_EQ(*info.containers, 2);
  EXPECT_EQ(*info.containers_running, 1);
  EXPECT_EQ(*info.images, 1);
  EXPECT_EQ(*info.os_type, "linux");
  EXPECT_EQ(*info.server_version, "0.1.0");
  const std::string id = *info.id;
  EXPECT_EQ(id.size(), 36U);
  daemon.restart();
  EXPECT_EQ(*daemon.on(daemon.backend->system().info()).id, id) << "the identity survives";
  const auto usage = daemon.on(daemon.backend->system().disk_usage({}));
  EXPECT_EQ(usage.containers->size(), 2U);
  EXPECT_EQ(*usage.container_usage->total_size, 22);
  EXPECT_EQ(*usage.container_usage->active_count, 1);
}

}  // namespace
}  // namespace sockerless
