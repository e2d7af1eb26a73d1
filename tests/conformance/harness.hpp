#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "base/error.hpp"
#include "net/server.hpp"
#include "tests/support/process.hpp"

// One suite, written against Backend, for every backend and for each again through /internal/v1. What a command does differs between them
// (one runs busybox, one simulates), so a Profile makes the containers that the tests ask for by what they do.

namespace sockerless::conformance {

/// I/O threads, a blocking pool and the strand on which a test is the client.
class Host {
 public:
  Host();
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  asio::any_io_executor executor() { return context_.get_executor(); }
  BlockingPool& blocking_pool() { return pool_; }

  /// Runs a task on the client's strand to its end. @errors deadline_exceeded: it hangs.
  template <typename T>
  T run(Task<T> task) {
    auto result = asio::co_spawn(strand_, std::move(task), asio::use_future);
    if (result.wait_for(std::chrono::seconds(60)) != std::future_status::ready) throw Error::deadline_exceeded("a task of the test hangs");
    return result.get();
  }

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::strand<asio::io_context::executor_type> strand_;
  BlockingPool pool_;
  std::vector<std::thread> threads_;
};

/// What a process prints and how it ends.
struct Behaviour {
  std::string out;
  std::string err;
  int exit_code = 0;
};

/// How one backend is made and how its containers are told what to do.
class Profile {
 public:
  virtual ~Profile() = default;
  virtual std::string name() const = 0;
  virtual std::unique_ptr<Backend> make_backend(Host& host, const std::filesystem::path& directory) = 0;

  /// Prints, then ends.
  virtual api::ContainerCreateRequest prints(const Behaviour& behaviour) = 0;
  /// Prints `ready\n` and runs until it is told to end; SIGTERM ends it with 143.
  virtual api::ContainerCreateRequest runs_forever() = 0;
  /// The same, but SIGTERM does nothing.
  virtual api::ContainerCreateRequest ignores_term() = 0;
  /// Copies stdin to stdout until end of file, exit 0.
  virtual api::ContainerCreateRequest copies_stdin() = 0;
  virtual api::ContainerCreateRequest unknown_command() = 0;
  virtual api::ContainerCreateRequest not_executable() = 0;
  /// Runs forever; its first health probe fails, all others succeed.
  virtual api::ContainerCreateRequest becomes_healthy() = 0;
  /// Runs forever; execs of exec_command(behaviour) in it behave so.
  virtual api::ContainerCreateRequest runs_execs(const Behaviour& behaviour) = 0;
  virtual std::vector<std::string> exec_command(const Behaviour& behaviour) = 0;
  /// Runs forever; execs of {"cat"} in it copy stdin to stdout.
  virtual api::ContainerCreateRequest runs_exec_copying_stdin() = 0;

