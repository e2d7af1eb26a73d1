// The client library against a real daemon of ours with the memory backend: every kind of call and stream, and a daemon that is frozen,
// killed and started again.

#include <csignal>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sockerless/batch.hpp"
#include "sockerless/client.hpp"
#include "sockerless/manager.hpp"
#include "tests/support/daemon.hpp"

namespace sockerless::clients {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Type = DockerErrorType;

class Sdk : public testing::Test {
 protected:
  Sdk() {
    auto pull = client_.image_create({.from_image = "busybox", .tag = "latest"});
    EXPECT_TRUE(pull) << pull.error();
    const Result<void> pulled = pull->finish();
    EXPECT_TRUE(pulled) << pulled.error();
  }

  Client make_client() const {
    DockerConfig config;
    config.socket_path = daemon_.socket();
    config.timeout = 20s;
    Result<Client> client = Client::open(config);
    EXPECT_TRUE(client) << client.error();
    return *std::move(client);
  }

  std::string create(const std::string& name, std::map<std::string, std::string> labels, bool with_input = false) {
    api::ContainerCreateRequest request;
    request.image = "busybox";
    request.cmd = {"echo", "hello"};
    request.labels = std::move(labels);
    request.open_stdin = with_input;
    request.attach_stdin = with_input;
    request.stdin_once = with_input;
    const auto created = client_.container_create(request, {.name = name});
    EXPECT_TRUE(created) << created.error();
    return created ? created->id : std::string();
  }

  support::Daemon daemon_{"memory"};
  Client client_ = make_client();
};

std::string text_of(OutputReader& reader) {
  std::string text;
  for (Result<OutputChunk>& chunk : reader) {
    if (!chunk) return text + "!" + chunk.error().text();
    text += chunk->bytes;
  }
  return text;
}

TEST_F(Sdk, ContainersFromCreateToRemove) {
  const std::string id = create("web", {{"team", "a"}});
  const auto listed = client_.container_list({.all = true, .filters = {{"label", "team=a"}, {"name", "web"}}});
  ASSERT_TRUE(listed) << listed.error();
  ASSERT_EQ(listed->size(), 1U);
  EXPECT_EQ(listed->front().id, id);

  ASSERT_TRUE(client_.container_start("web"));
  const auto ended = client_.container_wait("web");
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->status_code, 0);

  auto logs = client_.container_logs("web", {.stdout = true, .stderr = true});
  ASSERT_TRUE(logs) << logs.error();
  EXPECT_EQ(text_of(*logs), "echo hello\n");
  const auto details = client_.container_inspect(id);
  ASSERT_TRUE(details) << details.error();
  EXPECT_EQ(details->name, "/web");
  EXPECT_TRUE(client_.container_rename("web", {.name = "old"}));
  EXPECT_TRUE(client_.container_delete("old", {.v = true}));
  const auto missing = client_.container_inspect("old");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().type, Type::not_found);
  EXPECT_EQ(missing.error().message, "No such container: old");
}

TEST_F(Sdk, TheDaemonsRefusalsAreItsOwn) {
  create("one", {{"sockerless.sim.run_time", "forever"}});
  api::ContainerCreateRequest request;
  request.image = "busybox";
  EXPECT_EQ(client_.container_create(request, {.name = "one"}).error().type, Type::conflict);
  ASSERT_TRUE(client_.container_start("one"));
  EXPECT_EQ(client_.container_start("one").error().type, Type::not_modified);
  EXPECT_EQ(client_.container_delete("one").error().type, Type::conflict);
  EXPECT_EQ(client_.container_export("one").error().type, Type::not_implemented);
  EXPECT_EQ(client_.container_list({.filters = {{"nonsense", "x"}}}).error().type, Type::bad_request);
  EXPECT_TRUE(client_.container_delete("one", {.force = true}));
}

TEST_F(Sdk, AttachAndExecGoBothWays) {
  create("echo", {{"sockerless.sim.stdin", "echo"}, {"sockerless.sim.exec.stdin", "echo"}}, true);
  auto attached = client_.container_attach("echo", {.stream = true, .stdin = true, .stdout = true, .stderr = true});
  ASSERT_TRUE(attached) << attached.error();
  ASSERT_TRUE(client_.container_start("echo"));

  api::ContainerExecRequest request;
  request.cmd = {"cat"};
  request.attach_stdin = request.attach_stdout = request.attach_stderr = true;
  const auto exec = client_.container_exec("echo", request);
  ASSERT_TRUE(exec) << exec.error();
  auto session = client_.exec_start(exec->id, {});
  ASSERT_TRUE(session) << session.error();

  for (DuplexStream* stream : {&*session, &*attached}) {
    ASSERT_TRUE(stream->write("line\n"));
    ASSERT_TRUE(stream->close_write());
    std::string text;
    for (Result<OutputChunk>& chunk : *stream) {
      ASSERT_TRUE(chunk) << chunk.error();
      text += chunk->bytes;
    }
    EXPECT_THAT(text, HasSubstr("line\n"));
  }
  const auto result = client_.exec_inspect(exec->id);
  ASSERT_TRUE(result) << result.error();
  EXPECT_EQ(result->exit_code, 0);
}

