#include "engine/attach_session.hpp"

#include <algorithm>
#include <atomic>
#include <optional>

#include "base/error.hpp"
#include "engine/attach_frames.hpp"
#include "engine/attach_keys.hpp"
#include "engine/container_view.hpp"

namespace sockerless {

namespace {

/// What both directions of an attachment know.
struct Attachment {
  WorkloadDriver& driver;
  EventBus& events;
  ContainerPtr container;
  std::uint64_t run = 0;  // the run that is attached to: the one that goes on, or the next
  bool use_stdin = false;
  bool stdin_once = false;
  bool tty = false;
  // Any thread.
  std::atomic<bool> left{false};  // the session is over although the process may go on
  Signal left_changed{};

  bool has_started() const { return container->state()->run() >= run; }
  /// Another run has been started since.
  bool is_past() const { return container->state()->run() > run; }
  bool has_ended() const { return container->state()->ended_runs() >= run || container->is_removed(); }
  /// True when input can end the session before the process ends.
  bool can_leave() const { return use_stdin && (tty || !stdin_once); }
  void leave() {
    left = true;
    left_changed.notify();
  }
};

/// The output: what was written before (when asked for), then the run's.
///
/// The run is read from the position the log had when the client attached.
class AttachOutput final : public ByteSource {
 public:
  AttachOutput(Attachment& attachment, StreamSelection streams, bool stream, std::unique_ptr<LogReader> reader, bool reads_run,
               LogPosition live_from)
      : attachment_(attachment),
        frames_(!attachment.tty, streams),
        stream_(stream),
        reader_(std::move(reader)),
        reads_run_(reads_run),
        live_from_(live_from) {}

  Task<std::span<const std::byte>> next() override {
    frames_.clear();
    while (!done_ && !attachment_.left) {
      if (const auto piece = frames_.take(); !piece.empty()) co_return piece;
      const std::uint64_t seen = attachment_.container->changed().version();
      const bool ended = attachment_.has_ended();
      if (!reader_) {
        if (attachment_.has_started() && !attachment_.container->is_removed()) {
          reader_ = co_await attachment_.driver.open_log(attachment_.container->id(), live_from_);
          reads_run_ = true;
        } else if (ended) {
          done_ = true;
        } else {
          co_await wait(attachment_.container->changed().wait_changed(seen));
        }
        continue;
      }
      const bool over = reader_->is_over();
      const auto records = co_await reader_->next();
      if (!records.empty()) {
        frames_.use(of_this_run(records));
        continue;
      }
      if (!frames_.empty()) co_return frames_.flush();
      if (!stream_ || attachment_.is_past() || (ended && over) || attachment_.container->is_removed()) {
        done_ = true;
      } else if (!reads_run_) {
        reader_.reset();  // the replay is over; the run has its own reader
      } else if (over) {
        co_await wait(attachment_.container->changed().wait_changed(seen));
      } else {
        co_await wait(reader_->wait_for_more());
      }
    }
    co_return std::span<const std::byte>();
  }

 private:
  /// The next run writes to the same log: what it has written is not ours.
  std::span<const LogRecord> of_this_run(std::span<const LogRecord> records) {
    if (!reads_run_ || !attachment_.is_past()) return records;
    const TimePoint next_run = attachment_.container->state()->started_at();
    const auto end = std::ranges::find_if(records, [&](const LogRecord& record) { return record.time >= next_run; });
    return records.first(static_cast<std::size_t>(end - records.begin()));
  }

  Task<void> wait(Task<void> for_more) {
    if (!attachment_.can_leave()) {
      co_await std::move(for_more);
      co_return;
    }
    const std::uint64_t seen = attachment_.left_changed.version();
    if (!attachment_.left) co_await race(std::move(for_more), attachment_.left_changed.wait_changed(seen));
  }

