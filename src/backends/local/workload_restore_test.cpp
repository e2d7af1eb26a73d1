// What the next daemon finds, and what goes wrong on the way.

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/local/cgroups.hpp"
#include "backends/local/workload_driver.hpp"
#include "backends/local/workload_fixture.hpp"
#include "base/error.hpp"

namespace sockerless::local {
namespace {

TEST_F(LocalWorkloads, ARunningContainerIsFoundAgain) {
  auto spec = shell("echo before; cat; exit 9");
  spec.config.open_stdin = true;
  start(spec);
  output_until(spec.id, "before");
  close_driver();
  const auto restored = run(driver().restore({spec.id}));
  ASSERT_EQ(restored.size(), 1U);
  ASSERT_TRUE(restored[0].running);
  run(write_and_close(driver(), spec.id, "after\n"));
  EXPECT_EQ(soon(driver().wait(spec.id)).exit_code, 9);
  EXPECT_EQ(output(spec.id), "before\nafter\n");
}

TEST_F(LocalWorkloads, ARunKeepsTheRuntimeThatStartedIt) {
  for (const char* name : {"first", "second"}) {  // each keeps its state in a folder of its name
    std::ofstream(folder_ + "/" + name) << "#!/bin/sh\nexec runc \"$@\"\n";
    fs::permissions(folder_ + "/" + name, fs::perms::owner_all);
  }
  options_.runtime = folder_ + "/first";
  const auto spec = make_spec({"sleep", "1000"});
  start(spec);
  close_driver();
  options_.runtime = folder_ + "/second";
  ASSERT_TRUE(run(driver().restore({spec.id})).at(0).running);
  EXPECT_EQ(exec(spec, make_exec({"echo", "inside"})).out, "inside\n");
  run(driver().pause(spec.id));
  run(driver().unpause(spec.id));
  run(driver().signal(spec.id, SIGKILL));
  EXPECT_EQ(soon(driver().wait(spec.id)).exit_code, 137);
}

TEST_F(LocalWorkloads, AContainerThatEndedMeanwhileHasItsExitCode) {
  const auto spec = shell("sleep 0.2; echo done; exit 4");
  const auto never_started = make_spec({"true"});
  start(spec);
  run(driver().prepare(never_started));
  const std::string record = options_.state_directory + "/containers/" + spec.id.str() + "/exit.json";
  close_driver();
  for (int i = 0; i < 1000 && !fs::exists(record); ++i) ::usleep(10'000);
  const auto restored = run(driver().restore({spec.id, never_started.id}));
  ASSERT_EQ(restored.size(), 2U);
  ASSERT_TRUE(restored[0].exit);
  EXPECT_EQ(restored[0].exit->exit_code, 4);
  EXPECT_EQ(output(spec.id), "done\n");
  EXPECT_FALSE(restored[1].exit || restored[1].running);
}

TEST_F(LocalWorkloads, AContainerNobodyKnowsIsRemoved) {
  const auto spec = make_spec({"sleep", "60"});
  run(driver().prepare(spec));
  const auto started = soon(driver().start(spec));
  close_driver();
  EXPECT_TRUE(run(driver().restore({})).empty());
  EXPECT_FALSE(fs::exists(options_.state_directory + "/containers/" + spec.id.str()));
  EXPECT_FALSE(fs::exists("/proc/" + std::to_string(started.pid)));
  EXPECT_TRUE(layers_->holds().empty());
}

/// Its parent may not have reaped it yet: a zombie runs no more.
bool runs(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("State:")) return line.find('Z') == std::string::npos;
  }
  return false;
}

/// The monitor that holds the process. A runtime's helper may be the parent for a moment after the start.
pid_t monitor_of(std::int64_t pid) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    std::string parent;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("PPid:\t")) parent = line.substr(6);
    }
    std::ifstream comm("/proc/" + parent + "/comm");
    std::string name;
    comm >> name;
    if (name.starts_with("sockerless-moni")) return static_cast<pid_t>(std::stol(parent));
    ::sched_yield();
  }
  throw Error::deadline_exceeded("no monitor above process {}", pid);
}

