#include "backends/local/workload_driver.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <boost/asio/thread_pool.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/local/cgroups.hpp"
#include "base/error.hpp"
#include "base/guarded.hpp"
#include "base/random.hpp"

// With the real runtime and as root: each container is a real one, made of busybox.

namespace sockerless::local {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr auto kPatience = std::chrono::seconds(60);

/// An image of one layer: busybox and the two databases.
class BusyboxLayer final : public LayerSource {
 public:
  explicit BusyboxLayer(std::string folder) : folder_(std::move(folder)) {
    for (const char* name : {"bin", "etc", "tmp", "data"}) fs::create_directories(folder_ + "/" + name);
    fs::copy_file("/bin/busybox", folder_ + "/bin/busybox");
    for (const char* name :
         {"sh", "cat", "echo", "sleep", "id", "stty", "ps", "dd", "ls", "touch", "hostname", "ip", "mount", "true", "yes", "head"}) {
      fs::create_symlink("busybox", folder_ + "/bin/" + name);
    }
    std::ofstream(folder_ + "/etc/passwd") << "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/data:/bin/sh\n";
    std::ofstream(folder_ + "/etc/group") << "root:x:0:\nweb:x:44:\n";
    std::ofstream(folder_ + "/data/from-image") << "image\n";
    std::ofstream(folder_ + "/bin/not-executable") << "text";
    fs::permissions(folder_ + "/bin/not-executable", fs::perms::owner_read);
  }
  std::vector<std::string> blocking_layer_folders(const std::string& image_id) override {
    if (image_id != "sha256:busybox") throw Error::not_found("No such image: {}", image_id);
    return {folder_};
  }
  void blocking_hold(const std::string& name, const std::string&) override {
    held_.write([&name](auto& held) { held.insert(name); });
  }
  void blocking_release(const std::string& name) override {
    held_.write([&name](auto& held) { held.erase(name); });
  }
  std::vector<std::string> holds() const override {
    return held_.read([](const auto& held) { return std::vector<std::string>(held.begin(), held.end()); });
  }

 private:
  std::string folder_;
  Guarded<std::set<std::string>> held_;
};

class LocalWorkloads : public testing::Test {
 protected:
  LocalWorkloads() {
    std::string pattern = fs::temp_directory_path() / "sockerless-local-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    layers_ = std::make_shared<BusyboxLayer>(folder_ + "/layer");
    options_.state_directory = folder_ + "/state";
    if (const char* runtime = std::getenv("SOCKERLESS_TEST_RUNTIME")) options_.runtime = runtime;  // to try the other one
  }
  ~LocalWorkloads() override {
    try {
      for (const auto& id : made_) run(driver().remove(id));
    } catch (const std::exception& error) {
      ADD_FAILURE() << "cannot remove: " << error.what();
    }
    close_driver();
    std::ifstream mounts("/proc/self/mounts");
    std::stringstream text;
    text << mounts.rdbuf();
    EXPECT_THAT(text.str(), Not(HasSubstr(folder_))) << "a mount was left behind";
    std::error_code error;
    if (fs::exists(options_.state_directory + "/containers", error)) {
      EXPECT_TRUE(fs::is_empty(options_.state_directory + "/containers"));
      EXPECT_TRUE(fs::is_empty(options_.state_directory + "/removing"));
      EXPECT_TRUE(layers_->holds().empty());
    }
    fs::remove_all(folder_, error);
  }

  WorkloadDriver& driver() {
    if (!driver_) {
      pool_ = std::make_unique<BlockingPool>(4);
      threads_ = std::make_unique<asio::thread_pool>(2);
      driver_ = make_workload_driver(
          {.state_directory = options_.state_directory, .runtime = options_.runtime, .runtime_timeout = options_.runtime_timeout}, layers_,
          *pool_, threads_->get_executor());
    }
    return *driver_;
  }
  /// As the daemon's end: monitors go on.
  void close_driver() {
    if (!driver_) return;
    run(driver_->stop());
    threads_->join();
    driver_.reset();
    pool_.reset();
    threads_.reset();
  }

  WorkloadSpec make_spec(std::vector<std::string> arguments) {
    WorkloadSpec spec{.id = ContainerId::parse(system_random().hex64()),
                      .name = "test",
                      .image_id = "sha256:busybox",
                      .arguments = std::move(arguments),
                      .config = {},
                      .host_config = {},
                      .mounts = {},
                      .network_mode = "none"};
    made_.push_back(spec.id);
    return spec;
  }
  WorkloadSpec shell(std::string script) { return make_spec({"/bin/sh", "-c", std::move(script)}); }

  template <typename T>
  T soon(Task<T> task) {
    std::optional<T> result;
    run(with_deadline(
        [](Task<T> inner, std::optional<T>* out) -> Task<void> { out->emplace(co_await std::move(inner)); }(std::move(task), &result),
        Deadline::in(kPatience), "the test's operation"));
    return std::move(*result);
  }

