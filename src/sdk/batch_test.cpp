#include "sockerless/batch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/fake_engine.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

BatchReport run(const Batch& batch, const FakeEngine& engine, const BatchOptions& how = {}) {
  const Client client = *Client::open(engine.config());
  Result<BatchReport> report = batch.run(client, how);
  EXPECT_TRUE(report) << report.error();
  EXPECT_TRUE(engine.is_exhausted()) << engine.rest();
  return report ? *report : BatchReport();
}

const Reply kBoom{"POST /containers/last/start", 500, R"({"message":"boom"})"};

/// A batch whose last step fails with "boom".
Batch failing(Batch batch) { return batch.start_container("last"); }

TEST(Batch, DoesItsStepsInTheirOrder) {
  const FakeEngine engine({{"GET /images/nginx/json", 404, "{}"},
                           {"POST /images/create?fromImage=nginx%3Alatest", 200, "{}"},
                           {"GET /volumes/data", 404, "{}"},
                           {"POST /volumes/create", 201, R"({"Name":"data","Driver":"local","Mountpoint":"/d","Scope":"local"})"},
                           {"POST /containers/create?name=web", 201, R"({"Id":"new","Warnings":[]})"},
                           {"POST /containers/web/start", 204, ""},
                           {"POST /containers/old/stop?t=2", 204, ""},
                           {"DELETE /containers/old?v=1", 204, ""},
                           {"DELETE /images/old", 200, "[]"},
                           {"DELETE /volumes/old?force=1", 204, ""}});
  const BatchReport report = run(Batch()
                                     .pull_image("nginx", RegistryCredentials())
                                     .create_volume("data", {{"a", "b"}})
                                     .create_container({.name = "web", .image = "nginx"})
                                     .start_container("web")
                                     .stop_container("old", 2s)
                                     .remove_container("old", {.volumes = true})
                                     .remove_image("old")
                                     .remove_volume("old", true),
                                 engine);
  EXPECT_TRUE(report.succeeded()) << report.text();
  EXPECT_EQ(report.done.size(), 8U);
  EXPECT_THAT(report.undone, IsEmpty());
  EXPECT_THAT(report.not_undone, IsEmpty());
}

TEST(Batch, AFailureTakesBackWhatWasDoneTheLastFirst) {
  const FakeEngine engine({{"GET /images/nginx/json", 404, "{}"},
                           {"POST /images/create", 200, "{}"},
                           {"GET /volumes/data", 404, "{}"},
                           {"POST /volumes/create", 201, R"({"Name":"data","Driver":"local","Mountpoint":"/d","Scope":"local"})"},
                           {"POST /containers/create", 201, R"({"Id":"new","Warnings":[]})"},
                           {"POST /containers/web/start", 204, ""},
                           {"POST /containers/old/stop", 204, ""},
                           kBoom,
                           {"POST /containers/old/start", 204, ""},
                           {"POST /containers/web/stop", 304, ""},
                           {"DELETE /containers/new?v=1&force=1", 204, ""},
                           {"DELETE /volumes/data", 404, R"({"message":"gone"})"},
                           {"DELETE /images/nginx", 200, "[]"}});
  const BatchReport report = run(failing(Batch()
                                             .pull_image("nginx", RegistryCredentials())
                                             .create_volume("data")
                                             .create_container({.name = "web", .image = "nginx"})
                                             .start_container("web")
                                             .stop_container("old")),
                                 engine);
  ASSERT_TRUE(report.failed);
  EXPECT_EQ(report.failed->index, 5U);
  EXPECT_EQ(report.failed->step, "start container last");
  EXPECT_EQ(report.failed->error.message, "boom");
  EXPECT_THAT(report.undone,
              ElementsAre("stop container old", "start container web", "create container web", "create volume data", "pull image nginx"));
  EXPECT_THAT(report.not_undone, IsEmpty());
  EXPECT_THAT(report.text(),
              AllOf(HasSubstr("failed: start container last: server_error (500): boom"), HasSubstr("undone: pull image nginx")));
}

