// The daemon behind the relay goes away in each way that there is, and comes back.

#include <chrono>
#include <filesystem>
#include <thread>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/differential/wire.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/dockerd.hpp"

namespace sockerless::differential {
namespace {

using namespace std::chrono_literals;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kLastWords = "the connection to the Docker daemon broke off";

class RelayFaults : public testing::Test {
 protected:
  WireAnswer get(const std::string& target) const {
    Wire wire(daemon_.socket());
    wire.send("GET " + target + " HTTP/1.1\r\nHost: d\r\n\r\n");
    return wire.read_answer(false);
  }

  boost::json::value health() const { return boost::json::parse(get("/healthz").body); }

  /// Asks until the answer is as wanted: for what becomes known in the daemon's own time.
  template <typename Wanted>
  bool eventually(Wanted wanted) const {
    for (const auto give_up = std::chrono::steady_clock::now() + 40s; std::chrono::steady_clock::now() < give_up;) {
      if (wanted()) return true;
      std::this_thread::sleep_for(20ms);  // polling: the daemon tells nobody of what its monitor finds
    }
    return false;
  }

  void expect_refusal() const {
    const auto begin = std::chrono::steady_clock::now();
    const WireAnswer answer = get("/v1.41/containers/json");
    EXPECT_EQ(answer.status(), 503);
    EXPECT_THAT(answer.header("Retry-After"), testing::MatchesRegex("[0-9]+"));
    EXPECT_TRUE(boost::json::parse(answer.body).at("message").is_string());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  }

  /// What answers whatever the dockerd does.
  void expect_own_answers(bool is_connected) const {
    const WireAnswer ping = get("/_ping");
    EXPECT_EQ(ping.status(), 200);
    EXPECT_EQ(ping.body, "OK");
    EXPECT_EQ(ping.header("Api-Version"), api_version_) << "the daemon's, not ours";
    EXPECT_EQ(health().at("backend"), "docker");
    EXPECT_EQ(health().at("state"), is_connected ? "ok" : "disconnected");
    EXPECT_THAT(get("/metrics").body, HasSubstr(std::string("sockerless_backend_up{backend=\"docker\"} ") + (is_connected ? "1" : "0")));
  }

  std::string run_container(const std::string& config) const {
    Wire wire(daemon_.socket());
    const std::string body = R"({"Image":"busybox",)" + config + "}";
    wire.send("POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
    const WireAnswer created = wire.read_answer(false);
    std::string id(boost::json::parse(created.body).at("Id").as_string());
    wire.send("POST /containers/" + id + "/start HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n");
    EXPECT_EQ(wire.read_answer(false).status(), 204);
    return id;
  }

  void SetUp() override { dockerd_.import_busybox(); }

  support::Dockerd dockerd_;
  support::Daemon daemon_{"docker", {"--docker-host", dockerd_.socket()}};
  std::string api_version_ = get("/_ping").header("Api-Version");
};

TEST_F(RelayFaults, ADaemonThatWasKilledIs503UntilItIsBack) {
  EXPECT_EQ(get("/containers/json").status(), 200);
  expect_own_answers(true);
  dockerd_.kill();
  for (int i = 0; i < 20; ++i) expect_refusal();
  expect_own_answers(false);
  const boost::json::value health = this->health();
  EXPECT_THAT(std::string(health.at("last_error").as_string()), HasSubstr(dockerd_.socket()));
  EXPECT_FALSE(health.at("advice").as_array().empty());
  EXPECT_TRUE(health.at("next_retry").is_string()) << "the breaker is open";
  dockerd_.start();
  EXPECT_EQ(get("/containers/json").status(), 200) << "the next request after the daemon answers";
  expect_own_answers(true);
}

TEST_F(RelayFaults, KeptConnectionsSurviveARestart) {
  Wire wire(daemon_.socket());
  for (int round = 0; round < 2; ++round) {
    wire.send("GET /containers/json HTTP/1.1\r\nHost: d\r\n\r\n");
    EXPECT_EQ(wire.read_answer(false).status(), 200);
    if (round == 1) break;
    dockerd_.stop();
    dockerd_.start();
  }
}

TEST_F(RelayFaults, ARemovedSocketIs503WithTheReason) {
  const std::filesystem::path socket = dockerd_.socket();
  std::filesystem::rename(socket, socket.string() + ".away");
  // Connections that were kept still lead there: streams take them away, until one needs a new connection.
  std::vector<std::unique_ptr<Wire>> held;
  std::string head;
  for (int i = 0; i < 16 && !head.starts_with("HTTP/1.1 503"); ++i) {
    held.push_back(std::make_unique<Wire>(daemon_.socket()));
    held.back()->send("GET /events HTTP/1.1\r\nHost: d\r\n\r\n");
    head = held.back()->read_until("\r\n\r\n");
  }
  EXPECT_THAT(head, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(held.back()->read_until("}"), HasSubstr("d.sock"));
  std::filesystem::rename(socket.string() + ".away", socket);
  EXPECT_EQ(get("/containers/json").status(), 200);
}

TEST_F(RelayFaults, AFrozenDaemonIsFoundOutAndPingsGoOn) {
  dockerd_.freeze();
  expect_own_answers(health().at("state") == "ok");
  EXPECT_TRUE(eventually([&] { return health().at("next_retry").is_string(); }));
  expect_refusal();
  dockerd_.thaw();
  EXPECT_TRUE(eventually([&] { return get("/containers/json").status() == 200; }));
}

TEST_F(RelayFaults, AFollowedLogOfADaemonThatDiesBreaksOff) {
  const std::string id = run_container(R"("Cmd":["sh","-c","echo first; sleep 600"])");
  Wire wire(daemon_.socket());
  wire.send("GET /containers/" + id + "/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: d\r\n\r\n");
  wire.read_until("first\n\r\n");
  dockerd_.kill();
  EXPECT_THAT(wire.read_to_end(), Not(HasSubstr("0\r\n\r\n"))) << "the body has no end";
  dockerd_.start();
}

TEST_F(RelayFaults, AnAttachmentToADaemonThatDiesEndsWithAnErrorFrame) {
  const std::string id = run_container(R"("Cmd":["sh","-c","while read x; do echo got $x; done"],"OpenStdin":true)");
  Wire wire(daemon_.socket());
  wire.send("POST /containers/" + id +
            "/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(wire.read_answer(false).status(), 101);
  wire.send("it\n");
  wire.read_until("got it\n");
  dockerd_.kill();
  const std::string rest = wire.read_to_end();
  EXPECT_THAT(rest, StartsWith(std::string("\3\0\0\0\0\0\0", 7)));
  EXPECT_THAT(rest, EndsWith(kLastWords));
  dockerd_.start();
}

TEST_F(RelayFaults, AClientThatLeavesIsNotWaitedFor) {
  const std::string id = run_container(R"("Cmd":["sleep","600"])");
  const auto streams = [&] { return get("/metrics").body; };
  {
    Wire wire(daemon_.socket());
    wire.send("GET /containers/" + id + "/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: d\r\n\r\n");
    wire.read_until("\r\n\r\n");
    EXPECT_THAT(streams(), HasSubstr("sockerless_http_streams 1\n"));
  }
  EXPECT_TRUE(eventually([&] { return streams().find("sockerless_http_streams 0\n") != std::string::npos; }));
}

}  // namespace
}  // namespace sockerless::differential
