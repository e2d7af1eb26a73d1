// sockerless-backend-docker as a process, in front of a real dockerd and of none.

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/dockerd.hpp"
#include "tests/support/http_probe.hpp"

namespace sockerless::conformance {
namespace {

using namespace std::chrono_literals;
using support::ChildProcess;
using support::Stdio;
using testing::HasSubstr;

class DockerProgram : public testing::Test {
 protected:
  std::vector<std::string> command(const std::string& docker_socket, std::vector<std::string> more = {}) const {
    std::vector<std::string> argv{(support::program_directory() / "sockerless-backend-docker").string(), "--socket", socket_};
    if (!docker_socket.empty()) argv.insert(argv.end(), {"--docker-socket", docker_socket});
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
  }

  support::Reply call(std::string_view method, const std::string& path, std::string_view body = {}) const {
    support::Reply reply = support::HttpProbe(socket_).call(method, "/internal/v1" + path, body);
    if (reply.body.ends_with('\n')) reply.body.pop_back();
    return reply;
  }

  support::TempDir directory_;
  const std::string socket_ = (directory_.path() / "backend.sock").string();
};

TEST_F(DockerProgram, WithoutADaemonItSaysWhyAndFails) {
  const std::string nowhere = (directory_.path() / "nowhere.sock").string();
  const support::Output output = support::run_command(command(nowhere));
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("failed to connect to Docker daemon: "));
  EXPECT_THAT(output.err, HasSubstr(nowhere));
  EXPECT_FALSE(std::filesystem::exists(socket_)) << "it never listened";
}

TEST_F(DockerProgram, WhatCannotBeUsedIsRefused) {
  EXPECT_THAT(support::run_command(command("ftp://host")).err, HasSubstr("ftp://host"));
  const support::Output version = support::run_command(command("/run/d.sock", {"--docker-api-version", "latest"}));
  EXPECT_EQ(version.exit_code, 1);
  EXPECT_THAT(version.err, HasSubstr("\"latest\" is not a version of Docker's API"));
}

TEST_F(DockerProgram, TheHelpNamesItsSettings) {
  const support::Output output = support::run_command(command({}, {"--help"}));
  EXPECT_EQ(output.exit_code, 0);
  for (const char* text : {"--socket", "/var/run/sockerless-backend.sock", "SOCKERLESS_BACKEND_SOCKET", "--tcp", "--docker-socket",
                           "/var/run/docker.sock", "DOCKER_HOST", "--docker-api-version", "--log-level", "--wait-for-docker"}) {
    EXPECT_THAT(output.out, HasSubstr(text));
  }
}

TEST_F(DockerProgram, BeingAskedToEndEndsTheWaiting) {
  ChildProcess program(command((directory_.path() / "nowhere.sock").string(), {"--wait-for-docker"}), Stdio::pipes);
  ASSERT_TRUE(program.read_until("failed to connect to Docker daemon: "));
  program.send_signal(SIGTERM);
  const auto output = program.wait();
  ASSERT_TRUE(output);
  EXPECT_EQ(output->exit_code, 0) << output->err;
}

TEST_F(DockerProgram, ItServesUntilItIsToldToEnd) {
  const support::Dockerd dockerd;
  ChildProcess program(command({}), Stdio::pipes, {"DOCKER_HOST=" + dockerd.host()});
  ASSERT_TRUE(program.read_until("ready backend=docker")) << program.err();
  EXPECT_EQ(call("GET", "/capabilities").body,
            std::string(R"({"backend":"docker","version":")") + SOCKERLESS_VERSION +
                R"(","capabilities":{"exec":true,"attach":true,"logs":true,"logs_follow":true,"volumes":true,"networks":true,)"
                R"("health_checks":true,"image_pull":true,"image_load":true,"max_timeout_seconds":0,"agent_required":false}})");
  EXPECT_EQ(call("GET", "/nothing").status, 404);
  EXPECT_EQ(call("GET", "/nothing").body, R"({"message":"page not found"})");
  EXPECT_EQ(call("GET", "/containers/nobody").status, 404);
  EXPECT_EQ(call("GET", "/containers/nobody").body, R"({"message":"No such container: nobody"})");
  EXPECT_EQ(call("GET", "/containers?filters=%7B%22colour%22%3A%5B%22blue%22%5D%7D").status, 400);
  EXPECT_EQ(call("POST", "/volumes/prune?filters=%7B%22colour%22%3A%5B%22blue%22%5D%7D").status, 400);
  EXPECT_THAT(call("GET", "/version").body, HasSubstr(R"("Os":"linux")"));
  program.send_signal(SIGTERM);
  const auto output = program.wait();
  ASSERT_TRUE(output);
  EXPECT_EQ(output->exit_code, 0) << output->err;
}

TEST_F(DockerProgram, ADaemonThatComesIsWaitedForAndOneThatGoesIsTold) {
  support::Dockerd dockerd;
  dockerd.stop();
  ChildProcess program(command(dockerd.socket(), {"--wait-for-docker"}), Stdio::pipes);
  ASSERT_TRUE(program.read_until("failed to connect to Docker daemon: "));
  EXPECT_FALSE(std::filesystem::exists(socket_));
  dockerd.start();
  ASSERT_TRUE(program.read_until("ready backend=docker")) << program.err();
  EXPECT_EQ(call("GET", "/containers?all=1").body, "[]");
  dockerd.stop();
  const support::Reply gone = call("GET", "/containers?all=1");
  EXPECT_EQ(gone.status, 503);
  EXPECT_THAT(gone.body, HasSubstr(dockerd.socket()));
  dockerd.start();
  support::Reply back = call("GET", "/containers?all=1");
  for (int i = 0; i < 600 && back.status != 200; ++i) {
    std::this_thread::sleep_for(50ms);  // the breaker's delay, which nothing tells the end of
    back = call("GET", "/containers?all=1");
  }
  EXPECT_EQ(back.status, 200) << back.body;
  program.send_signal(SIGINT);
  const auto output = program.wait();
  ASSERT_TRUE(output);
  EXPECT_EQ(output->exit_code, 0);
}

}  // namespace
}  // namespace sockerless::conformance
