#include "sockerless/manager.hpp"

#include <atomic>
#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/fake_engine.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Type = DockerErrorType;

DockerManager manager_of(const FakeEngine& engine) {
  Result<DockerManager> manager = DockerManager::open(engine.config());
  EXPECT_TRUE(manager) << manager.error();
  return *std::move(manager);
}

TEST(DockerManager, TellsWhatAContainerIs) {
  const FakeEngine engine({
      {"GET /containers/web/json", 200, R"({"Id":"abc","Name":"/web","Created":"2024-01-02T03:04:05.5Z","Image":"sha256:1",
         "State":{"Status":"running","StartedAt":"2024-01-02T03:04:06Z"},"Config":{"Image":"nginx","Labels":{"team":"a"}},
         "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":"8080"}],"53/udp":null}}})"},
      {"GET /containers/json", 200, R"([{"Id":"abcd","Status":"other"},{"Id":"abc","Status":"Up 3 minutes"}])"},
  });
  const Result<ContainerInfo> info = manager_of(engine).get_container_info("web");
  ASSERT_TRUE(info) << info.error();
  EXPECT_EQ(info->id, "abc");
  EXPECT_EQ(info->name, "web");
  EXPECT_EQ(info->image, "nginx");
  EXPECT_EQ(info->state, "running");
  EXPECT_TRUE(info->is_running());
  EXPECT_EQ(info->status, "Up 3 minutes");
  EXPECT_THAT(info->labels, ElementsAre(std::pair("team", "a")));
  EXPECT_THAT(info->ports, ElementsAre(PortMapping{.container_port = 53, .protocol = "udp"},
                                       PortMapping{.container_port = 80, .host_port = 8080, .host_ip = "0.0.0.0"}));
  EXPECT_EQ(info->created.time_since_epoch(), 1704164645500ms);
  ASSERT_TRUE(info->started);
  EXPECT_EQ(info->started->time_since_epoch(), 1704164646s);
}

TEST(DockerManager, AListHasTheContainersOwnName) {
  const FakeEngine engine({{"GET /containers/json", 200,
                            R"([{"Id":"a","Names":["/web/db","/db"],"Image":"postgres","State":"exited","Status":"Exited","Created":5,
                                 "Ports":[{"PrivatePort":5432,"Type":"tcp"}]}])"}});
  const auto list = manager_of(engine).list_containers({.all = true});
  ASSERT_TRUE(list) << list.error();
  ASSERT_EQ(list->size(), 1U);
  EXPECT_EQ(list->front().name, "db");
  EXPECT_EQ(list->front().state, "exited");
  EXPECT_FALSE(list->front().started);
  EXPECT_THAT(list->front().ports, ElementsAre(PortMapping{.container_port = 5432}));
}

// --- starting --------------------------------------------------------------------------------------------------------------------------

const Reply kNone{"GET /containers/web/json", 404, R"({"message":"No such container: web"})"};
const Reply kCreated{"POST /containers/create", 201, R"({"Id":"new","Warnings":["careful"]})"};
const Reply kStarted{"POST /containers/new/start", 204, ""};
const Reply kRuns{"GET /containers/web/json", 200, R"({"Id":"new","Name":"/web","State":{"Status":"running"},"Config":{"Image":"nginx"}})"};

TEST(DockerManager, PullsWhatIsMissingAndSendsWhatWasAskedFor) {
  const FakeEngine engine({kNone,
                           {"POST /containers/create", 404, R"({"message":"No such image: nginx"})"},
                           {"GET /images/nginx/json", 404, R"({"message":"No such image: nginx"})"},
                           {"POST /images/create?fromImage=nginx%3Alatest", 200, R"({"status":"Pulling"})"},
                           kCreated,
                           kStarted,
                           kRuns});
  const ContainerSpec spec{
      .name = "web",
      .image = "nginx",
      .command = {"serve"},
      .environment = {{"A", "1"}},
      .labels = {{"team", "a"}},
      .ports = {{.container_port = 80, .host_port = 8080}, {.container_port = 80}, {.container_port = 53, .protocol = "udp"}},
      .volumes = {"data:/data"},
      .network = "back",
      .restart_policy = "always"};
  const auto started = manager_of(engine).start_container(spec, {.registry = RegistryCredentials()});
  ASSERT_TRUE(started) << started.error();
  EXPECT_TRUE(started->was_created && started->was_started && started->was_pulled);
  EXPECT_THAT(started->warnings, ElementsAre("careful"));
  EXPECT_EQ(started->info.id, "new");
  EXPECT_TRUE(engine.is_exhausted()) << engine.rest();
  EXPECT_THAT(engine.body_of("POST /containers/create"),
              AllOf(HasSubstr(R"("Cmd":["serve"])"), HasSubstr(R"("Env":["A=1"])"), HasSubstr(R"("Labels":{"team":"a"})"),
                    HasSubstr(R"("Binds":["data:/data"])"), HasSubstr(R"("NetworkMode":"back")"), HasSubstr(R"("Name":"always")"),
                    HasSubstr(R"("80/tcp":[{"HostIp":"","HostPort":"8080"},{"HostIp":"","HostPort":""}])"), HasSubstr(R"("53/udp")")));
}

