#include "engine/container_config.hpp"

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "engine/container_mounts.hpp"
#include "engine/container_update.hpp"
#include "engine/health_monitor.hpp"
#include "engine/names.hpp"
#include "engine/restart_policy.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using Texts = std::vector<std::string>;

template <typename F>
std::string failure_of(F action, ErrorCode code = ErrorCode::invalid_argument) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.message();
  }
  ADD_FAILURE() << "did not fail";
  return {};
}

TEST(ContainerNames, OnlyDockersCharactersAreAllowed) {
  EXPECT_EQ(parse_container_name("/web"), "web");
  EXPECT_EQ(parse_container_name("a.b-c_1"), "a.b-c_1");
  for (const char* name : {"-x", "x", "a b", "", "/", "a/b", "\xc3\xa9t\xc3\xa9"}) {
    EXPECT_EQ(failure_of([&] { parse_container_name(name); }),
              fmt::format("Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name));
  }
}

TEST(ContainerNames, AGeneratedNameIsAnAdjectiveAndANoun) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const std::string name = generate_container_name(system_random(), attempt);
    EXPECT_TRUE(is_valid_object_name(name)) << name;
    EXPECT_NE(name.find('_'), std::string::npos);
  }
}

TEST(ContainerConfig, TheImageFillsWhatTheRequestLeavesOpen) {
  api::ImageConfig image;
  image.env = Texts{"PATH=/bin", "A=image"};
  image.cmd = Texts{"sh"};
  image.entrypoint = Texts{"/entry"};
  image.working_dir = "/work";
  image.labels = std::map<std::string, std::string>{{"x", "image"}, {"y", "image"}};
  image.user = "nobody";
  image.stop_signal = "SIGINT";
  api::ContainerConfig config;
  config.env = Texts{"A=mine"};
  config.labels = std::map<std::string, std::string>{{"x", "mine"}};
  merge_image_config(config, image);
  EXPECT_EQ(*config.env, (Texts{"A=mine", "PATH=/bin"}));
  EXPECT_EQ(arguments_of(config), (Texts{"/entry", "sh"}));
  EXPECT_EQ((*config.labels)["x"], "mine");
  EXPECT_EQ((*config.labels)["y"], "image");
  EXPECT_EQ(*config.user, "nobody");
  EXPECT_EQ(stop_signal_of(config), SIGINT);
}

TEST(ContainerConfig, AnEntryPointOfOnesOwnDropsTheImagesCommand) {
  api::ImageConfig image;
  image.cmd = Texts{"sh"};
  image.entrypoint = Texts{"/entry"};
  api::ContainerConfig mine;
  mine.entrypoint = Texts{"/mine"};
  merge_image_config(mine, image);
  EXPECT_EQ(arguments_of(mine), (Texts{"/mine"}));
  api::ContainerConfig command;
  command.cmd = Texts{"ls"};
  merge_image_config(command, image);
  EXPECT_EQ(arguments_of(command), (Texts{"/entry", "ls"}));
  api::ContainerConfig reset;
  reset.entrypoint = Texts{""};
  EXPECT_EQ(failure_of([&] { merge_image_config(reset, image); }), "No command specified");
  reset.entrypoint = Texts{""};
  reset.cmd = Texts{"ls"};
  merge_image_config(reset, image);
  EXPECT_EQ(arguments_of(reset), (Texts{"ls"}));
}

TEST(ContainerConfig, WhatTheKernelWouldCutShortIsRefused) {
  const std::string cut("PATH=/bin\0x", 11);
  api::ContainerConfig config;
  config.env = std::vector<std::string>{cut};
  EXPECT_EQ(failure_of([&] { validate_container_config(config); }), "an environment variable must not contain a NUL character");
  config = {};
  config.cmd = std::vector<std::string>{"sh", cut};
  EXPECT_EQ(failure_of([&] { validate_container_config(config); }), "the command must not contain a NUL character");
  api::HostConfig host;
  host.binds = std::vector<std::string>{cut};
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }), "a bind must not contain a NUL character");
}