  virtual bool has_user_networks() const = 0;
  /// Whether there are files in its containers.
  virtual bool has_files() const = 0;
  virtual std::vector<std::string> predefined_networks() const { return {"bridge", "host", "none"}; }
  /// Whether it is a real dockerd. Where the suite asks for more than dockerd does (an old one answers 500 to some mistakes of its client),
  /// dockerd is right.
  virtual bool is_dockerd() const { return false; }
};

enum class Path { direct, remote };

struct Implementation {
  std::shared_ptr<Profile> profile;
  Path path;
};
std::string name_of(const testing::TestParamInfo<Implementation>& info);
void PrintTo(const Implementation& implementation, std::ostream* out);

/// How a run ended and what it wrote.
struct Outcome {
  std::string out;
  std::string err;
  std::int64_t exit_code = -1;
};

/// The failure of `work`. Fails the test when there is none.
template <typename F>
Error error_from(F&& work) {
  try {
    std::forward<F>(work)();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error::internal("no error was thrown");
}

MATCHER_P2(FailsWith, code, text, std::string("is ") + std::string(name_of(code)) + " with \"" + text + "\"") {
  *result_listener << "which is " << name_of(arg.code()) << ": " << arg.message();
  return arg.code() == code && arg.message().find(text) != std::string::npos;
}

/// A source that gives the pieces one after the other; a failing one throws unavailable at its end, as when a client is gone.
enum class Ending { end, gone };
std::unique_ptr<ByteSource> make_pieces(std::vector<std::string> pieces, Ending ending = Ending::end);

/// The two outputs of a stream of frames.
Outcome split_frames(std::string_view frames);

/// A tar's members by name, each with its content, or "-> target".
std::map<std::string, std::string> members_of(std::string tar);

class BackendConformance : public testing::TestWithParam<Implementation> {
 protected:
  static constexpr const char* kImage = "busybox:latest";

  void SetUp() override;
  void TearDown() override;

  Profile& profile() { return *GetParam().profile; }
  Backend& backend() { return remote_ ? *remote_ : *backend_; }
  ContainerRole& containers() { return backend().containers(); }
  ExecRole& execs() { return require(backend().exec(), backend(), "exec"); }
  ImageRole& images() { return require(backend().images(), backend(), "images"); }
  NetworkRole& networks() { return require(backend().networks(), backend(), "networks"); }
  VolumeRole& volumes() { return require(backend().volumes(), backend(), "volumes"); }
  const std::filesystem::path& directory() const { return directory_.path(); }

  template <typename T>
  T run(Task<T> task) {
    return host_.run(std::move(task));
  }

  /// A refusal of what the client did wrong, which older dockerds call their own failure.
  testing::Matcher<ErrorCode> refusal(ErrorCode code) {
    if (profile().is_dockerd()) return testing::AnyOf(code, ErrorCode::internal);
    return code;
  }

  // ---- containers
  std::string create(api::ContainerCreateRequest request, std::string name = {});
  /// Created and started.
  std::string start(api::ContainerCreateRequest request, std::string name = {});
  /// Started, and it has said `ready`: from now on it does with signals what its profile says.
  std::string start_ready(api::ContainerCreateRequest request, std::string name = {});
  /// Returns when it has said `ready` this many times.
  void wait_until_ready(const std::string& id, int times = 1);
  void start_again(const std::string& id) { run(containers().start({id})); }
  api::ContainerInspectResponse inspect(const std::string& ref);
  std::string status(const std::string& ref);
  std::int64_t wait(const std::string& ref, WaitCondition condition = WaitCondition::not_running);
  /// Attaches, starts, reads to the end and waits.
  Outcome run_to_end(const std::string& id, std::string input = {});
  std::vector<api::ContainerSummary> list(api::Filters filters = {}, bool all = true);
  std::vector<std::string> names(api::Filters filters = {}, bool all = true);
  Outcome logs(const std::string& ref, LogOptions options);
  void force_remove(const std::string& ref) { run(containers().remove({ref}, {.force = Force::yes})); }

  // ---- execs
  std::string create_exec(const std::string& container, std::vector<std::string> command, bool with_stdin = false);
  Outcome run_exec(const std::string& exec, std::string input = {});

  // ---- images
  std::string import_image(std::string repo, std::string tag, std::vector<std::string> changes = {});
  std::string read_progress(Task<ProgressStream> progress);

  // ---- files
  FilesRole& files() { return require(backend().files(), backend(), "files"); }
  void put_files(const std::string& id, const std::string& path, std::string tar, bool keep_kinds = false);
  /// Members by name, each with its content, or "-> target".
  std::map<std::string, std::string> get_files(const std::string& id, const std::string& path);
  /// True when the backend's containers have no files, which it then says.
  bool has_no_files();
  /// `check(id)` on a container that was never started, and on one that runs.
  void in_each_state(const std::function<void(const std::string&)>& check);

  // ---- events
  std::unique_ptr<EventStream> events(api::Filters filters = {});
  /// Reads until an event of this action; gives the actions seen.
  std::vector<std::string> actions_until(EventStream& stream, std::string last);
  api::EventMessage next_event(EventStream& stream, std::string action);

 private:
  Host host_;
  support::TempDir directory_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<Backend> remote_;
};

}  // namespace sockerless::conformance
