#pragma once

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "base/error.hpp"
#include "base/guarded.hpp"

// For the tests of frontend/: a backend whose answers a test chooses, and that remembers what it was asked.
namespace sockerless::frontend {

/// A source of given pieces; an Error at the end where one is given. With `stays_open` it waits for ever after them.
class FakeSource final : public ByteSource {
 public:
  struct State {
    std::atomic<bool> destroyed = false;
    std::atomic<bool> waiting = false;
  };

  explicit FakeSource(std::deque<std::string> pieces, std::optional<Error> failure = {}, bool stays_open = false,
                      std::shared_ptr<State> state = std::make_shared<State>())
      : pieces_(std::move(pieces)), failure_(std::move(failure)), stays_open_(stays_open), state_(std::move(state)) {}
  ~FakeSource() override { state_->destroyed = true; }

  Task<std::span<const std::byte>> next() override {
    if (!pieces_.empty()) {
      current_ = std::move(pieces_.front());
      pieces_.pop_front();
      co_return std::as_bytes(std::span(current_));
    }
    if (failure_) throw *failure_;
    if (stays_open_) {
      state_->waiting = true;
      Signal never;
      co_await never.wait_changed(never.version());
    }
    co_return std::span<const std::byte>{};
  }

 private:
  std::deque<std::string> pieces_;
  std::string current_;
  std::optional<Error> failure_;
  bool stays_open_;
  std::shared_ptr<State> state_;  // shared with the test, which looks at it after the source is gone
};

/// A session that echoes its input, in Docker's frames unless raw, and ends when its input is closed.
class EchoSession final : public AttachSession {
 public:
  EchoSession(Framing framing, std::atomic<int>& live) : framing_(framing), output_(*this), live_(live) { ++live_; }
  ~EchoSession() override { --live_; }

  Framing framing() const override { return framing_; }
  ByteSource& output() override { return output_; }
  Task<void> write_stdin(std::span<const std::byte> input) override;
  Task<void> close_stdin() override {
    closed_ = true;
    changed_.notify();
    co_return;
  }

 private:
  class Output final : public ByteSource {
   public:
    explicit Output(EchoSession& session) : session_(session) {}
    Task<std::span<const std::byte>> next() override;

   private:
    EchoSession& session_;
    std::string current_;
  };

  Framing framing_;
  Output output_;
  std::deque<std::string> pieces_;
  bool closed_ = false;
  Signal changed_;
  std::atomic<int>& live_;
};

/// A wait that ends when the test says so.
struct FakeWaitState {
  Signal changed;
  std::atomic<bool> over = false;
  std::atomic<int> waiting = 0;
};

/// What a test sets before it asks, and what was asked.
struct FakeState {
  std::vector<api::ContainerSummary> summaries;
  Framing framing = Framing::multiplexed;
  std::function<std::unique_ptr<ByteSource>()> make_source = [] { return std::make_unique<FakeSource>(std::deque<std::string>{}); };
  std::optional<Error> exec_failure;
  std::vector<api::EventMessage> events;
  FakeWaitState wait;
  std::atomic<int> sessions = 0;  ///< that live
  Guarded<std::vector<std::string>> asked;
  Guarded<api::ContainerCreateRequest> created;
  Guarded<std::string> loaded;

  void note(std::string what) {
    asked.write([&](auto& all) { all.push_back(std::move(what)); });
  }
  bool was_asked(std::string_view what) const {
    return asked.read([&](const auto& all) { return std::ranges::find(all, what) != all.end(); });
  }
  /// Only "c1" is known. @errors not_found
  void check(const ContainerRef& container) const {
    if (container.text != "c1") throw Error::not_found("No such container: {}", container.text);
  }
};

class FakeSystem final : public SystemRole {
 public:
  explicit FakeSystem(FakeState& state) : state_(state) {}
  Task<api::SystemInfo> info() override { co_return api::SystemInfo{}; }
  Task<api::SystemVersion> version() override { co_return api::SystemVersion{.version = "7.7", .os = "linux"}; }
  Task<api::SystemDataUsageResponse> disk_usage(DiskUsageOptions options) override;
  Task<std::unique_ptr<EventStream>> events(EventOptions options) override;