TEST(ContainerConfig, BadConfigurationsAreRefusedInDockersWords) {
  api::ContainerConfig config;
  config.env = Texts{"=x"};
  EXPECT_EQ(failure_of([&] { validate_container_config(config); }), "invalid environment variable: =x");
  config = {};
  config.working_dir = "here";
  EXPECT_EQ(failure_of([&] { validate_container_config(config); }),
            "the working directory 'here' is invalid, it needs to be an absolute path");
  config = {};
  config.stop_signal = "SIGNOPE";
  EXPECT_EQ(failure_of([&] { validate_container_config(config); }), "invalid signal: SIGNOPE");
  config = {};
  config.healthcheck.emplace().interval = 5;
  EXPECT_EQ(failure_of([&] { validate_container_config(config); }), "Interval in Healthcheck cannot be less than 1ms");
  api::HostConfig host;
  host.memory = 1024;
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }), "Minimum memory limit allowed is 6MB");
  host = {};
  host.auto_remove = true;
  host.restart_policy.emplace().name = api::RestartPolicyName(std::string_view("always"));
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }), "can't create 'AutoRemove' container with restart policy");
  host = {};
  host.restart_policy.emplace().name = api::RestartPolicyName(std::string_view("sometimes"));
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }),
            "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'");
  host = {};
  host.port_bindings.emplace()["99999/tcp"];
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }), "invalid port specification: \"99999/tcp\"");
  host = {};
  host.port_bindings.emplace()["80/tcp"] = std::vector<api::PortBinding>{{.host_ip = {}, .host_port = "99999", .unknown = {}}};
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }), "invalid port specification: \"99999\"");
  host.port_bindings.emplace()["80/tcp"] = std::vector<api::PortBinding>{{.host_ip = "1.2.3", .host_port = "80", .unknown = {}}};
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }), "invalid IP address: 1.2.3");
  host = {};
  host.log_config.emplace().type = api::HostConfigLogConfigType(std::string_view("foo"));
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }), "logger: no log driver named 'foo' is registered");
  host.log_config->type = api::HostConfigLogConfigType(std::string_view("json-file"));
  host.log_config->config.emplace()["foo"] = "bar";
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }), "unknown log opt 'foo' for json-file log driver");
  host = {};
  host.cpuset_cpus = "x";
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }), "Invalid value x for cpuset cpus");
  host.cpuset_cpus = "0,70000";
  EXPECT_THAT(failure_of([&] { validate_host_config(host); }),
              testing::StartsWith("Requested CPUs are not available - requested 0,70000, available: 0"));
  host = {};
  host.cgroupns_mode = api::HostConfigCgroupnsMode(std::string_view("foo"));
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }), "invalid cgroup namespace mode: foo");
  host = {};
  host.isolation = api::HostConfigIsolation(std::string_view("hyperv"));
  EXPECT_EQ(failure_of([&] { validate_host_config(host); }), "invalid isolation 'hyperv' on linux");
}

TEST(ContainerConfig, TheHostConfigGetsDockersDefaults) {
  api::HostConfig host;
  host.memory = 64LL * 1024 * 1024;
  fill_host_config(host, {.runtime = "crun", .cgroup_namespace = api::HostConfigCgroupnsMode::host});
  EXPECT_EQ(*host.shm_size, 67108864);
  EXPECT_EQ(*host.network_mode, "bridge");
  EXPECT_EQ(*host.ipc_mode, "private");
  EXPECT_EQ(*host.runtime, "crun");
  EXPECT_EQ(host.cgroupns_mode->str(), "host");
  EXPECT_EQ(*host.memory_swap, 128LL * 1024 * 1024);
  EXPECT_EQ(host.restart_policy->name->str(), "no");
  EXPECT_EQ(host.log_config->type->str(), "json-file");
  EXPECT_FALSE(host.masked_paths->empty());
  api::HostConfig privileged;
  privileged.privileged = true;
  privileged.network_mode = "host";
  fill_host_config(privileged, HostDefaults());
  EXPECT_FALSE(privileged.masked_paths);
  EXPECT_EQ(*privileged.network_mode, "host");
}