TEST(DockerManager, NeverPullsWhenToldSo) {
  const FakeEngine engine({kNone, {"POST /containers/create", 404, R"({"message":"No such image: nginx"})"}});
  const auto started = manager_of(engine).start_container({.name = "web", .image = "nginx"}, {.pull = StartOptions::Pull::never});
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().type, Type::not_found);
}

/// An existing container with everything in it that daemons add.
Reply existing(const std::string& state) {
  return {"GET /containers/web/json", 200,
          R"({"Id":"old","Name":"/web","Image":"sha256:1","State":{"Status":")" + state +
              R"("},"Config":{"Image":"nginx","Cmd":["serve"],"Env":["PATH=/bin","A=1"],"Labels":{"team":"a","more":"b"},
                  "ExposedPorts":{"80/tcp":{},"81/tcp":{}}},
                 "HostConfig":{"NetworkMode":"default","ShmSize":67108864,"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},
                  "RestartPolicy":{"Name":"no","MaximumRetryCount":0}},
                 "NetworkSettings":{"Networks":{"bridge":{}}}})"};
}
const Reply kSameImage{"GET /images/nginx/json", 200, R"({"Id":"sha256:1"})"};

ContainerSpec matching() {
  return {.name = "web",
          .image = "nginx",
          .command = {"serve"},
          .environment = {{"A", "1"}},
          .labels = {{"team", "a"}},
          .ports = {{.container_port = 80, .host_port = 8080}},
          .restart_policy = "no"};
}

TEST(DockerManager, TakesAContainerThatIsAsAskedFor) {
  for (const auto& [state, call] : std::vector<std::pair<std::string, std::string>>{{"running", ""},
                                                                                    {"exited", "POST /containers/old/start"},
                                                                                    {"created", "POST /containers/old/start"},
                                                                                    {"paused", "POST /containers/old/unpause"}}) {
    std::vector<Reply> replies{existing(state), kSameImage};
    if (!call.empty()) replies.push_back({call, 204, ""});
    replies.push_back(existing("running"));
    const FakeEngine engine(replies);
    const auto taken = manager_of(engine).start_container(matching());
    ASSERT_TRUE(taken) << state << taken.error();
    EXPECT_FALSE(taken->was_created);
    EXPECT_EQ(taken->was_started, call.ends_with("/start")) << state;
    EXPECT_TRUE(engine.is_exhausted()) << state << engine.rest();
  }
}

