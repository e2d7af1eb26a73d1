#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <boost/asio/thread_pool.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/local/workload_driver.hpp"
#include "base/error.hpp"
#include "base/guarded.hpp"
#include "base/random.hpp"

// For the tests of the workload driver, with the real runtime and as root: each container is a real one, made of busybox.

namespace sockerless::local {

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

/// Writes to the run's stdin and closes it.
inline Task<void> write_and_close(WorkloadDriver& driver, ContainerId id, std::string text) {
  auto writer = co_await driver.open_stdin(id);
  co_await writer->write(std::as_bytes(std::span(text)));
  co_await writer->close();
}

}  // namespace sockerless::local