TEST(ContainerConfig, ThePlatformMustBeTheImages) {
  ImageFacts image;
  image.os = "linux";
  image.architecture = "amd64";
  EXPECT_NO_THROW(check_platform("", image, "x"));
  EXPECT_NO_THROW(check_platform("linux/amd64", image, "x"));
  EXPECT_NO_THROW(check_platform("linux/x86_64", image, "x"));
  EXPECT_EQ(failure_of([&] { check_platform("linux/arm64", image, "busybox"); }, ErrorCode::not_found),
            "image with reference busybox was found but its platform (linux/amd64) does not match the specified platform (linux/arm64)");
}

std::vector<MountRequest> mounts_of(const api::HostConfig& host, const api::ContainerConfig& config = {}) {
  return collect_mounts(config, host, [](const std::string&) { return std::vector<MountSpec>(); });
}

TEST(ContainerMounts, ABindIsAHostPathAVolumeOrAnAnonymousVolume) {
  const MountRequest bind = parse_bind("/host/./dir:/in//side:ro,rslave");
  EXPECT_EQ(bind.spec.kind, MountSpec::Kind::bind);
  EXPECT_EQ(bind.spec.source, "/host/dir");
  EXPECT_EQ(bind.spec.destination, "/in/side");
  EXPECT_EQ(bind.spec.propagation, "rslave");
  EXPECT_TRUE(bind.spec.read_only);
  EXPECT_TRUE(bind.spec.create_source);
  const MountRequest volume = parse_bind("data:/data:nocopy");
  EXPECT_EQ(volume.spec.kind, MountSpec::Kind::volume);
  EXPECT_EQ(volume.spec.volume_name, "data");
  EXPECT_TRUE(volume.no_copy);
  const MountRequest anonymous = parse_bind("/data:ro");
  EXPECT_TRUE(anonymous.anonymous);
  EXPECT_TRUE(anonymous.spec.read_only);
  EXPECT_EQ(anonymous.spec.destination, "/data");
}

TEST(ContainerMounts, BadBindsAreRefused) {
  EXPECT_EQ(failure_of([] { parse_bind("a:b:c:d"); }), "invalid volume specification: 'a:b:c:d'");
  EXPECT_EQ(failure_of([] { parse_bind("/a::ro"); }), "invalid volume specification: '/a::ro'");
  EXPECT_EQ(failure_of([] { parse_bind("/a:/b:rx"); }), "invalid mode: rx");
  EXPECT_EQ(failure_of([] { parse_bind("/a:/b:ro,rw"); }), "invalid mode: ro,rw");
  EXPECT_EQ(
      failure_of([] { parse_bind("/a:b"); }),
      "invalid volume specification: '/a:b': invalid mount config for type \"bind\": invalid mount path: 'b' mount path must be absolute");
  EXPECT_EQ(
      failure_of([] { parse_bind("/a:/.."); }),
      "invalid volume specification: '/a:/..': invalid mount config for type \"bind\": invalid specification: destination can't be '/'");
}

TEST(ContainerMounts, TwoMountsAtOnePlaceAreRefusedAndImageVolumesGiveWay) {
  api::HostConfig host;
  host.binds = Texts{"/a:/x", "vol:/x/"};
  EXPECT_EQ(failure_of([&] { mounts_of(host); }), "Duplicate mount point: /x");
  host.binds = Texts{"/a:/x"};
  api::ContainerConfig config;
  config.volumes.emplace()["/x"];
  (*config.volumes)["/y"];
  const auto mounts = mounts_of(host, config);
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[0].spec.kind, MountSpec::Kind::bind);
  EXPECT_TRUE(mounts[1].anonymous);
  EXPECT_EQ(mounts[1].spec.destination, "/y");
}