 private:
  FakeState& state_;
};

class FakeContainers final : public ContainerRole {
 public:
  explicit FakeContainers(FakeState& state) : state_(state) {}
  Task<api::ContainerCreateResponse> create(CreateContainerOptions options) override;
  Task<std::vector<api::ContainerSummary>> list(ListContainersOptions) override { co_return state_.summaries; }
  Task<api::ContainerInspectResponse> inspect(ContainerRef container, WithSize) override;
  Task<void> start(ContainerRef container) override;
  Task<void> stop(ContainerRef container, StopOptions options) override;
  Task<void> restart(ContainerRef container, StopOptions) override { return answer("restart", container); }
  Task<void> kill(ContainerRef container, std::string signal) override { return answer("kill " + signal, container); }
  Task<void> pause(ContainerRef container) override { return answer("pause", container); }
  Task<void> unpause(ContainerRef container) override { return answer("unpause", container); }
  Task<void> rename(ContainerRef container, std::string new_name) override { return answer("rename " + new_name, container); }
  Task<api::ContainerUpdateResponse> update(ContainerRef, api::ContainerUpdateRequest) override {
    co_return api::ContainerUpdateResponse{};
  }
  Task<std::unique_ptr<ContainerWait>> wait(ContainerRef container, WaitCondition condition) override;
  Task<void> remove(ContainerRef container, RemoveContainerOptions) override { return answer("remove", container); }
  Task<api::ContainerPruneResponse> prune(api::Filters) override { co_return api::ContainerPruneResponse{}; }
  Task<OutputStream> logs(ContainerRef container, LogOptions options) override;
  Task<std::unique_ptr<AttachSession>> attach(ContainerRef container, AttachOptions options) override;
  Task<void> resize(ContainerRef container, TerminalSize size) override;
  Task<api::ContainerTopResponse> top(ContainerRef, std::string) override { co_return api::ContainerTopResponse{}; }

 private:
  Task<void> answer(std::string what, ContainerRef container);
  FakeState& state_;
};

class FakeExecs final : public ExecRole {
 public:
  explicit FakeExecs(FakeState& state) : state_(state) {}
  Task<api::IDResponse> create(ContainerRef, api::ContainerExecRequest) override { co_return api::IDResponse{.id = "e1"}; }
  Task<std::unique_ptr<AttachSession>> start(ExecRef exec, ExecStartOptions options) override;
  Task<void> resize(ExecRef, TerminalSize) override { co_return; }
  Task<api::ExecInspectResponse> inspect(ExecRef exec) override;

 private:
  FakeState& state_;
};

class FakeImages final : public ImageRole {
 public:
  explicit FakeImages(FakeState& state) : state_(state) {}
  Task<std::vector<api::ImageSummary>> list(ListImagesOptions) override { co_return std::vector<api::ImageSummary>{}; }
  Task<api::ImageInspect> inspect(ImageRef image) override;
  Task<std::vector<api::ImageHistoryResponseItem>> history(ImageRef) override { co_return std::vector<api::ImageHistoryResponseItem>{}; }
  Task<void> tag(ImageRef image, std::string repo, std::string tag) override;
  Task<std::vector<api::ImageDeleteResponseItem>> remove(ImageRef, RemoveImageOptions) override {
    co_return std::vector<api::ImageDeleteResponseItem>{};
  }
  Task<api::ImagePruneResponse> prune(api::Filters) override { co_return api::ImagePruneResponse{}; }
  Task<ProgressStream> load(std::unique_ptr<ByteSource> archive, bool quiet) override;
  Task<ProgressStream> import(ImportImageOptions options, std::unique_ptr<ByteSource> tar) override;
  Task<std::unique_ptr<ByteSource>> save(std::vector<ImageRef>) override { co_return state_.make_source(); }

 private:
  FakeState& state_;
};

/// Has containers, execs and images; no networks, volumes, registry, files, statistics, build.
class FakeBackend final : public Backend {
 public:
  FakeState state;

  const Capabilities& capabilities() const override { return capabilities_; }
  SystemRole& system() override { return system_; }
  ContainerRole& containers() override { return containers_; }
  ExecRole* exec() override { return &execs_; }
  ImageRole* images() override { return &images_; }
  Task<void> start() override { co_return; }
  Task<void> stop() override { co_return; }

 private:
  Capabilities capabilities_{.backend = "fake", .version = "0"};
  FakeSystem system_{state};
  FakeContainers containers_{state};
  FakeExecs execs_{state};
  FakeImages images_{state};
};

}  // namespace sockerless::frontend