TEST_F(Sdk, AWebSocketIsAnAttachedStreamToo) {
  create("echo", {{"sockerless.sim.stdin", "echo"}}, true);
  auto attached = client_.container_attach_websocket("echo", {.stream = true, .stdin = true, .stdout = true});
  ASSERT_TRUE(attached) << attached.error();
  ASSERT_TRUE(client_.container_start("echo"));
  ASSERT_TRUE(attached->write("line\n"));
  std::string text;
  while (!text.contains("line\n")) {
    const auto chunk = attached->next();
    ASSERT_TRUE(chunk) << chunk.error();
    ASSERT_TRUE(*chunk) << "it ended with " << text;
    text += (*chunk)->bytes;
  }
  const auto none = client_.container_attach_websocket("none", {.stream = true});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().type, Type::not_found) << none.error();
}

TEST_F(Sdk, IsFoundByTheEnvironment) {
  ::setenv("DOCKER_HOST", daemon_.host().c_str(), 1);
  const Result<Client> client = Client::from_environment();
  ::setenv("DOCKER_HOST", "carrier-pigeon://home", 1);
  const Result<Client> none = Client::from_environment();
  ::unsetenv("DOCKER_HOST");
  ASSERT_TRUE(client) << client.error();
  const Result<PingInfo> info = client->ping();
  EXPECT_TRUE(info) << info.error();
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, HasSubstr("carrier-pigeon"));
}

TEST_F(Sdk, EventsComeAsTheyHappen) {
  auto events = client_.system_events({.filters = {{"type", "container"}}});
  ASSERT_TRUE(events) << events.error();
  create("seen", {});
  const auto event = events->next();
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->action, "create");
  events->cancel();
  EXPECT_EQ(events->next().error().type, Type::cancelled);
}

TEST_F(Sdk, NetworksVolumesImagesAndTheSystem) {
  api::NetworkCreateRequest network;
  network.name = "net";
  const auto made = client_.network_create(network);
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(client_.network_inspect("net")->id, made->id);
  EXPECT_TRUE(client_.network_delete("net"));
  api::VolumeCreateRequest volume;
  volume.name = "data";
  ASSERT_TRUE(client_.volume_create(volume));
  EXPECT_EQ(client_.volume_inspect("data")->name, "data");
  EXPECT_TRUE(client_.volume_delete("data"));
  EXPECT_TRUE(client_.image_tag("busybox", {.repo = "localhost:5000/team/box", .tag = "1"}));
  const auto image = client_.image_inspect("localhost:5000/team/box:1");
  ASSERT_TRUE(image) << image.error();
  EXPECT_TRUE(client_.image_delete("localhost:5000/team/box:1"));
  ASSERT_TRUE(client_.system_info());
  const auto version = client_.system_version();
  ASSERT_TRUE(version);
  EXPECT_EQ(*client_.api_version(), version->api_version);
  EXPECT_TRUE(client_.container_prune());
}

TEST_F(Sdk, AnArchiveIsUploadedWhileItsProgressIsRead) {
  auto import = client_.image_create({.from_src = "-", .repo = "imported"}, body_of(support::busybox_rootfs()));
  ASSERT_TRUE(import) << import.error();
  const Result<void> end = import->finish();
  ASSERT_TRUE(end) << end.error();
  EXPECT_TRUE(client_.image_inspect("imported"));
  auto load = client_.image_load({}, body_of("this is no archive"));
  const Result<void> refused = load ? load->finish() : Result<void>(load.error());
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().is_api_error()) << refused.error();
}

TEST_F(Sdk, AFrozenDaemonIsATimeoutAndWorksAgainAfterwards) {
  ASSERT_TRUE(client_.system_info());
  support::freeze(daemon_.pid());
  const auto frozen = client_.system_info({.timeout = 100ms});
  ::kill(daemon_.pid(), SIGCONT);
  ASSERT_FALSE(frozen);
  EXPECT_EQ(frozen.error().type, Type::timeout);
  EXPECT_TRUE(client_.system_info());
}

TEST_F(Sdk, ADaemonThatIsKilledAndStartedAgainNeedsNoHelp) {
  create("long", {{"sockerless.sim.run_time", "forever"}});
  ASSERT_TRUE(client_.container_start("long"));
  auto logs = client_.container_logs("long", {.follow = true, .stdout = true});
  ASSERT_TRUE(logs) << logs.error();
  ASSERT_TRUE(*logs->next()) << "the command line";
  daemon_.kill();
  const auto broken = logs->next();
  ASSERT_FALSE(broken) << "a stream that broke is no clean end";
  EXPECT_EQ(broken.error().type, Type::connection);
  const auto gone = client_.system_info({.retry_attempts = 0});
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().type, Type::connection);
  EXPECT_FALSE(client_.connection_state().is_connected);
  daemon_.start();
  const auto back = client_.system_info();
  EXPECT_TRUE(back) << back.error();
}