TEST(ContainerUpdate, OnlyWhatIsSetChangesAndAConflictChangesNothing) {
  api::HostConfig host;
  host.memory = 64LL << 20;
  host.memory_swap = 128LL << 20;
  host.cpu_shares = 512;
  api::ContainerUpdateRequest request;
  request.memory = 100LL << 20;
  apply_update(host, request);
  EXPECT_EQ(*host.memory, 100LL << 20);
  EXPECT_EQ(*host.cpu_shares, 512);
  request.memory = 200LL << 20;
  failure_of([&] { apply_update(host, request); }, ErrorCode::conflict);
  EXPECT_EQ(*host.memory, 100LL << 20);
}

TEST(RestartPolicy, TheDelayDoublesAndAGoodRunStartsOver) {
  api::RestartPolicy always;
  always.name = api::RestartPolicyName(std::string_view("always"));
  RestartBackoff backoff;
  EXPECT_EQ(backoff.next(always, {1, 1s, 0, false}), 100ms);
  EXPECT_EQ(backoff.next(always, {1, 1s, 1, false}), 200ms);
  EXPECT_EQ(backoff.next(always, {1, 1s, 2, false}), 400ms);
  for (int i = 0; i < 20; ++i) backoff.next(always, {1, 1s, 3, false});
  EXPECT_EQ(backoff.next(always, {1, 1s, 3, false}), 60s);
  EXPECT_EQ(backoff.next(always, {0, 10s, 3, false}), 100ms);
  EXPECT_EQ(backoff.next(always, {0, 1s, 3, true}), std::nullopt) << "stopped by hand";
  EXPECT_TRUE(restarts_with_daemon(always, {0, 1s, 3, true}));
}

TEST(RestartPolicy, OnFailureCountsAndOnlyCaresForFailures) {
  api::RestartPolicy policy;
  policy.name = api::RestartPolicyName(std::string_view("on-failure"));
  policy.maximum_retry_count = 2;
  RestartBackoff backoff;
  EXPECT_EQ(backoff.next(policy, {0, 1s, 0, false}), std::nullopt);
  EXPECT_TRUE(backoff.next(policy, {1, 1s, 1, false}).has_value());
  EXPECT_EQ(backoff.next(policy, {1, 1s, 2, false}), std::nullopt);
  EXPECT_EQ(RestartBackoff().next(std::nullopt, {1, 1s, 0, false}), std::nullopt);
  policy.name = api::RestartPolicyName(std::string_view("unless-stopped"));
  EXPECT_FALSE(restarts_with_daemon(policy, {0, 1s, 0, true}));
  EXPECT_TRUE(restarts_with_daemon(policy, {0, 1s, 0, false}));
}

TEST(HealthRules, RetriesMakeUnhealthyAndTheStartPeriodForgives) {
  api::HealthConfig config;
  config.retries = 2;
  config.start_period = Duration(10s).count();
  ContainerHealth health;
  health.status = HealthStatus::starting;
  auto verdict = judge_probe(config, health, 1, 5s);
  EXPECT_EQ(verdict.failing_streak, 0);
  EXPECT_EQ(verdict.status, HealthStatus::starting);
  verdict = judge_probe(config, health, 1, 11s);
  EXPECT_EQ(verdict.failing_streak, 1);
  EXPECT_EQ(verdict.status, HealthStatus::starting);
  health.failing_streak = 1;
  EXPECT_EQ(judge_probe(config, health, 1, 12s).status, HealthStatus::unhealthy);
  EXPECT_EQ(judge_probe(config, health, 0, 1s).status, HealthStatus::healthy);
  health.status = HealthStatus::healthy;
  health.failing_streak = 0;
  EXPECT_EQ(judge_probe(config, health, 1, 1s).failing_streak, 1) << "once healthy, the start period is over";
  EXPECT_EQ(probe_interval(config, HealthStatus::starting, 1s), Duration(5s));
  EXPECT_EQ(probe_interval(config, HealthStatus::healthy, 1s), Duration(30s));
}

}  // namespace
}  // namespace sockerless