TEST(DockerManager, RefusesAContainerThatIsOtherwiseAndSaysHow) {
  struct Row {
    std::function<void(ContainerSpec&)> change;
    std::string told;
  };
  const std::vector<Row> rows{
      {[](ContainerSpec& spec) { spec.command = {"other"}; }, R"(Cmd[0] is "serve", not "other")"},
      {[](ContainerSpec& spec) { spec.command = {"serve", "more"}; }, R"(Cmd is ["serve"], not ["serve","more"])"},
      {[](ContainerSpec& spec) { spec.environment["A"] = "secret"; }, "Env has no A of that value"},
      {[](ContainerSpec& spec) { spec.labels["team"] = "b"; }, R"(Labels.team is "a", not "b")"},
      {[](ContainerSpec& spec) { spec.labels["new"] = ""; }, R"(Labels.new is absent, not "")"},
      {[](ContainerSpec& spec) { spec.ports[0].host_port = 9090; }, R"(HostPort is "8080", not "9090")"},
      {[](ContainerSpec& spec) { spec.ports.push_back({.container_port = 443}); }, "443/tcp is absent"},
      {[](ContainerSpec& spec) { spec.restart_policy = "always"; }, R"(HostConfig.RestartPolicy.Name is "no", not "always")"},
      {[](ContainerSpec& spec) { spec.volumes = {"a:/b"}; }, R"(HostConfig.Binds is absent, not ["a:/b"])"},
      {[](ContainerSpec& spec) { spec.other.networking_config.emplace().endpoints_config = {{{"back", {}}}}; }, "not in the network back"},
      {[](ContainerSpec& spec) { spec.image = "nginx:2"; }, R"(Image is "nginx", not "nginx:2")"},
  };
  for (const Row& row : rows) {
    const FakeEngine engine({existing("running"), {"GET /images/", 404, "{}"}});
    ContainerSpec spec = matching();
    row.change(spec);
    const auto refused = manager_of(engine).start_container(spec);
    ASSERT_FALSE(refused) << row.told;
    EXPECT_EQ(refused.error().type, Type::conflict);
    EXPECT_EQ(refused.error().code, 0);
    EXPECT_THAT(refused.error().message, AllOf(HasSubstr(row.told), HasSubstr("Remove it"), testing::Not(HasSubstr("secret"))));
  }
  const FakeEngine engine({existing("running"), {"GET /images/nginx/json", 200, R"({"Id":"sha256:2"})"}});
  EXPECT_THAT(manager_of(engine).start_container(matching()).error().message, HasSubstr("the image nginx is sha256:2 now"));
}

TEST(DockerManager, ATakenPortMovesToTheNextFreeOneWhenAskedTo) {
  const std::string taken = R"({"message":"driver failed: Bind for 0.0.0.0:8080 failed: port is already allocated"})";
  const Reply removed{"DELETE /containers/new?v=1&force=1", 204, ""};
  const Reply others{"GET /containers/json", 200, R"([{"Id":"x","Ports":[{"PrivatePort":1,"PublicPort":8081,"Type":"tcp"}]}])"};
  const ContainerSpec spec{
      .name = "web", .image = "nginx", .ports = {{.container_port = 80, .host_port = 8080}, {.container_port = 81, .host_port = 8090}}};
  {
    const FakeEngine engine({kNone, kCreated, {"POST /containers/new/start", 500, taken}, removed, others, kCreated, kStarted, kRuns});
    const auto moved = manager_of(engine).start_container(spec, {.taken_port = StartOptions::TakenPort::next_free});
    ASSERT_TRUE(moved) << moved.error();
    EXPECT_THAT(engine.body_of("POST /containers/create"), AllOf(HasSubstr(R"("HostPort":"8082")"), HasSubstr(R"("HostPort":"8090")")));
    EXPECT_TRUE(engine.is_exhausted()) << engine.rest();
  }
  const FakeEngine engine({kNone, kCreated, {"POST /containers/new/start", 500, taken}, removed});
  const auto refused = manager_of(engine).start_container(spec);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, Type::server_error);
  EXPECT_THAT(refused.error().message, HasSubstr("port is already allocated"));
  EXPECT_TRUE(engine.is_exhausted()) << "nothing is left of it";
}

TEST(DockerManager, WhatCannotBeTidiedUpIsSaid) {
  const FakeEngine engine({kNone,
                           kCreated,
                           {"POST /containers/new/start", 400, R"({"message":"no such command"})"},
                           {"DELETE /containers/new", 500, R"({"message":"device busy"})"}});
  const auto failed = manager_of(engine).start_container({.name = "web", .image = "nginx"});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().type, Type::bad_request);
  EXPECT_THAT(failed.error().message, AllOf(HasSubstr("no such command"), HasSubstr("could not be removed"), HasSubstr("device busy")));
}

TEST(DockerManager, ASpecificationThatCannotBeUsedAsksNobody) {
  const FakeEngine engine({});
  const DockerManager manager = manager_of(engine);
  for (const ContainerSpec& spec :
       {ContainerSpec{.image = "x"}, ContainerSpec{.name = "x"}, ContainerSpec{.name = "x", .image = "x", .ports = {{}}}}) {
    const auto refused = manager.start_container(spec);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().type, Type::unknown);
  }
}

