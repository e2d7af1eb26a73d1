// A container outlives the daemon: whatever the moment of a SIGKILL, the next daemon finds every container, with its log and exit code, and
// when all are removed nothing is left behind.

#include <fstream>
#include <random>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/faults/remains.hpp"
#include "tests/support/daemon.hpp"

namespace sockerless::support {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr int kLifecycles = 500;
constexpr int kExitCode = 7;

/// How far one lifecycle got: what was tried, and what the daemon has acknowledged.
struct Progress {
  std::string id;
  bool start_tried = false;
  bool start_acknowledged = false;
  bool remove_tried = false;
};

std::string create(HttpProbe& api) {
  const std::string answer =
      api.must("POST", "/containers/create",
               R"({"Image":"busybox:latest","Cmd":["sh","-c","echo out; exit 7"],"HostConfig":{"NetworkMode":"none"}})");
  return std::string(boost::json::parse(answer).at("Id").as_string());
}

/// Runs a lifecycle until it is done or the daemon is gone.
Progress run_lifecycle(HttpProbe& api) {
  Progress progress;
  try {
    progress.id = create(api);
    const std::string path = "/containers/" + progress.id;
    progress.start_tried = true;
    api.must("POST", path + "/start");
    progress.start_acknowledged = true;
    api.must("POST", path + "/wait");
    progress.remove_tried = true;
    api.must("DELETE", path);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unavailable) throw;
  }
  return progress;
}

/// What the next daemon must know of it.
void expect_nothing_lost(HttpProbe& api, const Progress& progress) {
  if (progress.id.empty()) return;
  const std::string path = "/containers/" + progress.id;
  const Reply found = api.call("GET", path + "/json");
  if (found.status == 404 && progress.remove_tried) return;
  ASSERT_EQ(found.status, 200) << found.body;
  const auto state = boost::json::parse(found.body).at("State");
  const std::string status(state.at("Status").as_string());
  if (progress.start_acknowledged) {
    EXPECT_NE(status, "created");
  }
  if (status == "created") {
    EXPECT_EQ(api.call("POST", path + "/start").status, 204);
  }
  const auto exit = boost::json::parse(api.must("POST", path + "/wait"));
  EXPECT_EQ(exit.at("StatusCode").as_int64(), kExitCode) << found.body;
  EXPECT_THAT(api.must("GET", path + "/logs?stdout=1"), HasSubstr("out\n"));
  EXPECT_EQ(api.call("DELETE", path).status, 204);
}

TEST(KilledDaemon, AtRandomMomentsOfManyLifecyclesLosesNothingAndLeavesNothing) {
  Daemon daemon("local");
  daemon.import_busybox();
  const unsigned seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  std::uniform_int_distribution<int> moment_us(0, 90'000);
  std::vector<std::string> ids;
  for (int i = 0; i < kLifecycles && !HasFailure(); ++i) {
    SCOPED_TRACE(testing::Message() << "lifecycle " << i << ", seed " << seed);
    const pid_t pid = daemon.pid();
    const auto delay = std::chrono::microseconds(moment_us(random));
    std::jthread killer([pid, delay] {
      std::this_thread::sleep_for(delay);  // the fault's moment, not a synchronisation
      ::kill(pid, SIGKILL);
    });
    const Progress progress = run_lifecycle(daemon.api());
    killer.join();
    daemon.kill();
    daemon.start();
    if (!progress.id.empty()) ids.push_back(progress.id);
    expect_nothing_lost(daemon.api(), progress);
  }
  for (const auto& container : boost::json::parse(daemon.api().must("GET", "/containers/json?all=1")).as_array()) {
    // A create whose answer was lost with the daemon may have happened; a user would see it in the list, too.
    const std::string id(container.at("Id").as_string());
    ids.push_back(id);
    EXPECT_EQ(daemon.api().call("DELETE", "/containers/" + id + "?force=1").status, 204);
  }
  expect_nothing_left(daemon, ids);
}

TEST(KilledDaemon, RunningContainersGoOnAndAreFoundWithWhatTheyWrote) {
  Daemon daemon("local");
  daemon.import_busybox();
  const std::string created = daemon.api().must(
      "POST", "/containers/create?name=survivor",
      R"({"Image":"busybox:latest","Cmd":["sh","-c","trap 'exit 9' TERM; echo before; while :; do sleep 0.05; done"],"HostConfig":{"NetworkMode":"none"}})");
  const std::string path = "/containers/" + std::string(boost::json::parse(created).at("Id").as_string());
  daemon.api().must("POST", path + "/start");
  const auto before = boost::json::parse(daemon.api().must("GET", path + "/json"));
  daemon.kill();
  daemon.start();
  const auto after = boost::json::parse(daemon.api().must("GET", path + "/json"));
  EXPECT_EQ(after.at("State").at("Status").as_string(), "running");
  EXPECT_EQ(after.at("State").at("Pid").as_int64(), before.at("State").at("Pid").as_int64());
  EXPECT_EQ(after.at("Name").as_string(), "/survivor");
  daemon.api().must("POST", path + "/stop");
  EXPECT_EQ(boost::json::parse(daemon.api().must("POST", path + "/wait")).at("StatusCode").as_int64(), 9);
  EXPECT_THAT(daemon.api().must("GET", path + "/logs?stdout=1"), HasSubstr("before\n"));
}

TEST(KilledDaemon, AContainerThatEndsWhileNobodyLooksKeepsItsExitCode) {
  Daemon daemon("local");
  daemon.import_busybox();
  const auto go = daemon.directory() / "go";
  const std::string created = daemon.api().must(
      "POST", "/containers/create",
      fmt::format(R"({{"Image":"busybox:latest","Cmd":["sh","-c","until [ -e /watch/go ]; do sleep 0.01; done; echo late; exit 5"],)"
                  R"("HostConfig":{{"NetworkMode":"none","Binds":["{}:/watch"]}}}})",
                  daemon.directory().string()));
  const std::string path = "/containers/" + std::string(boost::json::parse(created).at("Id").as_string());
  daemon.api().must("POST", path + "/start");
  const auto pid = boost::json::parse(daemon.api().must("GET", path + "/json")).at("State").at("Pid").as_int64();
  daemon.kill();
  std::ofstream(go) << "go";
  const auto give_up = std::chrono::steady_clock::now() + 20s;
  while (::kill(static_cast<pid_t>(pid), 0) == 0 && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  daemon.start();
  EXPECT_EQ(boost::json::parse(daemon.api().must("POST", path + "/wait")).at("StatusCode").as_int64(), 5);
  EXPECT_THAT(daemon.api().must("GET", path + "/logs?stdout=1"), HasSubstr("late\n"));
}

TEST(StoppedDaemon, ASigtermDrainsAndExitsZero) {
  Daemon daemon("memory");
  EXPECT_EQ(daemon.stop(), 0);
  daemon.start();
}

}  // namespace
}  // namespace sockerless::support