TEST_F(LocalWorkloads, ALostMonitorIsAnErrorNotAMadeUpExitCode) {
  const auto spec = make_spec({"sleep", "60"});
  run(driver().prepare(spec));
  const auto started = soon(driver().start(spec));
  ::kill(monitor_of(started.pid), SIGKILL);
  const auto exit = soon(driver().wait(spec.id));
  EXPECT_EQ(exit.exit_code, 137);
  EXPECT_THAT(exit.error, HasSubstr("monitor ended unexpectedly"));
  EXPECT_FALSE(runs(started.pid));
  soon(driver().start(spec));
  close_driver();
  EXPECT_TRUE(run(driver().restore({spec.id}))[0].running) << "it can be started again";
}

TEST_F(LocalWorkloads, AMonitorSurvivesTheDaemonsSudden) {
  const auto spec = shell("echo started; sleep 60");
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    try {
      start(spec);
      std::ignore = ::write(ready[1], "x", 1);
    } catch (const std::exception&) {
      ::_exit(1);
    }
    for (;;) ::pause();
  }
  ::close(ready[1]);
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ::close(ready[0]);
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  const auto restored = run(driver().restore({spec.id}));
  ASSERT_TRUE(restored[0].running);
  EXPECT_THAT(output_until(spec.id, "started"), HasSubstr("started"));
  run(driver().signal(spec.id, SIGKILL));
  EXPECT_EQ(soon(driver().wait(spec.id)).exit_code, 137);
}

// ---- the disk is full

/// A small file system for the state directory.
struct SmallDisk {
  explicit SmallDisk(std::string folder) : path(std::move(folder)) {
    fs::create_directories(path);
    if (::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=2m") != 0) throw from_errno(errno, "mount a small tmpfs");
  }
  ~SmallDisk() { ::umount2(path.c_str(), MNT_DETACH); }
  std::string path;
};

TEST_F(LocalWorkloads, AFullDiskDropsOutputAndStallsNobody) {
  const SmallDisk disk(options_.state_directory);
  const auto spec = shell("yes 0123456789 | head -c 20000000; exit 6");
  EXPECT_EQ(run_to_end(spec).exit_code, 6);
  EXPECT_THAT(output(spec.id), testing::StartsWith("0123456789\n0123456789\n"));
  EXPECT_LT(output(spec.id).size(), 3'000'000U);
  close_driver();
  const auto restored = run(driver().restore({spec.id}));
  ASSERT_TRUE(restored[0].exit);
  EXPECT_EQ(restored[0].exit->exit_code, 6);
  run(driver().remove(spec.id));
  close_driver();
}

// ---- the runtime fails

TEST_F(LocalWorkloads, TheRuntimesWordsReachTheCaller) {
  use_fake_runtime("echo 'time=\"now\" level=error msg=\"the moon is in the \\\"wrong\\\" house\"' >&2; exit 1\n");
  const auto failure = failure_of(make_spec({"true"}));
  EXPECT_EQ(failure.exit_code(), 128);
  EXPECT_THAT(failure.message(), HasSubstr("OCI runtime create failed"));
  EXPECT_THAT(failure.message(), HasSubstr("the moon is in the \"wrong\" house"));
}

TEST_F(LocalWorkloads, AHangingRuntimeIsKilledAndTold) {
  use_fake_runtime("echo thinking >&2; sleep 1000\n");
  options_.runtime_timeout = std::chrono::milliseconds(300);
  const auto failure = failure_of(make_spec({"true"}));
  EXPECT_EQ(failure.code(), ErrorCode::deadline_exceeded);
  EXPECT_THAT(failure.message(), HasSubstr("did not end within"));
  EXPECT_THAT(failure.message(), HasSubstr("thinking"));
}

TEST_F(LocalWorkloads, ARuntimeThatDoesNotWorkHereIsRefusedByName) {
  options_.runtime = folder_ + "/broken";
  std::ofstream(options_.runtime) << "#!/bin/sh\necho no control groups today >&2\nexit 1\n";
  fs::permissions(options_.runtime, fs::perms::owner_all);
  const auto failure = failure_of(make_spec({"true"}));
  EXPECT_THAT(failure.message(), HasSubstr("install the package crun or runc"));
  EXPECT_THAT(failure.message(), HasSubstr("no control groups today"));
  options_.runtime = "no-such-runtime";
}

}  // namespace
}  // namespace sockerless::local
