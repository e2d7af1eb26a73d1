#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "api/stream_frame.hpp"
#include "sdk/daemon_link.hpp"
#include "sockerless/streams.hpp"

// Internal to sdk/.
namespace sockerless {

/// One open stream, read as bytes, as frames or as lines.
///
/// Cancellation and deadline close the connection, which ends whatever waits on it; the reason is kept and is what every later call gives.
/// So a read costs no timer of its own. Threads: its executor; end_because and cancel from any.
/// Owned by shared_ptr: by its reader, and by the upload that may still be under way.
class StreamSession : public std::enable_shared_from_this<StreamSession> {
 public:
  enum class Ended : std::uint8_t { no, cancelled, timed_out, closed };
  enum class Framing : std::uint8_t { framed, raw };

  StreamSession(asio::any_io_executor executor, std::shared_ptr<DaemonLink> link, std::string what)
      : executor_(std::move(executor)), timer_(executor_), link_(std::move(link)), what_(std::move(what)) {}

  /// Opening, once.
  void adopt(OpenAnswer answer);
  void adopt(OpenConnection connection);
  void set_framing(Framing framing) { framing_ = framing; }
  Framing framing() const { return framing_; }
  /// Sends the body beside everything else; its failure is that of the next read.
  void start_upload(BodySource source);
  /// The upload's answer begins. @errors Failure: its status is no success.
  Task<void> wait_answer();
  /// Arms the caller's token and time, once.
  void arm(std::stop_token stop, Deadline deadline);
  /// The token counts no more; after this no other thread touches the session. Not on the executor while it runs something.
  void disarm() { on_stop_.reset(); }

  /// 0: the clean end. @errors Failure.
  Task<std::size_t> read_some(std::span<std::byte> buffer);
  Task<std::optional<OutputChunk>> next_output();
  /// A line without its end; empty ones are skipped.
  Task<std::optional<std::string>> next_line();
  /// To a hijacked connection, or the body of an upload that start_upload does not send.
  Task<void> write(std::string_view bytes);
  Task<void> close_write();

  const net::Headers& headers() const { return headers_; }
  const asio::any_io_executor& executor() const { return executor_; }
  const std::string& what() const { return what_; }

  /// From any thread.
  void cancel() noexcept;
  void set_deadline(std::chrono::steady_clock::time_point deadline) noexcept;
  /// On the executor, or when nothing runs on it.
  void end_because(Ended why);

 private:
  static Task<void> upload(std::shared_ptr<StreamSession> self, BodySource source);
  Task<std::size_t> read_connection(std::span<std::byte> buffer);
  Task<void> write_connection(std::string_view bytes);
  void arm_timer(std::chrono::steady_clock::time_point deadline);
  void check_open() const;
  /// What a failure of the connection is to the caller.
  [[noreturn]] void rethrow_as_ended(const std::exception_ptr& failure) const;

  // Set in the constructor, never changed.
  asio::any_io_executor executor_;
  // On the executor.
  asio::steady_timer timer_;
  std::shared_ptr<DaemonLink> link_;
  std::string what_;
  std::unique_ptr<net::ClientStream> answer_;
  std::unique_ptr<ByteStream> connection_;
  ConnectionSlots::Lease slot_;
  net::Headers headers_;
  Framing framing_ = Framing::framed;
  Ended ended_ = Ended::no;
  std::optional<DockerError> upload_failure_;
  bool has_answer_ = true;
  api::FrameDecoder frames_;
  std::string buffer_;  // what was read and not given out: framed bytes, or lines
  std::size_t used_ = 0;
  std::size_t searched_ = 0;
  bool is_at_end_ = false;
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

}  // namespace sockerless
