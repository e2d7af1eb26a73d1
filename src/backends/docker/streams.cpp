#include "backends/docker/streams.hpp"

#include <atomic>
#include <deque>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include "api/json.hpp"
#include "api/types_json.hpp"
#include "backends/docker/failures.hpp"
#include "backends/docker/frame_source.hpp"

namespace sockerless::docker {

namespace {

/// A member of what owns the stream, which outlives the read.
ReadSome reader_of(RawStream& stream) {
  return [&stream](std::span<std::byte> buffer) { return value_of(stream.read(buffer)); };
}

std::unique_ptr<ByteSource> make_source(RawStream& stream) {
  if (stream.is_raw()) return std::make_unique<RawSource>(reader_of(stream));
  return std::make_unique<FrameSource>(reader_of(stream));
}

Framing framing_of(const RawStream& stream) { return stream.is_raw() ? Framing::raw : Framing::multiplexed; }

class OwnedBytes final : public ByteSource {
 public:
  explicit OwnedBytes(RawStream stream) : stream_(std::move(stream)), source_(reader_of(stream_)) {}
  Task<std::span<const std::byte>> next() override { return source_.next(); }

 private:
  RawStream stream_;
  RawSource source_;
};

class OwnedOutput final : public ByteSource {
 public:
  explicit OwnedOutput(RawStream stream) : stream_(std::move(stream)), source_(make_source(stream_)) {}
  Task<std::span<const std::byte>> next() override { return source_->next(); }

 private:
  RawStream stream_;
  std::unique_ptr<ByteSource> source_;
};

class DaemonSession final : public AttachSession {
 public:
  explicit DaemonSession(RawStream stream) : stream_(std::move(stream)), output_(make_source(stream_)) {}
  Framing framing() const override { return framing_of(stream_); }
  ByteSource& output() override { return *output_; }
  Task<void> write_stdin(std::span<const std::byte> input) override { return value_of(stream_.write(input)); }
  Task<void> close_stdin() override { return value_of(stream_.close_write()); }

 private:
  RawStream stream_;
  std::unique_ptr<ByteSource> output_;
};

class DaemonWait final : public ContainerWait {
 public:
  explicit DaemonWait(RawStream stream) : stream_(std::move(stream)) {}
  Task<api::ContainerWaitResponse> result() override {
    const std::optional<std::string> line = co_await value_of(stream_.next_line());
    if (!line) throw Error::unavailable("the daemon ended the wait without an answer");
    co_return api::parse_json<api::ContainerWaitResponse>(*line);
  }

 private:
  RawStream stream_;
};

class DaemonEvents final : public EventStream {
 public:
  explicit DaemonEvents(AsyncMessageReader<api::EventMessage> reader) : reader_(std::move(reader)) {}
  Task<std::optional<api::EventMessage>> next() override { return value_of(reader_.next()); }

 private:
  AsyncMessageReader<api::EventMessage> reader_;
};

class DaemonSamples final : public StatsStream {
 public:
  explicit DaemonSamples(AsyncMessageReader<api::ContainerStatsResponse> reader) : reader_(std::move(reader)) {}
  Task<std::optional<api::ContainerStatsResponse>> next() override { return value_of(reader_.next()); }

 private:
  AsyncMessageReader<api::ContainerStatsResponse> reader_;
};

/// Progress, a line of JSON at a time, until one that reports a failure.
class Progress : public ByteSource {
 public:
  Task<std::span<const std::byte>> next() final {
    const std::optional<std::string> line = co_await next_line();
    if (!line) co_return std::span<const std::byte>{};
    throw_if_failure(*line);
    line_ = std::string(without_line_end(*line)) + "\r\n";
    co_return as_bytes(line_);
  }

 private:
  virtual Task<std::optional<std::string>> next_line() = 0;

  std::string line_;
};

class DaemonProgress final : public Progress {
 public:
  explicit DaemonProgress(RawStream stream) : stream_(std::move(stream)) {}

 private:
  Task<std::optional<std::string>> next_line() override { return value_of(stream_.next_line()); }

  RawStream stream_;
};

// ---- uploads

/// The answer to an upload. It is read by a coroutine of its own, because a daemon that is not read stops reading; that coroutine touches
/// nothing but this, so it may end after whoever asked. What it reads waits here: without bound (but for a limit that no daemon's progress
/// reaches) while the body is sent, afterwards as much as fits in kEnough.
class UploadAnswer {
 public:
  explicit UploadAnswer(RawStream stream) : stream_(std::move(stream)) {}

  static Task<void> collect(std::shared_ptr<UploadAnswer> self) {
    while (co_await self->read_line()) co_await self->until_wanted();
    self->has_ended_ = true;
    self->changed_.notify();
  }

  /// Returns when the body is sent or the daemon wants no more of it. @errors those of the source.
  Task<void> send(ByteSource& body) {
    co_await race(send_all(body), until_ended());
    body_is_sent_ = true;
  }

