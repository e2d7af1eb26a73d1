#include "backends/docker/requests.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/docker/docker_backend.hpp"
#include "base/error.hpp"

namespace sockerless::docker {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(DockerRequests, WhatIsNotSaidIsLeftToTheDaemon) {
  EXPECT_EQ(kill_params_of("").signal, "SIGKILL");
  EXPECT_EQ(kill_params_of("15").signal, "15");
  EXPECT_EQ(top_params_of("").ps_args, "-ef");
  EXPECT_EQ(top_params_of("aux").ps_args, "aux");
  EXPECT_EQ(stop_params_of({}).t, std::nullopt);
  EXPECT_EQ(restart_params_of({.signal = "INT", .timeout_seconds = -1}), (api::ContainerRestartParams{.signal = "INT", .t = -1}));
  EXPECT_EQ(registry_auth_of(std::nullopt), "");
}

TEST(DockerRequests, EveryWaitHasItsName) {
  EXPECT_EQ(params_of(WaitCondition::not_running).condition, "not-running");
  EXPECT_EQ(params_of(WaitCondition::next_exit).condition, "next-exit");
  EXPECT_EQ(params_of(WaitCondition::removed).condition, "removed");
}

TEST(DockerRequests, OptionsArriveWhole) {
  const TimePoint since = TimePoint(std::chrono::seconds(5));
  const api::ContainerLogsParams logs = params_of(LogOptions{.follow = true,
                                                             .show_stdout = true,
                                                             .show_stderr = false,
                                                             .since = since,
                                                             .until = {},
                                                             .timestamps = true,
                                                             .details = true,
                                                             .tail = 7});
  EXPECT_EQ(logs, (api::ContainerLogsParams{.follow = true,
                                            .stdout = true,
                                            .stderr = false,
                                            .since = since,
                                            .until = {},
                                            .timestamps = true,
                                            .tail = 7,
                                            .details = true,
                                            .format = {}}));
  EXPECT_EQ(
      params_of(
          AttachOptions{.logs = true, .stream = true, .use_stdin = true, .use_stdout = false, .use_stderr = true, .detach_keys = "ctrl-x"}),
      (api::ContainerAttachParams{.detach_keys = "ctrl-x", .logs = true, .stream = true, .stdin = true, .stdout = false, .stderr = true}));
  EXPECT_EQ(params_of(RemoveContainerOptions{.force = Force::yes, .volumes = RemoveVolumes::yes, .link = true}),
            (api::ContainerDeleteParams{.v = true, .force = true, .link = true}));
  const api::ExecStartRequest exec =
      request_of(ExecStartOptions{.detach = false, .tty = true, .console_size = TerminalSize{.height = 24, .width = 80}});
  EXPECT_EQ(exec.tty, true);
  EXPECT_THAT(*exec.console_size, ElementsAre(24, 80));
  api::AuthConfig who;
  who.username = "me";
  EXPECT_EQ(params_of(PullImageOptions{.image = "a", .tag = "b", .platform = "linux/arm64", .auth = who}).x_registry_auth,
            "eyJ1c2VybmFtZSI6Im1lIn0=");
}

TEST(DockerRequests, DiskUsageIsOfWhatWasAskedFor) {
  EXPECT_THAT(params_of(DiskUsageOptions{}).type, IsEmpty());
  const DiskUsageOptions some{.containers = false, .images = true, .volumes = false, .build_cache = true};
  EXPECT_THAT(params_of(some).type, ElementsAre("image", "build-cache"));
  api::SystemDataUsageResponse usage;
  usage.containers.emplace();
  usage.images.emplace();
  usage.volumes.emplace();
  usage.build_cache.emplace();
  keep_only(usage, some);
  EXPECT_FALSE(usage.containers || usage.volumes);
  EXPECT_TRUE(usage.images && usage.build_cache);
}

TEST(DockerRequests, TheDaemonIsWhereOneSays) {
  EXPECT_EQ(docker_config_of("/run/d.sock").daemon().str(), "unix:///run/d.sock");
  EXPECT_EQ(docker_config_of("unix:///run/d.sock").daemon().path, "/run/d.sock");
  EXPECT_EQ(docker_config_of("tcp://127.0.0.1:2375").daemon().port, 2375);
  EXPECT_EQ(docker_config_of("/run/d.sock", "v1.41").api_version, "1.41");
  EXPECT_THROW(docker_config_of("ftp://host"), Error);
  EXPECT_THROW(docker_config_of("/run/d.sock", "latest"), Error);
}

}  // namespace
}  // namespace sockerless::docker
