#include "sdk/daemon_link.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/fake_host_environment.hpp"
#include "sdk/fake_programs.hpp"
#include "sdk/runner.hpp"
#include "sdk/scripted_daemon.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

class SshLink : public testing::Test {
 protected:
  SshLink() {
    programs_.add("ssh");
    environment_.variables["PATH"] = programs_.path();
    Endpoint& endpoint = config_.endpoint.emplace();
    endpoint.kind = Endpoint::Kind::ssh;
    endpoint.host = "far";
    config_.retry_attempts = 0;
    config_.timeout = 10s;
  }
  Result<net::Response> ask(const std::shared_ptr<DaemonLink>& link, std::string path) {
    OwnThreadRunner runner(contexts_);
    return run_to_result(runner, link->request({.path = std::move(path)}, {}));
  }

  FakePrograms programs_;
  FakeHostEnvironment environment_;
  DockerConfig config_;
  std::shared_ptr<ContextPool> contexts_ = std::make_shared<ContextPool>();
};

TEST_F(SshLink, CallsGoThroughOneKeptSsh) {
  ScriptedDaemon daemon([](ScriptedConnection& connection) { connection.answer(200, std::string(200000, 'x')); });
  programs_.write("ssh.mode", "proxy " + daemon.path());
  {
    const auto link = std::make_shared<DaemonLink>(config_, HealthSources{}, environment_);
    for (int i = 0; i < 3; ++i) {
      const Result<net::Response> response = ask(link, "/info");
      ASSERT_TRUE(response) << response.error();
      EXPECT_EQ(response->body.size(), 200000U);
    }
    EXPECT_EQ(daemon.accepted(), 1);
    EXPECT_EQ(link->idle_count(), 1U);
  }
  daemon.wait_until_closed();  // with the link goes its ssh
}

TEST_F(SshLink, AnSshThatFailsSaysWhyInItsOwnWords) {
  programs_.write("ssh.mode", "fail 255 me@far: Permission denied (publickey).");
  const auto link = std::make_shared<DaemonLink>(config_, HealthSources{}, environment_);
  const Result<net::Response> response = ask(link, "/info");
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().type, DockerErrorType::connection);
  EXPECT_THAT(response.error().message, HasSubstr("Permission denied (publickey)."));
  EXPECT_THAT(response.error().message, HasSubstr("ssh://far"));
}

TEST_F(SshLink, NoSshIsAnError) {
  environment_.variables["PATH"] = "/nonexistent";
  const auto link = std::make_shared<DaemonLink>(config_, HealthSources{}, environment_);
  const Result<net::Response> response = ask(link, "/info");
  ASSERT_FALSE(response);
  EXPECT_THAT(response.error().message, HasSubstr("ssh"));
}

TEST(DaemonLink, TlsMaterialIsCheckedAtOnce) {
  DockerConfig config;
  Endpoint& endpoint = config.endpoint.emplace();
  endpoint.kind = Endpoint::Kind::tls;
  endpoint.host = "localhost";
  endpoint.port = 1;
  endpoint.tls.ca_file = "/nonexistent/ca.pem";
  EXPECT_THROW(DaemonLink link(config), Error);
}

}  // namespace
}  // namespace sockerless
