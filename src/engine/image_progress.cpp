#include "engine/image_progress.hpp"

#include <exception>
#include <mutex>

#include <boost/asio/this_coro.hpp>

#include "api/json.hpp"
#include "base/byte_stream.hpp"
#include "base/error.hpp"

namespace sockerless {

namespace {

/// Where the reader and the producer meet. Shared by the two: either may be gone first.
struct Meeting {
  std::mutex mutex;
  ProgressProducer producer;
  std::optional<std::string> line;  // written, not yet taken
  bool wanted = false;              // somebody waits in next()
  bool stopped = false;             // the reader has gone
  bool done = false;
  std::exception_ptr failure;
  Signal changed;

  template <typename F>
  auto locked(F&& use) {
    const std::scoped_lock lock(mutex);
    return use();
  }
};

class MeetingSink final : public ProgressSink {
 public:
  explicit MeetingSink(Meeting& meeting) : meeting_(meeting) {}

  Task<void> write(std::string json_line) override {
    json_line += "\r\n";
    meeting_.locked([&] {
      meeting_.line = std::move(json_line);
      meeting_.wanted = false;
    });
    meeting_.changed.notify();
    // Goes on when the reader comes back for more.
    for (;;) {
      const std::uint64_t seen = meeting_.changed.version();
      if (meeting_.locked([&] { return meeting_.wanted; })) co_return;
      co_await meeting_.changed.wait_changed(seen);
    }
  }

 private:
  Meeting& meeting_;
};

Task<void> until_stopped(Meeting& meeting) {
  for (;;) {
    const std::uint64_t seen = meeting.changed.version();
    if (meeting.locked([&] { return meeting.stopped; })) co_return;
    co_await meeting.changed.wait_changed(seen);
  }
}

Task<void> produce(std::shared_ptr<Meeting> meeting) {
  std::exception_ptr failure;
  {
    MeetingSink sink(*meeting);
    ProgressProducer producer = std::move(meeting->producer);
    try {
      if (co_await race(producer(sink), until_stopped(*meeting)) == First::other) throw Error::cancelled();
    } catch (...) {
      failure = std::current_exception();
    }
  }
  meeting->locked([&] {
    meeting->done = true;
    meeting->failure = std::move(failure);
  });
  meeting->changed.notify();
}

class MeetingSource final : public ByteSource {
 public:
  MeetingSource(std::shared_ptr<TaskGroup> group, std::string name, ProgressProducer producer)
      : group_(std::move(group)), name_(std::move(name)), meeting_(std::make_shared<Meeting>()) {
    meeting_->producer = std::move(producer);
  }

  ~MeetingSource() override { stop(); }

  Task<std::span<const std::byte>> next() override {
    meeting_->locked([&] { meeting_->wanted = true; });
    meeting_->changed.notify();
    if (!started_) {
      started_ = true;
      group_->spawn(name_, co_await asio::this_coro::executor, produce(meeting_));
    }
    bool cancelled = false;
    try {
      if (co_await take_line()) co_return as_bytes(line_);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::cancelled) throw;
      cancelled = true;
    }
    if (cancelled) {
      co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
      stop();
      while (co_await take_line()) {}
      throw Error::cancelled();
    }
    if (meeting_->failure) std::rethrow_exception(std::exchange(meeting_->failure, nullptr));
    co_return std::span<const std::byte>();
  }

 private:
  /// @return false: the producer has ended and every line was taken.
  Task<bool> take_line() {
    for (;;) {
      const std::uint64_t seen = meeting_->changed.version();
      bool done = false;
      const bool taken = meeting_->locked([&] {
        done = meeting_->done;
        if (!meeting_->line) return false;
        line_ = std::move(*meeting_->line);
        meeting_->line.reset();
        return true;
      });
      if (taken || done) co_return taken;
      co_await meeting_->changed.wait_changed(seen);
    }
  }

  void stop() {
    meeting_->locked([&] { meeting_->stopped = true; });
    meeting_->changed.notify();
  }

  const std::shared_ptr<TaskGroup> group_;  // shared with the service, which joins it
  const std::string name_;
  const std::shared_ptr<Meeting> meeting_;
  std::string line_;
  bool started_ = false;
};

}  // namespace

ProgressStream make_progress_stream(std::shared_ptr<TaskGroup> group, std::string name, ProgressProducer producer) {
  return std::make_unique<MeetingSource>(std::move(group), std::move(name), std::move(producer));
}

std::string stream_line(std::string_view text) {
  std::string line;
  api::JsonWriter writer(line);
  writer.begin_object();
  writer.key("stream");
  writer.string(text);
  writer.end_object();
  return line;
}

}  // namespace sockerless
