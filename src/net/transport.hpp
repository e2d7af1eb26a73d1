#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/task.hpp"
#include "base/unique_fd.hpp"
#include "net/address.hpp"

// Internal to net/. Unix sockets, TCP and TLS behind one small interface, so that everything above is compiled once.
namespace sockerless::net {

using StreamSocket = asio::generic::stream_protocol::socket;

/// Up to three pieces that go out in one system call: head and body; or chunk size, chunk and line end.
using Pieces = std::array<std::string_view, 3>;

inline std::size_t size_of(const Pieces& pieces) { return pieces[0].size() + pieces[1].size() + pieces[2].size(); }

/// A connection. One read and one write at a time, which may overlap. Threads: one strand at a time.
class Transport {
 public:
  virtual ~Transport() = default;

  /// TLS only.
  virtual Task<void> handshake() = 0;
  /// At least one byte; 0: the peer has half-closed. Loses nothing when it is cancelled.
  /// @errors unavailable: the connection broke. cancelled: close() was called, or cancelled.
  virtual Task<std::size_t> read_some(std::span<std::byte> buffer) = 0;
  /// Bytes that are there at once; 0: read_some tells why there are none. TLS keeps its bytes to itself: always 0.
  virtual std::size_t try_read(std::span<std::byte> /*buffer*/) { return 0; }
  /// Hands the kernel what it takes at once; returns how much. Bytes that were not taken must be offered again, first.
  virtual std::size_t try_write(const Pieces& pieces) = 0;
  /// Waits until try_write may take more.
  virtual Task<void> wait_writable() = 0;
  /// Waits, but not for long, until the peer has read what was written, where the kernel tells: on a unix socket.
  virtual Task<void> until_read() { co_return; }
  /// Calls `stirred` on the transport's executor, once, when something came, the peer's end included; sooner at times. Until unwatch()
  /// nothing is read.
  virtual void watch(std::function<void()> stirred) = 0;
  virtual void unwatch() = 0;
  /// What waits ends as cancelled, and nothing is lost.
  virtual void cancel() = 0;
  /// Returns when the peer has closed both directions or the connection broke. Beside a read and a write.
  virtual Task<void> until_peer_gone() = 0;
  /// The peer reads end-of-file; reading goes on.
  virtual Task<void> close_write() = 0;
  virtual void close() = 0;
  /// Closes so that the peer sees a broken connection, not an end-of-file.
  virtual void abort() = 0;
  /// False if the peer has closed or sent something unasked: not a connection to send a request on.
  virtual bool is_quiet() = 0;
  /// Leaves its executor, which may go away then; only is_quiet, close and attach may follow.
  virtual void detach() = 0;
  virtual void attach(const asio::any_io_executor& executor) = 0;
  virtual const PeerInfo& peer() const = 0;
};

/// A socket that can change its executor.
class DetachableSocket {
 public:
  explicit DetachableSocket(StreamSocket socket);
  StreamSocket& get() { return *socket_; }
  bool is_open() const { return socket_ ? socket_->is_open() : static_cast<bool>(parked_); }
  int fd() { return socket_ ? socket_->native_handle() : parked_.get(); }
  void detach();
  void attach(const asio::any_io_executor& executor);
  void close();
  /// Closes with a reset.
  void abort();
  void watch(std::function<void()> readable);
  void unwatch();
  void cancel();

 private:
  std::optional<StreamSocket> socket_;
  UniqueFd parked_;                                  // the descriptor while there is no executor
  std::shared_ptr<std::function<void()>> readable_;  // shared with the wait for it, which may come back late
};

/// `pieces` without their first `count` bytes.
Pieces without_prefix(Pieces pieces, std::size_t count);
/// Writes everything.
Task<void> write_all(Transport& transport, Pieces pieces);

std::unique_ptr<Transport> make_plain_transport(StreamSocket socket, PeerInfo peer);

/// Returns when the kernel reports the socket hung up or failed. Of a TCP peer that only half-closed and then vanished, keep-alive learns
/// it.
Task<void> until_hung_up(StreamSocket& socket);

/// What the other end of an accepted or connected socket is.
PeerInfo peer_of(StreamSocket& socket);
/// TCP: no delay, keep-alive probes that notice a vanished peer within two minutes. Nothing for unix sockets.
void tune(StreamSocket& socket);

/// Wakes those who wait on the same strand. No version: check the condition, then wait, without a co_await between.
class StrandEvent {
 public:
  Task<void> wait();
  void notify();

 private:
  std::optional<asio::steady_timer> timer_;
};

/// Bytes read from a connection and not used yet. They are contiguous.
class InputBuffer {
 public:
  std::string_view view() const { return {storage_.data() + begin_, end_ - begin_}; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  void consume(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  /// Room for more bytes; what was prepared before is void.
  std::span<std::byte> prepare();
  /// Room for about that many.
  std::span<std::byte> prepare(std::size_t room);
  void commit(std::size_t count) { end_ += count; }
  /// Moves up to buffer.size() bytes out.
  std::size_t take(std::span<std::byte> buffer, std::size_t limit);
  void append(std::string_view bytes);

 private:
  std::string storage_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

/// Reads what arrives within `moment` without going to sleep: an idle core takes longer to wake up than many a peer on this machine to
/// answer. What else the thread has to do, and other processes of the core, go first; only one reader of the process stays awake at a
/// time, the others look once, after the thread's other work. @return 0: nothing came, or `given_up` is set.
Task<std::size_t> read_while_awake(Transport& from, InputBuffer& into, Deadline::Clock::duration moment, const bool& given_up);

}  // namespace sockerless::net