  /// The next line; nothing: the clean end.
  Task<std::optional<std::string>> next_line() {
    while (lines_.empty() && !has_ended_) co_await changed_.wait_changed(changed_.version());
    if (lines_.empty()) {
      if (failure_) throw error_of(*failure_);
      co_return std::nullopt;
    }
    std::string line = std::move(lines_.front());
    lines_.pop_front();
    size_ -= line.size();
    changed_.notify();
    co_return line;
  }

  /// Ends the reading as well. From any thread.
  void cancel() {
    is_abandoned_ = true;
    stream_.cancel();
    changed_.notify();
  }

 private:
  static constexpr std::size_t kEnough = 256UL * 1024;
  static constexpr std::size_t kTooMuch = 64UL * 1024 * 1024;

  Task<bool> read_line() {
    Result<std::optional<std::string>> line = co_await stream_.next_line();
    if (!line) failure_ = line.error();
    if (!line || !*line) co_return false;
    size_ += (*line)->size();
    lines_.push_back(**std::move(line));
    changed_.notify();
    if (size_ < kTooMuch) co_return true;
    failure_ = DockerError{.type = DockerErrorType::connection, .message = "the daemon says too much while it is sent a body"};
    co_return false;
  }

  Task<void> send_all(ByteSource& body) {
    for (;;) {
      const std::span<const std::byte> piece = co_await body.next();
      const Result<void> written = co_await (piece.empty() ? stream_.close_write() : stream_.write(piece));
      // The daemon wants no more: its answer, or that there is none, says why.
      if (!written) co_await until_ended();
      if (!written || piece.empty()) co_return;
    }
  }

  Task<void> until_wanted() {
    for (;;) {
      const std::uint64_t seen = changed_.version();  // before the flag, which another thread may set
      if (is_abandoned_ || !body_is_sent_ || size_ <= kEnough) co_return;
      co_await changed_.wait_changed(seen);
    }
  }

  Task<void> until_ended() {
    while (!has_ended_) co_await changed_.wait_changed(changed_.version());
  }

  // Any thread.
  std::atomic<bool> is_abandoned_ = false;
  Signal changed_;
  // On the stream's executor.
  RawStream stream_;
  std::deque<std::string> lines_;
  std::size_t size_ = 0;
  bool body_is_sent_ = false;
  bool has_ended_ = false;
  std::optional<DockerError> failure_;
};

/// Owns the answer together with the coroutine that reads it; its end ends both.
class UploadProgress final : public Progress {
 public:
  explicit UploadProgress(std::shared_ptr<UploadAnswer> answer) : answer_(std::move(answer)) {}
  ~UploadProgress() override { answer_->cancel(); }
  UploadProgress(const UploadProgress&) = delete;
  UploadProgress& operator=(const UploadProgress&) = delete;

  Task<void> send(ByteSource& body) { return answer_->send(body); }

 private:
  Task<std::optional<std::string>> next_line() override { return answer_->next_line(); }

  std::shared_ptr<UploadAnswer> answer_;  // shared with UploadAnswer::collect
};

Task<std::unique_ptr<UploadProgress>> start_upload(RawStream stream, std::unique_ptr<ByteSource> body) {
  const auto answer = std::make_shared<UploadAnswer>(std::move(stream));
  auto progress = std::make_unique<UploadProgress>(answer);
  asio::co_spawn(co_await asio::this_coro::executor, UploadAnswer::collect(answer), [](const std::exception_ptr&) {
    // It throws nothing: failures are in the answer. It ends with the connection, which `progress` closes.
  });
  co_await progress->send(*body);
  co_return progress;
}

}  // namespace

std::unique_ptr<ByteSource> make_bytes(RawStream stream) { return std::make_unique<OwnedBytes>(std::move(stream)); }

OutputStream make_output(RawStream stream) {
  const Framing framing = framing_of(stream);
  return {framing, std::make_unique<OwnedOutput>(std::move(stream))};
}

std::unique_ptr<AttachSession> make_session(RawStream stream) { return std::make_unique<DaemonSession>(std::move(stream)); }
std::unique_ptr<ContainerWait> make_wait(RawStream stream) { return std::make_unique<DaemonWait>(std::move(stream)); }

std::unique_ptr<EventStream> make_events(AsyncMessageReader<api::EventMessage> reader) {
  return std::make_unique<DaemonEvents>(std::move(reader));
}

std::unique_ptr<StatsStream> make_stats(AsyncMessageReader<api::ContainerStatsResponse> reader) {
  return std::make_unique<DaemonSamples>(std::move(reader));
}

ProgressStream make_progress(RawStream lines) { return std::make_unique<DaemonProgress>(std::move(lines)); }

Task<ProgressStream> upload_with_progress(RawStream stream, std::unique_ptr<ByteSource> body) {
  co_return co_await start_upload(std::move(stream), std::move(body));
}

Task<void> upload(RawStream stream, std::unique_ptr<ByteSource> body) {
  const auto progress = co_await start_upload(std::move(stream), std::move(body));
  while (!(co_await progress->next()).empty()) {}
}

}  // namespace sockerless::docker
