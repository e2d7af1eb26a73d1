// The daemon is killed between any two steps of an operation (kill_at_step.cpp says what a step is), one after the other until the
// operation gets through. The next daemon has to find either the old state or the new one, whole.

#include <array>
#include <fstream>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/faults/remains.hpp"
#include "tests/support/daemon.hpp"

namespace sockerless::support {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

constexpr int kMostSteps = 2000;
constexpr const char* kSleeper = R"({"Image":"busybox:latest","Cmd":["sleep","1000"],"HostConfig":{"NetworkMode":"none"}})";
constexpr const char* kSpeaker = R"({"Image":"busybox:latest","Cmd":["sh","-c","echo out; exit 7"],"HostConfig":{"NetworkMode":"none"}})";

class EveryStep : public testing::Test {
 protected:
  EveryStep() { daemon_.import_busybox(); }

  HttpProbe& api() { return daemon_.api(); }
  const std::string& socket() const { return daemon_.socket(); }

  std::string create(const char* body) {
    ids_.emplace_back(boost::json::parse(api().must("POST", "/containers/create", body)).at("Id").as_string());
    return ids_.back();
  }

  /// @param prepare  before each walk, by a daemon that lives. @param operation  what the daemon is killed in. @param verify  what must
  ///                 hold for the next daemon.
  void walk(const std::function<void()>& prepare, const std::function<void()>& operation, const std::function<void()>& verify) {
    for (int step = 1; !HasFatalFailure() && !HasNonfatalFailure(); ++step) {
      ASSERT_LT(step, kMostSteps);
      SCOPED_TRACE(testing::Message() << "killed before step " << step);
      prepare();
      const bool was_killed = kill_at(step, operation);
      verify();
      if (was_killed) continue;
      ASSERT_GT(step, 3) << "the daemon was hardly ever killed: nothing was tested";
      std::printf("killed before each of %d steps\n", step - 1);
      return;
    }
  }

  void expect_all_gone() {
    for (const auto& container : boost::json::parse(api().must("GET", "/containers/json?all=1")).as_array()) {
      ids_.emplace_back(container.at("Id").as_string());
      EXPECT_EQ(api().call("DELETE", "/containers/" + ids_.back() + "?force=1").status, 204);
    }
    expect_nothing_left(daemon_, ids_);
  }

  std::string status_of(const std::string& id) {
    return std::string(boost::json::parse(api().must("GET", "/containers/" + id + "/json")).at("State").at("Status").as_string());
  }

  void expect_runs_to_its_end(const std::string& id) {
    const auto exit = boost::json::parse(api().must("POST", "/containers/" + id + "/wait"));
    EXPECT_EQ(exit.at("StatusCode").as_int64(), 7);
    EXPECT_THAT(api().must("GET", "/containers/" + id + "/logs?stdout=1"), HasSubstr("out\n"));
  }

 private:
  /// @return false: the operation was over before that step.
  bool kill_at(int step, const std::function<void()>& operation) {
    const auto armed = daemon_.directory() / "armed";
    std::filesystem::remove(armed);
    daemon_.kill();
    daemon_.start({"LD_PRELOAD=" + (program_directory() / "libkill_at_step.so").string(), "KILL_AT_STEP=" + std::to_string(step),
                   "KILL_ARMED_BY=" + armed.string()});
    std::ofstream(armed) << "now";
    bool is_through = true;
    try {
      operation();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::unavailable) throw;
      is_through = false;
    }
    const bool was_killed = daemon_.stop() != 0;  // what goes on behind the answer comes to its end, or to its step, here
    daemon_.start();
    return !is_through || was_killed;
  }

  Daemon daemon_{"local"};
  std::vector<std::string> ids_;
};

TEST_F(EveryStep, OfCreate) {
  const auto containers = [this] { return boost::json::parse(api().must("GET", "/containers/json?all=1")).as_array(); };
  walk([] {}, [this] { create(kSpeaker); },
       [&] {
         for (const auto& container : containers()) {
           const std::string id(container.at("Id").as_string());
           EXPECT_EQ(status_of(id), "created");
           EXPECT_EQ(api().call("POST", "/containers/" + id + "/start").status, 204);
           expect_runs_to_its_end(id);
           EXPECT_EQ(api().call("DELETE", "/containers/" + id).status, 204);
         }
       });
  expect_all_gone();
}

TEST_F(EveryStep, OfStart) {
  std::string id;
  walk([&] { id = create(kSpeaker); }, [&] { api().must("POST", "/containers/" + id + "/start"); },
       [&] {
         EXPECT_THAT(status_of(id), AnyOf("created", "running", "exited"));
         if (status_of(id) == "created") EXPECT_EQ(api().call("POST", "/containers/" + id + "/start").status, 204);
         expect_runs_to_its_end(id);
       });
  expect_all_gone();
}

TEST_F(EveryStep, OfExec) {
  std::string id;
  const auto exec = [&] {
    const std::string made = api().must("POST", "/containers/" + id + "/exec", R"({"AttachStdout":true,"Cmd":["echo","inside"]})");
    std::string output;
    const UniqueFd stream =
        HttpProbe(socket()).hijack("/exec/" + std::string(boost::json::parse(made).at("Id").as_string()) + "/start", "{}", output);
    std::array<char, 4096> buffer{};
    for (ssize_t count = 1; count > 0;) {
      count = ::read(stream.get(), buffer.data(), buffer.size());
      if (count > 0) output.append(buffer.data(), static_cast<std::size_t>(count));
    }
    if (!output.contains("inside")) throw Error::unavailable("the daemon is gone");
  };
  walk([&] { id = create(kSleeper), api().must("POST", "/containers/" + id + "/start"); }, exec,
       [&] {
         EXPECT_EQ(status_of(id), "running");
         exec();
         EXPECT_EQ(api().call("DELETE", "/containers/" + id + "?force=1").status, 204);
       });
  expect_all_gone();
}

TEST_F(EveryStep, OfRemove) {
  std::string id;
  walk([&] { id = create(kSleeper), api().must("POST", "/containers/" + id + "/start"); },
       [&] { api().must("DELETE", "/containers/" + id + "?force=1"); },
       [&] { EXPECT_THAT(api().call("DELETE", "/containers/" + id + "?force=1").status, AnyOf(204, 404)); });
  expect_all_gone();
}

}  // namespace
}  // namespace sockerless::support
