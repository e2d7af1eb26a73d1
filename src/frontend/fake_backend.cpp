#include "frontend/fake_backend.hpp"

#include "api/stream_frame.hpp"
#include "base/byte_stream.hpp"

namespace sockerless::frontend {

namespace {

class FakeWait final : public ContainerWait {
 public:
  explicit FakeWait(FakeWaitState& state) : state_(state) {}
  ~FakeWait() override { --state_.waiting; }

  Task<api::ContainerWaitResponse> result() override {
    for (;;) {
      const std::uint64_t seen = state_.changed.version();
      if (state_.over) co_return api::ContainerWaitResponse{.status_code = 3};
      co_await state_.changed.wait_changed(seen);
    }
  }

 private:
  FakeWaitState& state_;
};

class FakeEvents final : public EventStream {
 public:
  explicit FakeEvents(std::vector<api::EventMessage> events) : events_(events.begin(), events.end()) {}
  Task<std::optional<api::EventMessage>> next() override {
    if (events_.empty()) co_return std::nullopt;
    api::EventMessage event = std::move(events_.front());
    events_.pop_front();
    co_return event;
  }

 private:
  std::deque<api::EventMessage> events_;
};

}  // namespace

Task<void> EchoSession::write_stdin(std::span<const std::byte> input) {
  std::string piece;
  if (framing_ == Framing::raw) {
    piece = std::string(as_text(input));
  } else {
    api::append_frame(piece, api::StreamKind::standard_output, as_text(input));
  }
  pieces_.push_back(std::move(piece));
  changed_.notify();
  co_return;
}

Task<std::span<const std::byte>> EchoSession::Output::next() {
  for (;;) {
    const std::uint64_t seen = session_.changed_.version();
    if (!session_.pieces_.empty()) {
      current_ = std::move(session_.pieces_.front());
      session_.pieces_.pop_front();
      co_return std::as_bytes(std::span(current_));
    }
    if (session_.closed_) co_return std::span<const std::byte>{};
    co_await session_.changed_.wait_changed(seen);
  }
}

Task<api::SystemDataUsageResponse> FakeSystem::disk_usage(DiskUsageOptions options) {
  state_.note(std::string("df") + (options.containers ? " containers" : "") + (options.images ? " images" : "") +
              (options.volumes ? " volumes" : ""));
  co_return api::SystemDataUsageResponse{};
}

Task<std::unique_ptr<EventStream>> FakeSystem::events(EventOptions) { co_return std::make_unique<FakeEvents>(state_.events); }

Task<api::ContainerCreateResponse> FakeContainers::create(CreateContainerOptions options) {
  state_.note("create " + options.name + " " + options.platform);
  state_.created.write([&](auto& request) { request = std::move(options.request); });
  co_return api::ContainerCreateResponse{.id = "c1", .warnings = {}};
}

Task<api::ContainerInspectResponse> FakeContainers::inspect(ContainerRef container, WithSize) {
  state_.check(container);
  co_return api::ContainerInspectResponse{.id = "c1"};
}

Task<void> FakeContainers::start(ContainerRef container) {
  state_.check(container);
  throw Error::not_modified("already started");
  co_return;
}

Task<void> FakeContainers::stop(ContainerRef container, StopOptions options) {
  state_.check(container);
  state_.note("stop signal=" + options.signal.value_or("none") +
              " t=" + (options.timeout_seconds ? std::to_string(*options.timeout_seconds) : "none"));
  co_return;
}

Task<std::unique_ptr<ContainerWait>> FakeContainers::wait(ContainerRef container, WaitCondition) {
  state_.check(container);
  ++state_.wait.waiting;
  co_return std::make_unique<FakeWait>(state_.wait);
}

Task<OutputStream> FakeContainers::logs(ContainerRef container, LogOptions) {
  state_.check(container);
  co_return OutputStream{.framing = state_.framing, .bytes = state_.make_source()};
}

Task<std::unique_ptr<AttachSession>> FakeContainers::attach(ContainerRef container, AttachOptions) {
  state_.check(container);
  co_return std::make_unique<EchoSession>(state_.framing, state_.sessions);
}

Task<void> FakeContainers::resize(ContainerRef container, TerminalSize size) {
  state_.check(container);
  state_.note("resize " + std::to_string(size.height) + "x" + std::to_string(size.width));
  co_return;
}

Task<void> FakeContainers::answer(std::string what, ContainerRef container) {
  state_.check(container);
  state_.note(std::move(what));
  co_return;
}

Task<std::unique_ptr<AttachSession>> FakeExecs::start(ExecRef, ExecStartOptions options) {
  if (state_.exec_failure) throw *state_.exec_failure;
  if (options.detach) co_return nullptr;
  co_return std::make_unique<EchoSession>(options.tty ? Framing::raw : Framing::multiplexed, state_.sessions);
}

Task<api::ExecInspectResponse> FakeExecs::inspect(ExecRef exec) {
  if (exec.text != "e1") throw Error::not_found("No such exec instance: {}", exec.text);
  co_return api::ExecInspectResponse{.id = "e1", .open_stdin = true};
}

Task<api::ImageInspect> FakeImages::inspect(ImageRef image) {
  if (image.text != "team/app:1") throw Error::not_found("No such image: {}", image.text);
  co_return api::ImageInspect{.id = "sha256:1", .architecture = "amd64", .os = "linux"};
}

Task<void> FakeImages::tag(ImageRef image, std::string repo, std::string tag) {
  state_.note("tag " + image.text + " " + repo + " " + tag);
  co_return;
}

Task<ProgressStream> FakeImages::load(std::unique_ptr<ByteSource> archive, bool quiet) {
  const std::string bytes = co_await read_all(*archive, 64UL << 20U);
  state_.loaded.write([&](auto& loaded) { loaded = bytes; });
  state_.note(quiet ? "load quietly" : "load");
  co_return state_.make_source();
}

Task<ProgressStream> FakeImages::import(ImportImageOptions options, std::unique_ptr<ByteSource>) {
  state_.note("import " + options.source + " " + options.repo + ":" + options.tag);
  co_return state_.make_source();
}

}  // namespace sockerless::frontend