TEST_F(Sdk, ManyThreadsShareOneClient) {
  std::vector<std::future<int>> threads;
  for (int thread = 0; thread < 16; ++thread) {
    threads.push_back(std::async(std::launch::async, [&, thread] {
      int failures = 0;
      for (int i = 0; i < 20; ++i) {
        const std::string name = "c" + std::to_string(thread) + "-" + std::to_string(i);
        api::ContainerCreateRequest request;
        request.image = "busybox";
        request.cmd = {"true"};
        failures += !client_.container_create(request, {.name = name});
        failures += !client_.container_start(name);
        failures += !client_.container_wait(name);
        failures += !client_.container_delete(name);
      }
      return failures;
    }));
  }
  for (auto& thread : threads) EXPECT_EQ(thread.get(), 0);
  EXPECT_EQ(client_.pool().in_use, 0U);
  EXPECT_LE(client_.pool().idle, client_.config().max_connections);
}

// --- the high level --------------------------------------------------------------------------------------------------------------------

ContainerSpec service(const std::string& name) {
  ContainerSpec spec{.name = name, .image = "busybox", .command = {"serve"}, .labels = {{"sockerless.sim.run_time", "forever"}}};
  spec.other.healthcheck.emplace().test = {"CMD", "true"};
  spec.other.healthcheck->interval = std::chrono::nanoseconds(50ms).count();
  return spec;
}

TEST_F(Sdk, AServiceIsStartedOnceBecomesHealthyAndGoes) {
  const DockerManager manager(client_);
  auto updates = manager.watch({.containers = {"svc"}});
  ASSERT_TRUE(updates) << updates.error();
  const auto started = manager.start_container(service("svc"));
  ASSERT_TRUE(started) << started.error();
  EXPECT_TRUE(started->was_created && started->was_started);
  EXPECT_TRUE(started->info.is_running());
  EXPECT_EQ((*updates->next())->action, "create");
  EXPECT_EQ((*updates->next())->action, "start");
  const auto health = manager.wait_for_healthy("svc", 20s);
  ASSERT_TRUE(health) << health.error();
  EXPECT_EQ(health->health_status, "healthy");
  EXPECT_TRUE(health->last_check);

  const auto again = manager.start_container(service("svc"));
  ASSERT_TRUE(again) << "what the daemon filled in is no difference: " << again.error();
  EXPECT_FALSE(again->was_created || again->was_started);
  EXPECT_EQ(again->info.id, started->info.id);
  ContainerSpec other = service("svc");
  other.command = {"other"};
  EXPECT_EQ(manager.start_container(other).error().type, Type::conflict);

  const auto info = manager.get_container_info("svc");
  ASSERT_TRUE(info) << info.error();
  EXPECT_THAT(info->status, HasSubstr("Up"));
  EXPECT_TRUE(info->started);
  ASSERT_TRUE(manager.stop("svc", 1s));
  EXPECT_TRUE(manager.stop("svc")) << "so already";
  const auto list = manager.list_containers({.all = true});
  ASSERT_TRUE(list && list->size() == 1U);
  EXPECT_EQ(list->front().state, "exited");
  EXPECT_EQ(manager.wait_for_healthy("svc", 20s).error().type, Type::conflict);
  EXPECT_TRUE(manager.remove("svc"));
  EXPECT_EQ(manager.get_container_info("svc").error().type, Type::not_found);
}

TEST_F(Sdk, ABatchThatFailsLeavesTheDaemonAsItWas) {
  ContainerSpec broken = service("broken");
  broken.labels["sockerless.sim.start_error"] = "no such command";
  const auto report = Batch()
                          .tag_image("busybox", "mine:1")
                          .create_volume("data")
                          .create_container(service("svc"))
                          .start_container("svc")
                          .create_container(broken)
                          .start_container("broken")
                          .run(client_);
  ASSERT_TRUE(report) << report.error();
  ASSERT_TRUE(report->failed);
  EXPECT_EQ(report->failed->step, "start container broken");
  EXPECT_EQ(report->undone.size(), 5U) << report->text();
  EXPECT_TRUE(report->not_undone.empty()) << report->text();
  EXPECT_TRUE(client_.container_list({.all = true})->empty());
  EXPECT_EQ(client_.volume_inspect("data").error().type, Type::not_found);
  EXPECT_EQ(client_.image_inspect("mine:1").error().type, Type::not_found);
  EXPECT_TRUE(client_.image_inspect("busybox"));
}

}  // namespace
}  // namespace sockerless::clients