  Attachment& attachment_;
  FrameWriter frames_;
  const bool stream_;
  std::unique_ptr<LogReader> reader_;
  bool reads_run_;  // false: reader_ only replays
  const LogPosition live_from_;
  bool done_ = false;
};

class ContainerAttachSession final : public AttachSession {
 public:
  ContainerAttachSession(WorkloadDriver& driver, EventBus& events, ContainerPtr container, std::string keys)
      : attachment_{driver, events, std::move(container)}, keys_(std::move(keys)) {
    const auto state = attachment_.container->state();
    const auto definition = attachment_.container->definition();
    attachment_.run = state->has_process() ? state->run() : state->run() + 1;
    attachment_.tty = definition->spec.config.tty.value_or(false);
    attachment_.stdin_once = definition->spec.config.stdin_once.value_or(false);
  }

  Task<void> open(AttachOptions options) {
    attachment_.use_stdin = options.use_stdin && attachment_.container->definition()->spec.config.open_stdin.value_or(false);
    const ContainerId& id = attachment_.container->id();
    const LogPosition end = co_await attachment_.driver.log_end(id);
    const bool running = attachment_.has_started();
    // Opened now, also for a run that is still to come: a container that is gone soon after (--rm) takes its log along, not the reader's.
    auto reader = co_await attachment_.driver.open_log(id, options.logs ? LogPosition{} : end);
    const bool reads_run = running || !options.logs;
    // A client that gets no stream at all is not kept waiting for the container.
    const bool follows = options.stream && (attachment_.use_stdin || options.use_stdout || options.use_stderr);
    output_.emplace(attachment_, StreamSelection{options.use_stdout, options.use_stderr}, follows, std::move(reader), reads_run, end);
    publish("attach");
  }

  Framing framing() const override { return attachment_.tty ? Framing::raw : Framing::multiplexed; }
  ByteSource& output() override { return *output_; }

  Task<void> write_stdin(std::span<const std::byte> input) override {
    if (attachment_.left) throw Error::unavailable("the client has detached");
    if (!attachment_.tty) {
      co_await (co_await writer())->write(input);
      co_return;
    }
    typed_.clear();
    const bool detached = keys_.scan(input, typed_);
    if (!typed_.empty()) co_await (co_await writer())->write(typed_);
    if (detached) {
      publish("detach");
      attachment_.leave();
    }
  }

  Task<void> close_stdin() override {
    if (!attachment_.use_stdin || attachment_.left) co_return;
    if (attachment_.stdin_once && !attachment_.tty) {
      co_await (co_await writer())->close();
    } else {
      attachment_.leave();
    }
  }

 private:
  /// The run's stdin; waits for its start.
  Task<StdinWriter*> writer() {
    if (!attachment_.use_stdin) throw Error::unavailable("stdin is not attached");
    while (!writer_) {
      const std::uint64_t seen = attachment_.container->changed().version();
      if (attachment_.has_ended()) throw Error::unavailable("the container does not run any more");
      if (!attachment_.has_started()) {
        co_await attachment_.container->changed().wait_changed(seen);
        continue;
      }
      writer_ = co_await attachment_.driver.open_stdin(attachment_.container->id());
      if (!writer_) throw Error::unavailable("the container has no stdin");
    }
    co_return writer_.get();
  }

  void publish(std::string action) {
    attachment_.events.publish("container", std::move(action), attachment_.container->id().str(),
                               event_attributes(*attachment_.container->definition()));
  }

  Attachment attachment_;
  std::optional<AttachOutput> output_;
  // The input's coroutine.
  DetachScanner keys_;
  std::vector<std::byte> typed_;
  std::unique_ptr<StdinWriter> writer_;
};

}  // namespace

Task<std::unique_ptr<AttachSession>> open_attach_session(WorkloadDriver& driver, EventBus& events, ContainerPtr container,
                                                         std::string reference, AttachOptions options) {
  auto keys = parse_detach_keys(options.detach_keys);
  const auto state = container->state();
  if (state->is_paused()) throw Error::conflict("container {} is paused, unpause the container before attach", reference);
  if (state->is_restarting()) throw Error::conflict("container {} is restarting, wait until the container is running", reference);
  auto session = std::make_unique<ContainerAttachSession>(driver, events, std::move(container), std::move(keys));
  co_await session->open(std::move(options));
  co_return session;
}

}  // namespace sockerless
