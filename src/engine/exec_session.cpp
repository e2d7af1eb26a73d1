#include <atomic>
#include <functional>
#include <vector>

#include "base/byte_stream.hpp"
#include "base/error.hpp"
#include "engine/attach_frames.hpp"
#include "engine/attach_keys.hpp"
#include "engine/exec_record.hpp"

namespace sockerless {

namespace {

/// What an exec writes, until its streams have ended and its exit code is known.
class ExecOutput final : public ByteSource {
 public:
  ExecOutput(std::shared_ptr<ExecRecord> exec, std::shared_ptr<ExecProcess> process, Framing framing)
      : exec_(std::move(exec)),
        process_(std::move(process)),
        frames_(framing == Framing::multiplexed, {exec_->spec.attach_stdout, exec_->spec.attach_stderr || exec_->spec.tty}) {}

  Task<std::span<const std::byte>> next() override {
    frames_.clear();
    while (!drained_ && !left_) {
      std::optional<LogRecord> record;
      if (may_leave_) {
        const std::uint64_t seen = left_changed_.version();
        if (left_) break;
        co_await race(read_into(&record), left_changed_.wait_changed(seen));
        if (left_) break;
      } else {
        co_await read_into(&record);
      }
      if (!record) {
        drained_ = true;
        break;
      }
      record_ = *record;
      frames_.use(std::span(&record_, 1));
      if (const auto piece = frames_.take(); !piece.empty()) co_return piece;
      if (!frames_.empty()) co_return frames_.flush();
    }
    if (!left_) co_await wait_for_exit();
    co_return std::span<const std::byte>();
  }

  /// The output ends although the process goes on. Any thread.
  void leave() {
    left_ = true;
    left_changed_.notify();
  }
  void allow_leaving() { may_leave_ = true; }
  bool is_drained() const { return drained_; }

 private:
  Task<void> read_into(std::optional<LogRecord>* record) { *record = co_await process_->read(); }

  Task<void> wait_for_exit() {
    for (;;) {
      const std::uint64_t seen = exec_->changed.version();
      if (exec_->state.read([](const auto& state) { return state.exit_code.has_value(); })) co_return;
      co_await exec_->changed.wait_changed(seen);
    }
  }

  const std::shared_ptr<ExecRecord> exec_;      // shared with the table and the watcher
  const std::shared_ptr<ExecProcess> process_;  // same
  FrameWriter frames_;
  LogRecord record_;
  bool may_leave_ = false;
  bool drained_ = false;
  std::atomic<bool> left_{false};
  Signal left_changed_;
};

/// What is left of an exec when its session is gone: input ends, output is read to its end so that the process does not stall on it.
Task<void> finish_alone(std::shared_ptr<ExecProcess> process, bool close_input, bool drain) {
  if (close_input) co_await process->standard_input()->close();
  while (drain && co_await process->read()) {}
}

class ExecSession final : public AttachSession {
 public:
  ExecSession(std::shared_ptr<ExecRecord> exec, std::shared_ptr<ExecProcess> process, Framing framing, std::shared_ptr<TaskGroup> tasks,
              asio::any_io_executor executor, std::function<void()> on_detach)
      : exec_(std::move(exec)),
        process_(std::move(process)),
        framing_(framing),
        tasks_(std::move(tasks)),
        executor_(std::move(executor)),
        on_detach_(std::move(on_detach)),
        output_(exec_, process_, framing),
        keys_(parse_detach_keys(exec_->detach_keys)) {
    if (exec_->spec.tty && exec_->spec.attach_stdin) output_.allow_leaving();
  }

  ~ExecSession() override {
    const bool close_input = exec_->spec.attach_stdin && !exec_->spec.tty && !input_closed_ && process_->standard_input() != nullptr;
    if (close_input || !output_.is_drained()) {
      tasks_->spawn("rest of an exec", executor_, finish_alone(process_, close_input, !output_.is_drained()));
    }
  }

  Framing framing() const override { return framing_; }
  ByteSource& output() override { return output_; }

  Task<void> write_stdin(std::span<const std::byte> input) override {
    StdinWriter* stdin_writer = exec_->spec.attach_stdin ? process_->standard_input() : nullptr;
    if (stdin_writer == nullptr || input_closed_) throw Error::unavailable("stdin is not attached");
    if (!exec_->spec.tty) {
      co_await stdin_writer->write(input);
      co_return;
    }
    typed_.clear();
    const bool detached = keys_.scan(input, typed_);
    if (!typed_.empty()) co_await stdin_writer->write(typed_);
    if (detached) {
      input_closed_ = true;
      on_detach_();
      output_.leave();
    }
  }

  Task<void> close_stdin() override {
    if (!exec_->spec.attach_stdin || input_closed_ || process_->standard_input() == nullptr) co_return;
    input_closed_ = true;
    if (exec_->spec.tty) {
      output_.leave();
    } else {
      co_await process_->standard_input()->close();
    }
  }

 private:
  const std::shared_ptr<ExecRecord> exec_;      // shared with the table and the watcher
  const std::shared_ptr<ExecProcess> process_;  // same
  const Framing framing_;
  const std::shared_ptr<TaskGroup> tasks_;
  const asio::any_io_executor executor_;
  const std::function<void()> on_detach_;
  ExecOutput output_;
  // The input's coroutine.
  DetachScanner keys_;
  std::vector<std::byte> typed_;
  bool input_closed_ = false;
};

class FailedExecSession final : public AttachSession {
 public:
  FailedExecSession(std::string reason, Framing framing) : framing_(framing) {
    OutputBuffer text;
    reason += "\r\n";
    if (framing == Framing::multiplexed) text.append_frame_header(StdStream::out, reason.size());
    text.append(as_bytes(reason));
    output_ = make_text_source(std::string(as_text(text.view())));
  }

  Framing framing() const override { return framing_; }
  ByteSource& output() override { return *output_; }
  Task<void> write_stdin(std::span<const std::byte>) override {
    throw Error::unavailable("the command was not started");
    co_return;
  }
  Task<void> close_stdin() override { co_return; }

 private:
  const Framing framing_;
  std::unique_ptr<ByteSource> output_;
};

}  // namespace

std::unique_ptr<AttachSession> make_exec_session(std::shared_ptr<ExecRecord> exec, std::shared_ptr<ExecProcess> process, Framing framing,
                                                 std::shared_ptr<TaskGroup> tasks, asio::any_io_executor executor,
                                                 std::function<void()> on_detach) {
  return std::make_unique<ExecSession>(std::move(exec), std::move(process), framing, std::move(tasks), std::move(executor),
                                       std::move(on_detach));
}

std::unique_ptr<AttachSession> make_failed_exec_session(std::string reason, Framing framing) {
  return std::make_unique<FailedExecSession>(std::move(reason), framing);
}

}  // namespace sockerless