TEST(Batch, WhatWasSoBeforeIsLeftAlone) {
  const FakeEngine engine({{"GET /volumes/data", 200, R"({"Name":"data","Driver":"local","Mountpoint":"/d","Scope":"local"})"},
                           {"POST /containers/web/start", 304, ""},
                           {"POST /containers/old/stop", 304, ""},
                           kBoom});
  const BatchReport report = run(failing(Batch().create_volume("data").start_container("web").stop_container("old")), engine);
  EXPECT_EQ(report.undone.size(), 3U);
}

TEST(Batch, AnImagesNameGoesBackToWhatHadIt) {
  const FakeEngine engine({{"GET /images/nginx/json", 200, R"({"Id":"sha256:old"})"},
                           {"POST /images/create", 200, "{}"},
                           {"GET /images/localhost%3A5000/a%3A1/json", 404, "{}"},
                           {"POST /images/nginx/tag?repo=localhost%3A5000%2Fa&tag=1", 201, ""},
                           kBoom,
                           {"DELETE /images/localhost%3A5000/a%3A1", 200, "[]"},
                           {"POST /images/sha256%3Aold/tag?repo=nginx&tag=latest", 201, ""}});
  const BatchReport report =
      run(failing(Batch().pull_image("nginx", RegistryCredentials()).tag_image("nginx", "localhost:5000/a:1")), engine);
  EXPECT_EQ(report.undone.size(), 2U) << report.text();
}

TEST(Batch, WhatCouldNotBeUndoneIsSaidWithTheReason) {
  const FakeEngine engine({{"DELETE /containers/old", 204, ""},
                           {"POST /containers/web/start", 204, ""},
                           kBoom,
                           {"POST /containers/web/stop", 500, R"({"message":"it hangs"})"}});
  const BatchReport report = run(failing(Batch().remove_container("old").start_container("web")), engine, {.allow_early_removals = true});
  EXPECT_THAT(report.undone, IsEmpty());
  ASSERT_EQ(report.not_undone.size(), 2U);
  EXPECT_EQ(report.not_undone[0].step, "start container web");
  EXPECT_THAT(report.not_undone[0].reason, HasSubstr("it hangs"));
  EXPECT_EQ(report.not_undone[1].step, "remove container old");
  EXPECT_THAT(report.text(), HasSubstr("not undone: remove container old: what was removed cannot be brought back"));
}

TEST(Batch, ARemovalBeforeAnotherStepIsRefusedBeforeAnythingIsDone) {
  const FakeEngine engine({});
  const Client client = *Client::open(engine.config());
  const auto refused = failing(Batch().remove_volume("data")).run(client);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, AllOf(HasSubstr("\"remove volume data\""), HasSubstr("\"start container last\"")));
}

TEST(Batch, AStepOfUnknownOutcomeIsNotTakenForUndone) {
  const FakeEngine engine({{.start = "POST /containers/create", .hangs = true}});
  const Client client = *Client::open(engine.config());
  const auto report = Batch().create_container({.name = "web", .image = "nginx"}).run(client, {}, {.timeout = 60ms});
  ASSERT_TRUE(report) << report.error();
  ASSERT_TRUE(report->failed);
  EXPECT_EQ(report->failed->error.type, DockerErrorType::timeout);
  ASSERT_EQ(report->not_undone.size(), 1U);
  EXPECT_EQ(report->not_undone[0].reason, "whether it happened is not known");
}

TEST(Batch, MayBeRunTwice) {
  const FakeEngine engine({{"POST /containers/a/start", 204, ""}, {"POST /containers/a/start", 304, ""}});
  const Client client = *Client::open(engine.config());
  const Batch batch = Batch().start_container("a");
  EXPECT_EQ(batch.size(), 1U);
  EXPECT_TRUE(batch.run(client)->succeeded());
  EXPECT_TRUE(batch.run(client)->succeeded());
}

}  // namespace
}  // namespace sockerless