TEST(DockerManager, ItsTimeIsForAllThatItDoes) {
  const FakeEngine engine({kNone, {.start = "POST /containers/create", .hangs = true}});
  const auto late = manager_of(engine).start_container({.name = "web", .image = "nginx"}, {}, {.timeout = 50ms});
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().type, Type::timeout);
  std::stop_source stop;
  stop.request_stop();
  const auto stopped = manager_of(engine).start_container({.name = "web", .image = "nginx"}, {}, {.stop = stop.get_token()});
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().type, Type::cancelled);
}

// --- the rest --------------------------------------------------------------------------------------------------------------------------

TEST(DockerManager, StoppingWhatDoesNotRunSucceeds) {
  const FakeEngine engine({{"POST /containers/web/stop?t=3", 304, ""},
                           {"POST /containers/web/restart?t=1", 204, ""},
                           {"DELETE /containers/web?v=1", 409, R"({"message":"it runs"})"}});
  const DockerManager manager = manager_of(engine);
  EXPECT_TRUE(manager.stop("web", 3s));
  EXPECT_TRUE(manager.restart("web", 1s));
  const Result<void> refused = manager.remove("web", {.volumes = true});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().type, Type::conflict);
}

TEST(DockerManager, ReadsTheEndOfALog) {
  const FakeEngine engine({{"GET /containers/web/logs?stdout=1&stderr=1&tail=2", 200, std::string("\x01\0\0\0\0\0\0\x02hi", 10)}});
  auto log = manager_of(engine).logs("web", {.tail = 2});
  ASSERT_TRUE(log) << log.error();
  const auto chunk = log->next();
  ASSERT_TRUE(chunk && *chunk) << chunk.error();
  EXPECT_EQ((*chunk)->bytes, "hi");
  EXPECT_FALSE(*log->next());
}

Reply health_reply(const std::string& state, const std::string& health) {
  return {"GET /containers/web/json", 200,
          R"({"Id":"abc","Name":"/web","State":{"Status":")" + state + R"(","ExitCode":3,"Health":{"Status":")" + health +
              R"(","Log":[{"End":"2024-01-02T03:04:05Z","Output":"refused","ExitCode":1}]}}})"};
}
const std::string kHealthEvent =
    R"({"Type":"container","Action":"health_status: healthy","Actor":{"ID":"abc","Attributes":{"name":"web"}},"timeNano":5})"
    "\n";

TEST(DockerManager, WaitsForHealthByEvents) {
  const FakeEngine engine(
      {{"GET /events", 200, kHealthEvent, true}, health_reply("running", "starting"), health_reply("running", "healthy")});
  const auto health = manager_of(engine).wait_for_healthy("web", 10s);
  ASSERT_TRUE(health) << health.error();
  EXPECT_TRUE(health->is_ready);
  EXPECT_EQ(health->health_status, "healthy");
  EXPECT_EQ(health->container_id, "abc");
  ASSERT_TRUE(health->last_check);
  EXPECT_EQ(health->last_check->time_since_epoch(), 1704164645s);
  EXPECT_TRUE(engine.is_exhausted()) << engine.rest();
}

TEST(DockerManager, WaitingForHealthEndsInTimeAndSaysWhatItSaw) {
  const FakeEngine engine({{"GET /events", 200, "", true}, health_reply("running", "unhealthy")});
  const auto late = manager_of(engine).wait_for_healthy("web", 80ms);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().type, Type::timeout);
  EXPECT_THAT(late.error().message, AllOf(HasSubstr("80 ms"), HasSubstr("unhealthy"), HasSubstr("refused")));
}

TEST(DockerManager, WaitingForWhatHasEndedIsNoUse) {
  const FakeEngine engine({{"GET /events", 200, "", true}, health_reply("exited", "unhealthy")});
  const auto ended = manager_of(engine).wait_for_healthy("web", 10s);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().type, Type::conflict);
  EXPECT_THAT(ended.error().message, HasSubstr("exit code 3"));
  const FakeEngine nobody({{"GET /events", 200, "", true}, kNone});
  EXPECT_EQ(manager_of(nobody).wait_for_healthy("web", 10s).error().type, Type::not_found);
}

TEST(DockerManager, AServiceWithoutAHealthCheckIsReadyWhenItRuns) {
  const FakeEngine engine({kRuns});
  const auto health = manager_of(engine).health("web");
  ASSERT_TRUE(health) << health.error();
  EXPECT_EQ(health->health_status, "none");
  EXPECT_TRUE(health->is_ready);
  EXPECT_FALSE(health->last_check);
}

}  // namespace
}  // namespace sockerless