  void start(const WorkloadSpec& spec) {
    run(driver().prepare(spec));
    soon(driver().start(spec));
  }
  WorkloadExit run_to_end(const WorkloadSpec& spec) {
    start(spec);
    return soon(driver().wait(spec.id));
  }
  /// All output so far, stdout and stderr in the order they were logged.
  std::string output(const ContainerId& id, StreamSelection streams = {}) {
    auto reader = run(driver().open_log(id, {}));
    std::string text;
    for (;;) {
      const auto batch = run(reader->next());
      if (batch.empty()) return text;
      for (const auto& record : batch) {
        if (record.stream == StdStream::out ? streams.out : streams.err)
          text.append(reinterpret_cast<const char*>(record.payload.data()), record.payload.size());
      }
    }
  }
  /// Reads until the text has come.
  std::string output_until(const ContainerId& id, const std::string& expected) {
    std::string text;
    auto reader = run(driver().open_log(id, {}));
    run(with_deadline(read_until(*reader, text, expected), Deadline::in(kPatience), "waiting for \"" + expected + "\""));
    return text;
  }
  static Task<void> read_until(LogReader& reader, std::string& text, const std::string& expected) {
    while (text.find(expected) == std::string::npos) {
      const bool over = reader.is_over();
      const auto batch = co_await reader.next();
      for (const auto& record : batch) text.append(reinterpret_cast<const char*>(record.payload.data()), record.payload.size());
      if (batch.empty() && over) throw Error::internal("the output ended: {}", text);
      if (batch.empty()) co_await reader.wait_for_more();
    }
  }
  template <typename F>
  static sockerless::StartFailure start_failure(F&& function) {
    try {
      function();
    } catch (const sockerless::StartFailure& failure) {
      return failure;
    }
    return {0, ErrorCode::internal, "no failure"};
  }
  sockerless::StartFailure failure_of(const WorkloadSpec& spec) {
    run(driver().prepare(spec));
    return start_failure([&] { soon(driver().start(spec)); });
  }

  struct ExecResult {
    int exit_code = -1;
    std::string out;
    std::string error;
  };
  ExecSpec make_exec(std::vector<std::string> arguments) {
    ExecSpec exec{.id = ExecId::parse(system_random().hex64()),
                  .arguments = std::move(arguments),
                  .environment = {"PATH=/bin"},
                  .user = {},
                  .working_dir = {},
                  .tty = false,
                  .privileged = false,
                  .attach_stdin = false,
                  .attach_stdout = true,
                  .attach_stderr = true,
                  .console_size = {}};
    return exec;
  }
  static Task<void> finish_exec(ExecProcess& process, ExecResult& result) {
    while (auto record = co_await process.read()) {
      (record->stream == StdStream::out ? result.out : result.error)
          .append(reinterpret_cast<const char*>(record->payload.data()), record->payload.size());
    }
    result.exit_code = co_await process.wait();
  }
  static Task<void> exec_task(WorkloadDriver& driver, WorkloadSpec spec, ExecSpec exec, std::string input, ExecResult& result) {
    auto process = co_await driver.exec(spec, exec);
    if (StdinWriter* standard_input = process->standard_input()) {
      if (!input.empty()) co_await standard_input->write(as_bytes_of(input));
      co_await standard_input->close();
    }
    co_await finish_exec(*process, result);
  }
  static std::span<const std::byte> as_bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }
  ExecResult exec(const WorkloadSpec& spec, ExecSpec exec, std::string input = {}) {
    ExecResult result;
    run(with_deadline(exec_task(driver(), spec, std::move(exec), std::move(input), result), Deadline::in(kPatience), "exec"));
    return result;
  }

  void use_fake_runtime(const std::string& body) {
    const std::string path = folder_ + "/fake-runtime";
    std::ofstream(path) << "#!/bin/sh\ncase \"$*\" in *sockerless-check*) exit 0;; *delete*) exit 0;; esac\n" << body;
    fs::permissions(path, fs::perms::owner_all);
    options_.runtime = path;
  }

  std::string folder_;
  WorkloadOptions options_;
  std::shared_ptr<BusyboxLayer> layers_;
  std::unique_ptr<BlockingPool> pool_;
  std::unique_ptr<asio::thread_pool> threads_;
  std::unique_ptr<WorkloadDriver> driver_;
  std::vector<ContainerId> made_;
};

Task<void> write_and_close(WorkloadDriver& driver, ContainerId id, std::string text) {
  auto writer = co_await driver.open_stdin(id);
  co_await writer->write(std::as_bytes(std::span(text)));
  co_await writer->close();
}

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
  spec.network_mode = "bridge";
  EXPECT_THAT(run(driver().prepare(spec)), Contains(HasSubstr("loopback device only")));
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
