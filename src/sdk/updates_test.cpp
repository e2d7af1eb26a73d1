#include "sockerless/updates.hpp"

#include <future>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/fake_engine.hpp"
#include "sockerless/manager.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using Kind = ContainerUpdate::Kind;
using Type = DockerErrorType;

std::string event(const std::string& action, const std::string& time) {
  return R"({"Type":"container","Action":")" + action +
         R"(","Actor":{"ID":"abc","Attributes":{"name":"web","image":"nginx","exitCode":"0"}},"timeNano":)" + time + "}\n";
}
/// In the future of this machine's clock, as all times of the events here.
const std::string kFirst = "9000000000000000001";
const std::string kSecond = "9000000000000000002";

DockerManager manager_of(const FakeEngine& engine) { return *DockerManager::open(engine.config()); }

TEST(Updates, TellWhatHappened) {
  const FakeEngine engine(
      {{"GET /events?filters=%7B%22container%22%3A%7B%22web%22%3Atrue%7D%2C%22event%22%3A%7B%22die%22%3Atrue%7D%2C%22label%22", 200,
        event("die", kFirst), true}});
  auto updates = manager_of(engine).watch({.containers = {"web"}, .labels = {"a=b"}, .actions = {"die"}});
  ASSERT_TRUE(updates) << updates.error();
  const auto update = updates->next();
  ASSERT_TRUE(update && *update) << update.error();
  const ContainerUpdate wanted{.action = "die",
                               .container_id = "abc",
                               .name = "web",
                               .image = "nginx",
                               .time = TimePoint(std::chrono::nanoseconds(9000000000000000001)),
                               .attributes = {{"exitCode", "0"}}};
  EXPECT_TRUE(**update == wanted);
}

TEST(Updates, GoOnAfterABreakWithNothingTwice) {
  FakeEngine engine(
      {{.start = "GET /events", .body = event("create", kFirst) + event("start", kFirst), .breaks = true},
       {"GET /events", 503, R"({"message":"not yet"})"},
       {"GET /events?since=9000000000.000000001", 200, event("create", kFirst) + event("start", kFirst) + event("die", kSecond), true}});
  auto updates = manager_of(engine).watch();
  ASSERT_TRUE(updates) << updates.error();
  std::vector<std::string> seen;
  for (Result<ContainerUpdate>& update : *updates) {
    ASSERT_TRUE(update) << update.error();
    seen.push_back(update->action);
    if (seen.size() == 4) break;
  }
  EXPECT_THAT(seen, testing::ElementsAre("create", "start", "reconnected", "die"));
  EXPECT_TRUE(engine.is_exhausted()) << engine.rest();
}

TEST(Updates, WaitForADaemonThatIsAway) {
  FakeEngine engine(
      {{.start = "GET /events", .body = event("start", kFirst), .breaks = true}, {"GET /events", 200, event("die", kSecond), true}});
  auto updates = manager_of(engine).watch();
  ASSERT_TRUE(updates);
  ASSERT_TRUE(updates->next());
  engine.daemon().stop();
  auto waiting = std::async(std::launch::async, [&] { return updates->next(); });
  EXPECT_EQ(waiting.wait_for(50ms), std::future_status::timeout) << "it gave up";
  engine.daemon().start();
  const auto back = waiting.get();
  ASSERT_TRUE(back && *back) << back.error();
  EXPECT_EQ((*back)->kind, Kind::reconnected);
  EXPECT_EQ((*updates->next())->action, "die");
}

TEST(Updates, EndWhenTheyAreCancelledOrTheirTimeIsUp) {
  const FakeEngine engine({{"GET /events", 200, "", true}, {"GET /events", 200, "", true}, {"GET /events", 200, "", true}});
  const DockerManager manager = manager_of(engine);
  auto cancelled = manager.watch();
  ASSERT_TRUE(cancelled);
  auto waiting = std::async(std::launch::async, [&] { return cancelled->next(); });
  cancelled->cancel();
  EXPECT_EQ(waiting.get().error().type, Type::cancelled);
  EXPECT_EQ(cancelled->next().error().type, Type::cancelled);

  std::stop_source stop;
  auto stopped = manager.watch({.stop = stop.get_token()});
  ASSERT_TRUE(stopped);
  stop.request_stop();
  EXPECT_EQ(stopped->next().error().type, Type::cancelled);

  auto late = manager.watch();
  ASSERT_TRUE(late);
  late->set_deadline(std::chrono::steady_clock::now() + 30ms);
  EXPECT_EQ(late->next().error().type, Type::timeout);
}

TEST(Updates, AreToldWhatWaitingDoesNotMend) {
  const FakeEngine refused({{"GET /events", 400, R"({"message":"bad filter"})"}});
  EXPECT_EQ(manager_of(refused).watch().error().type, Type::bad_request);
  const FakeEngine later({{.start = "GET /events", .breaks = true}, {"GET /events", 403, R"({"message":"policy"})"}});
  auto updates = manager_of(later).watch();
  ASSERT_TRUE(updates);
  EXPECT_EQ(updates->next().error().type, Type::forbidden);
}

TEST(Updates, ComeToAListener) {
  FakeEngine engine({{"GET /events", 200, event("start", kFirst) + event("die", kSecond), true}});
  std::promise<void> both;
  std::vector<std::string> seen;
  auto subscription = manager_of(engine).subscribe([&](const Result<ContainerUpdate>& update) {
    seen.push_back(update ? update->action : update.error().text());
    if (seen.size() == 2) both.set_value();
    throw std::runtime_error("the listener's own business");
  });
  ASSERT_TRUE(subscription) << subscription.error();
  both.get_future().wait();
  EXPECT_THAT(seen, testing::ElementsAre("start", "die"));
  subscription->cancel();
  const Subscription moved = *std::move(subscription);
}

TEST(Updates, TheirErrorComesToTheListenerLast) {
  FakeEngine engine({{.start = "GET /events", .breaks = true}, {"GET /events", 403, R"({"message":"policy"})"}});
  std::promise<DockerError> error;
  auto subscription = manager_of(engine).subscribe([&](const Result<ContainerUpdate>& update) {
    if (!update) error.set_value(update.error());
  });
  ASSERT_TRUE(subscription);
  EXPECT_EQ(error.get_future().get().type, Type::forbidden);
}

}  // namespace
}  // namespace sockerless
