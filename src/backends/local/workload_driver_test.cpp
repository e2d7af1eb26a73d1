#include "backends/local/workload_driver.hpp"

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
#include "backends/local/workload_fixture.hpp"
#include "base/error.hpp"

namespace sockerless::local {
namespace {

Task<void> write_and_leave(WorkloadDriver& driver, ContainerId id, std::string text) {
  auto writer = co_await driver.open_stdin(id);
  co_await writer->write(std::as_bytes(std::span(text)));
}

TEST_F(LocalWorkloads, OutputAndExitCodeArrive) {
  const auto spec = shell("echo out; echo err >&2; exit 3");
  const auto exit = run_to_end(spec);
  EXPECT_EQ(exit.exit_code, 3);
  EXPECT_EQ(exit.error, "");
  EXPECT_FALSE(exit.oom_killed);
  EXPECT_EQ(output(spec.id, {true, false}), "out\n");
  EXPECT_EQ(output(spec.id, {false, true}), "err\n");
}

TEST_F(LocalWorkloads, AllOutputIsThereWhenTheExitIsTold) {
  const auto spec = shell("yes 0123456789012345678901234567890123456789 | head -c 20000000");
  EXPECT_EQ(run_to_end(spec).exit_code, 0);
  EXPECT_EQ(output(spec.id).size(), 20'000'000U);
}

TEST_F(LocalWorkloads, ATerminalHasASizeAndOneStream) {
  auto spec = shell("stty size; read x; stty size; echo err >&2; read x");
  spec.config.tty = true;
  spec.config.open_stdin = true;
  spec.host_config.console_size = std::vector<std::int64_t>{11, 22};
  start(spec);
  output_until(spec.id, "11 22\r\n");
  run(driver().resize(spec.id, {33, 44}));
  run(write_and_leave(driver(), spec.id, "\n"));
  output_until(spec.id, "33 44\r\nerr\r\n");
  run(write_and_leave(driver(), spec.id, "\n"));
  EXPECT_EQ(soon(driver().wait(spec.id)).exit_code, 0);
  EXPECT_THAT(output(spec.id, {true, false}), HasSubstr("33 44\r\nerr\r\n"));
}

TEST_F(LocalWorkloads, ClosingStdinEndsCatAndLeavingDoesNot) {
  auto spec = make_spec({"cat"});
  spec.config.open_stdin = true;
  start(spec);
  run(write_and_leave(driver(), spec.id, "one\n"));
  output_until(spec.id, "one\n");
  run(write_and_close(driver(), spec.id, "two\n" + std::string(3'000'000, 'x')));
  EXPECT_EQ(soon(driver().wait(spec.id)).exit_code, 0);
  EXPECT_EQ(output(spec.id), "one\ntwo\n" + std::string(3'000'000, 'x'));
}

TEST_F(LocalWorkloads, WithoutOpenStdinThereIsNone) {
  const auto spec = shell("cat; sleep 60");
  start(spec);
  EXPECT_EQ(run(driver().open_stdin(spec.id)), nullptr);
}

TEST_F(LocalWorkloads, SignalsReachTheFirstProcess) {
  const auto spec = shell("trap 'echo term; exit 7' TERM; echo ready; while :; do sleep 0.05; done");
  start(spec);
  output_until(spec.id, "ready");
  run(driver().signal(spec.id, SIGTERM));
  EXPECT_EQ(soon(driver().wait(spec.id)).exit_code, 7);
  EXPECT_THROW(run(driver().signal(spec.id, SIGTERM)), Error);

  const auto other = make_spec({"sleep", "60"});
  start(other);
  run(driver().signal(other.id, SIGKILL));
  EXPECT_EQ(soon(driver().wait(other.id)).exit_code, 137);
}

TEST_F(LocalWorkloads, ACommandThatCannotRunFailsAsDockers) {
  const auto missing = failure_of(make_spec({"no-such-command"}));
  EXPECT_EQ(missing.exit_code(), 127);
  EXPECT_EQ(missing.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(missing.message(), HasSubstr("exec: \"no-such-command\": executable file not found in $PATH: unknown"));
  const auto path = failure_of(make_spec({"/no/such"}));
  EXPECT_EQ(path.exit_code(), 127);
  EXPECT_THAT(path.message(), HasSubstr("exec: \"/no/such\": stat /no/such: no such file or directory"));
  EXPECT_EQ(failure_of(make_spec({"/bin/not-executable"})).exit_code(), 126);
  EXPECT_EQ(failure_of(make_spec({"/bin"})).exit_code(), 126);
}

TEST_F(LocalWorkloads, AFailedStartCanBeRepeated) {
  auto spec = make_spec({"no-such-command"});
  EXPECT_EQ(failure_of(spec).exit_code(), 127);
  spec.arguments = {"echo", "now"};
  soon(driver().start(spec));
  EXPECT_EQ(soon(driver().wait(spec.id)).exit_code, 0);
  EXPECT_EQ(output(spec.id), "now\n");
}

TEST_F(LocalWorkloads, AnUnknownUserIsNamed) {
  auto spec = make_spec({"true"});
  spec.config.user = "nobody-here";
  const auto failure = failure_of(spec);
  EXPECT_EQ(failure.message(), "unable to find user nobody-here: no matching entries in passwd file");
  EXPECT_EQ(failure.code(), ErrorCode::invalid_argument);
}

TEST_F(LocalWorkloads, TheProcessIsConfined) {
  const auto spec = shell(
      "cat /proc/self/status; ls -l /proc/interrupts; echo x > /proc/sys/kernel/hostname; mount -t tmpfs x /tmp 2>&1; ip addr; hostname");
  run_to_end(spec);
  const std::string text = output(spec.id);
  EXPECT_THAT(text, HasSubstr("Seccomp:\t2"));
  EXPECT_THAT(text, HasSubstr("CapEff:\t00000000a80425fb"));
  EXPECT_THAT(text, HasSubstr("CapAmb:\t0000000000000000"));
  EXPECT_THAT(text, HasSubstr("1,   3")) << "a masked path is /dev/null";
  EXPECT_THAT(text, HasSubstr("Read-only file system"));
  EXPECT_THAT(text, HasSubstr("mount: permission denied"));
  EXPECT_THAT(text, HasSubstr("127.0.0.1/8")) << "loopback is up";
  EXPECT_THAT(text, Not(HasSubstr("eth0")));
  EXPECT_THAT(text, HasSubstr(spec.id.short_str()));
}

TEST_F(LocalWorkloads, APrivilegedProcessIsNot) {
  auto spec = shell("cat /proc/self/status; mount -t tmpfs x /tmp && echo mounted");
  spec.host_config.privileged = true;
  EXPECT_EQ(run_to_end(spec).exit_code, 0);
  EXPECT_THAT(output(spec.id), HasSubstr("Seccomp:\t0"));
  EXPECT_THAT(output(spec.id), HasSubstr("mounted"));
}

TEST_F(LocalWorkloads, LimitsAreInTheControlGroup) {
  auto spec = make_spec({"sleep", "60"});
  spec.host_config.memory = 32L * 1024 * 1024;
  spec.host_config.pids_limit = 17;
  start(spec);
  const auto cgroups = CgroupHost::blocking_detect();
  const bool unified = cgroups.version() == 2;
  const auto read = [&](const std::string& controller, const std::string& file) {
    std::ifstream stream(cgroups.directory(controller, container_cgroup(spec.id.str())) + "/" + file);
    std::string text;
    stream >> text;
    return text;
  };
  EXPECT_EQ(read("memory", unified ? "memory.max" : "memory.limit_in_bytes"), "33554432");
  EXPECT_EQ(read("pids", "pids.max"), "17");
  spec.host_config.pids_limit = 23;
  run(driver().update(spec));
  EXPECT_EQ(read("pids", "pids.max"), "23");
  const auto stats = run(driver().stats(spec.id));
  EXPECT_EQ(stats.memory_stats->limit, 33'554'432U);
  EXPECT_GT(stats.memory_stats->usage.value_or(0), 0U);
  EXPECT_EQ(stats.pids_stats->current, 1U);
}

TEST_F(LocalWorkloads, AnOutOfMemoryKillIsTold) {
  auto spec = make_spec({"dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"});
  spec.host_config.memory = 16L * 1024 * 1024;
  spec.host_config.memory_swap = 16L * 1024 * 1024;
  const auto exit = run_to_end(spec);
  EXPECT_EQ(exit.exit_code, 137);
  EXPECT_TRUE(exit.oom_killed);
}

TEST_F(LocalWorkloads, TheWritableLayerPersistsBetweenRuns) {
  const auto spec = shell("cat /file 2>/dev/null; echo x >> /file");
  run_to_end(spec);
  soon(driver().start(spec));
  soon(driver().wait(spec.id));
  soon(driver().start(spec));
  soon(driver().wait(spec.id));
  EXPECT_EQ(output(spec.id), "x\nx\nx\n");
  EXPECT_EQ(run(driver().writable_size(spec.id)), 6 + 0);
  run(driver().remove(spec.id));
  EXPECT_FALSE(fs::exists(options_.state_directory + "/containers/" + spec.id.str()));
  run(driver().remove(spec.id));
}

TEST_F(LocalWorkloads, ALayerThatIsThrownAwayCanBeStartedTwice) {
  auto spec = shell("cat /file 2>/dev/null; echo x >> /file");
  spec.host_config.auto_remove = true;
  run_to_end(spec);
  soon(driver().start(spec));
  soon(driver().wait(spec.id));
  EXPECT_EQ(output(spec.id), "x\n");
}

TEST_F(LocalWorkloads, AnInterruptedRemovalIsFinishedByTheNextDaemon) {
  const auto spec = make_spec({"true"});
  run_to_end(spec);
  close_driver();
  fs::rename(options_.state_directory + "/containers/" + spec.id.str(), options_.state_directory + "/removing/" + spec.id.str() + "-0");
  run(driver().restore({}));
  EXPECT_TRUE(fs::is_empty(options_.state_directory + "/removing"));
  EXPECT_TRUE(layers_->holds().empty());
}

TEST_F(LocalWorkloads, RemovingARunningContainerEndsIt) {
  const auto spec = make_spec({"sleep", "60"});
  run(driver().prepare(spec));
  const auto started = soon(driver().start(spec));
  run(driver().remove(spec.id));
  EXPECT_FALSE(fs::exists("/proc/" + std::to_string(started.pid)));
}

TEST_F(LocalWorkloads, MountsTmpfsVolumesAndReadOnlyRoots) {
  fs::create_directories(folder_ + "/volume");
  auto spec =
      shell("echo bound > /bind/file; echo y > /ro/file; ls /vol; touch /scratch/z && echo scratch; touch /root-file; echo $HOME; id -u");
  spec.host_config.readonly_rootfs = true;
  spec.config.user = "web";
  MountSpec bind;
  bind.source = folder_ + "/made/by/bind";
  bind.destination = "/bind";
  bind.create_source = true;
  MountSpec read_only;
  read_only.source = folder_ + "/volume";
  read_only.destination = "/ro";
  read_only.read_only = true;
  MountSpec volume;
  volume.kind = MountSpec::Kind::volume;
  volume.source = folder_ + "/volume";
  volume.destination = "/vol";
  MountSpec scratch;
  scratch.kind = MountSpec::Kind::tmpfs;
  scratch.destination = "/scratch";
  scratch.tmpfs_options = "size=1m,mode=1777";
  spec.mounts = {bind, read_only, volume, scratch};
  run(driver().prepare(spec));
  fs::permissions(folder_ + "/made/by/bind", fs::perms::all);
  soon(driver().start(spec));
  soon(driver().wait(spec.id));
  std::ifstream file(folder_ + "/made/by/bind/file");
  std::string text;
  file >> text;
  EXPECT_EQ(text, "bound");
  EXPECT_THAT(output(spec.id), HasSubstr("can't create /ro/file: Read-only file system"));
  EXPECT_THAT(output(spec.id), HasSubstr("scratch\n"));
  EXPECT_THAT(output(spec.id), HasSubstr("touch: /root-file: Read-only file system"));
  EXPECT_THAT(output(spec.id), HasSubstr("/data\n33\n"));
}

TEST_F(LocalWorkloads, ANewVolumeTakesOverWhatTheImageHas) {
  fs::create_directories(folder_ + "/volume");
  auto spec = make_spec({"cat", "/data/from-image"});
  MountSpec volume;
  volume.kind = MountSpec::Kind::volume;
  volume.source = folder_ + "/volume";
  volume.destination = "/data";
  volume.copy_from_image = true;
  spec.mounts = {volume};
  run_to_end(spec);
  EXPECT_EQ(output(spec.id), "image\n");
  EXPECT_TRUE(fs::exists(folder_ + "/volume/from-image"));
}

TEST_F(LocalWorkloads, AMissingMountSourceIsRefusedByCreate) {
  auto spec = make_spec({"true"});
  MountSpec bind;
  bind.source = "/no/such/folder";
  bind.destination = "/x";
  spec.mounts = {bind};
  try {
    run(driver().prepare(spec));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "invalid mount config for type \"bind\": bind source path does not exist: /no/such/folder");
  }
}

TEST_F(LocalWorkloads, TheWorkingDirectoryIsMadeAndNamesResolve) {
  auto spec = shell("echo $PWD; cat /etc/hosts /etc/hostname; echo $$");
  spec.config.working_dir = "/made/for/me";
  spec.config.hostname = "box";
  spec.host_config.extra_hosts = std::vector<std::string>{"db:10.1.2.3"};
  spec.host_config.init = true;
  run_to_end(spec);
  EXPECT_THAT(output(spec.id), testing::StartsWith("/made/for/me\n"));
  EXPECT_THAT(output(spec.id), HasSubstr("10.1.2.3\tdb\n"));
  EXPECT_THAT(output(spec.id), HasSubstr("\nbox\n"));
  EXPECT_THAT(output(spec.id), Not(testing::EndsWith("\n1\n"))) << "the init program is process 1";
}

TEST_F(LocalWorkloads, CreateWarnsOfWhatIsApproximated) {
  auto spec = make_spec({"true"});
  spec.host_config.cgroup_parent = "/elsewhere";
  EXPECT_THAT(run(driver().prepare(spec)), Contains(HasSubstr("CgroupParent is ignored")));
}

TEST_F(LocalWorkloads, PauseStopsTheClockOfTheContainer) {
  const auto spec = make_spec({"sleep", "60"});
  start(spec);
  run(driver().pause(spec.id));
  run(driver().unpause(spec.id));
  const auto top = run(driver().top(spec.id, ""));
  EXPECT_THAT(*top.titles, testing::Contains("PID"));
  ASSERT_EQ(top.processes->size(), 1U);
  EXPECT_EQ(top.processes->front().back(), "sleep 60");
  EXPECT_THROW(run(driver().top(spec.id, "-o comm")), Error);
}

// ---- exec

TEST_F(LocalWorkloads, ExecRunsInsideWithItsOwnStreams) {
  const auto spec = make_spec({"sleep", "60"});
  start(spec);
  const auto result = exec(spec, make_exec({"/bin/sh", "-c", "echo out; echo err >&2; hostname; exit 5"}));
  EXPECT_EQ(result.exit_code, 5);
  EXPECT_EQ(result.out, "out\n" + spec.id.short_str() + "\n");
  EXPECT_EQ(result.error, "err\n");

  auto with_input = make_exec({"cat"});
  with_input.attach_stdin = true;
  EXPECT_EQ(exec(spec, with_input, std::string(2'000'000, 'z')).out.size(), 2'000'000U);

  auto as_user = make_exec({"/bin/sh", "-c", "id -u; id -g; pwd; echo $HOME; cat /proc/self/status"});
  as_user.user = "web";
  as_user.working_dir = "/data";
  const auto who = exec(spec, as_user).out;
  EXPECT_THAT(who, testing::StartsWith("33\n44\n/data\n/data\n"));
  EXPECT_THAT(who, HasSubstr("Seccomp:\t2"));
}

/// Runs a second exec once the first has written what is expected.
Task<void> touch_when_seen(WorkloadDriver& driver, WorkloadSpec spec, ExecSpec exec, ExecSpec touch, std::string expected, std::string& out,
                           int& code) {
  auto process = co_await driver.exec(spec, exec);
  bool seen = false;
  while (auto record = co_await process->read()) {
    out.append(reinterpret_cast<const char*>(record->payload.data()), record->payload.size());
    if (seen || out.find(expected) == std::string::npos) continue;
    seen = true;
    auto toucher = co_await driver.exec(spec, touch);
    while (co_await toucher->read()) {}
  }
  code = co_await process->wait();
}

TEST_F(LocalWorkloads, ExecWithATerminal) {
  const auto spec = make_spec({"sleep", "60"});
  start(spec);
  // crun sets the size when the process runs already, and the end of a session throws away what the kernel has not passed on to the
  // terminal's master yet: so the process says it until it was heard.
  auto exec_spec = make_exec({"/bin/sh", "-c", "until [ -e /tmp/seen ]; do stty size 2>/dev/null; done; exit 3"});
  exec_spec.tty = true;
  exec_spec.console_size = TerminalSize{12, 34};
  std::string out;
  int code = -1;
  run(with_deadline(touch_when_seen(driver(), spec, exec_spec, make_exec({"touch", "/tmp/seen"}), "12 34\r\n", out, code),
                    Deadline::in(kPatience), "the exec"));
  EXPECT_EQ(code, 3);
  EXPECT_THAT(out, HasSubstr("12 34\r\n"));
}

TEST_F(LocalWorkloads, ExecOfWhatCannotRunFails) {
  const auto spec = make_spec({"sleep", "60"});
  start(spec);
  const auto missing = start_failure([&] { exec(spec, make_exec({"nope"})); });
  EXPECT_EQ(missing.exit_code(), 127);
  EXPECT_THAT(missing.message(), HasSubstr("OCI runtime exec failed: exec failed: unable to start container process: exec: \"nope\""));
  EXPECT_EQ(start_failure([&] { exec(spec, make_exec({"/bin/not-executable"})); }).exit_code(), 126);
}

// ---- the daemon dies

}  // namespace
}  // namespace sockerless::local
