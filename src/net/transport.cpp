#include "net/transport.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/error.hpp"

namespace sockerless::net {

namespace {

constexpr std::size_t kInputChunk = 16UL * 1024;
constexpr std::chrono::microseconds kReadSoon{200};
constexpr std::chrono::milliseconds kReadPatience{20};

void raise(const boost::system::error_code& error) {
  if (!error) return;
  if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) throw Error::cancelled();
  throw Error(ErrorCode::unavailable, "the connection was closed by the peer", error.message());
}

class PlainTransport final : public Transport {
 public:
  PlainTransport(StreamSocket socket, PeerInfo peer) : socket_(std::move(socket)), peer_(std::move(peer)) {}

  Task<void> handshake() override { co_return; }

  Task<std::size_t> read_some(std::span<std::byte> buffer) override {
    boost::system::error_code error;
    const std::size_t count = co_await socket_.get().async_read_some(asio::buffer(buffer.data(), buffer.size()),
                                                                     asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::eof) co_return 0;
    raise(error);
    co_return count;
  }

  std::size_t try_read(std::span<std::byte> buffer) override {
    const ssize_t count = socket_.is_open() ? ::recv(socket_.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT) : -1;
    return count > 0 ? static_cast<std::size_t>(count) : 0;  // end and failure stay for read_some to see
  }

  std::size_t try_write(const Pieces& pieces) override {
    if (!socket_.is_open()) throw Error::cancelled();
    std::array<iovec, 3> vectors{};
    std::size_t used = 0;
    for (const std::string_view piece : pieces) {
      if (!piece.empty()) vectors[used++] = {const_cast<char*>(piece.data()), piece.size()};
    }
    if (used == 0) return 0;
    msghdr message{};
    message.msg_iov = vectors.data();
    message.msg_iovlen = used;
    for (;;) {
      const ssize_t sent = used == 1
                               ? ::send(socket_.fd(), vectors[0].iov_base, vectors[0].iov_len, MSG_NOSIGNAL)  // the kernel's short way
                               : ::sendmsg(socket_.fd(), &message, MSG_NOSIGNAL);
      if (sent >= 0) return static_cast<std::size_t>(sent);
      if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
      if (errno != EINTR) throw Error(ErrorCode::unavailable, "the connection was closed by the peer", std::strerror(errno));
    }
  }

  Task<void> wait_writable() override {
    boost::system::error_code error;
    co_await socket_.get().async_wait(StreamSocket::wait_write, asio::redirect_error(asio::use_awaitable, error));
    raise(error);
  }

  Task<void> until_read() override {
    if (peer_.transport != PeerInfo::Transport::unix_socket) co_return;
    const auto executor = co_await asio::this_coro::executor;
    const auto begin = Deadline::Clock::now();
    for (auto waited = begin - begin; has_unread() && waited < kReadPatience; waited = Deadline::Clock::now() - begin) {
      if (waited < kReadSoon) {
        co_await asio::post(executor, asio::use_awaitable);
        ::sched_yield();
      } else {
        co_await sleep_for(kReadSoon);  // the kernel wakes nobody when a peer has read
      }
    }
  }

  void watch(std::function<void()> stirred) override { socket_.watch(std::move(stirred)); }
  void unwatch() override { socket_.unwatch(); }
  void cancel() override { socket_.cancel(); }
  Task<void> until_peer_gone() override { return until_hung_up(socket_.get()); }

  Task<void> close_write() override {
    boost::system::error_code ignored;  // a peer that is gone needs no end-of-file
    if (socket_.is_open()) socket_.get().shutdown(StreamSocket::shutdown_send, ignored);
    co_return;
  }

  void close() override { socket_.close(); }
  void abort() override { socket_.abort(); }
  void detach() override { socket_.detach(); }
  void attach(const asio::any_io_executor& executor) override { socket_.attach(executor); }

  bool is_quiet() override {
    char byte = 0;
    return socket_.is_open() && ::recv(socket_.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  const PeerInfo& peer() const override { return peer_; }

 private:
  /// The peer has not read everything that was written.
  bool has_unread() {
    int bytes = 0;
    return socket_.is_open() && ::ioctl(socket_.fd(), SIOCOUTQ, &bytes) == 0 && bytes > 0;
  }

  DetachableSocket socket_;
  PeerInfo peer_;
};

std::string text_of(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> host{};
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, host.data(), host.size());
    return fmt::format("{}:{}", host.data(), ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  ::inet_ntop(AF_INET6, &v6.sin6_addr, host.data(), host.size());
  return fmt::format("[{}]:{}", host.data(), ntohs(v6.sin6_port));
}

}  // namespace

DetachableSocket::DetachableSocket(StreamSocket socket) : socket_(std::move(socket)) { socket_->non_blocking(true); }

void DetachableSocket::detach() {
  parked_ = UniqueFd(socket_->release());
  socket_.reset();
}

void DetachableSocket::attach(const asio::any_io_executor& executor) {
  sockaddr address{};
  socklen_t length = sizeof address;
  ::getsockname(parked_.get(), &address, &length);
  socket_.emplace(executor, asio::generic::stream_protocol(address.sa_family, 0), parked_.get());
  std::ignore = parked_.release();  // the socket owns it now
  socket_->non_blocking(true);
}

void DetachableSocket::close() {
  boost::system::error_code ignored;  // closing is the end: there is nobody to tell
  if (socket_) socket_->close(ignored);
  parked_.reset();
}

void DetachableSocket::abort() {
  boost::system::error_code ignored;  // as above
  if (socket_) socket_->set_option(asio::socket_base::linger(true, 0), ignored);
  close();
}

void DetachableSocket::watch(std::function<void()> readable) {
  if (!socket_) return;
  if (!readable_) readable_ = std::make_shared<std::function<void()>>();
  *readable_ = std::move(readable);
  socket_->async_wait(StreamSocket::wait_read, [shared = readable_](const boost::system::error_code& error) {
    if (error != asio::error::operation_aborted && *shared) std::exchange(*shared, {})();
  });
}

void DetachableSocket::unwatch() {
  if (!readable_) return;
  *readable_ = {};
  cancel();
}

void DetachableSocket::cancel() {
  boost::system::error_code ignored;  // a socket that is closed has nothing left to cancel
  if (socket_) socket_->cancel(ignored);
}

std::unique_ptr<Transport> make_plain_transport(StreamSocket socket, PeerInfo peer) {
  return std::make_unique<PlainTransport>(std::move(socket), std::move(peer));
}

Pieces without_prefix(Pieces pieces, std::size_t count) {
  for (std::string_view& piece : pieces) {
    const std::size_t gone = std::min(count, piece.size());
    piece.remove_prefix(gone);
    count -= gone;
  }
  return pieces;
}

Task<void> write_all(Transport& transport, Pieces pieces) {
  for (;;) {
    pieces = without_prefix(pieces, transport.try_write(pieces));
    if (size_of(pieces) == 0) co_return;
    co_await transport.wait_writable();
  }
}

Task<std::size_t> read_while_awake(Transport& from, InputBuffer& into, Deadline::Clock::duration moment, const bool& given_up) {
  static std::atomic_flag is_someone_awake;
  const bool stays_awake = moment > Deadline::Clock::duration::zero() && !is_someone_awake.test_and_set();
  const std::unique_ptr<std::atomic_flag, void (*)(std::atomic_flag*)> asleep(stays_awake ? &is_someone_awake : nullptr,
                                                                              [](std::atomic_flag* flag) { flag->clear(); });
  const auto executor = co_await asio::this_coro::executor;
  const auto end = Deadline::Clock::now() + moment;
  for (;;) {
    co_await asio::post(executor, asio::use_awaitable);
    if (given_up) co_return 0;
    const std::size_t count = from.try_read(into.prepare());
    into.commit(count);
    if (count > 0 || !stays_awake || Deadline::Clock::now() >= end) co_return count;
    ::sched_yield();
  }
}

Task<void> until_hung_up(StreamSocket& socket) {
  for (;;) {
    boost::system::error_code error;
    co_await socket.async_wait(StreamSocket::wait_error, asio::redirect_error(asio::use_awaitable, error));
    raise(error);
    pollfd state{.fd = socket.native_handle(), .events = 0, .revents = 0};
    if (::poll(&state, 1, 0) > 0) co_return;  // else it was urgent data, which means nothing here
  }
}

PeerInfo peer_of(StreamSocket& socket) {
  PeerInfo peer;
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(socket.native_handle(), reinterpret_cast<sockaddr*>(&address), &length) != 0 || address.ss_family == AF_UNIX) {
    peer.address = "unix";
    ucred credentials{};
    length = sizeof credentials;
    if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0) {
      peer.credentials = UnixCredentials{.pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid};
    }
    return peer;
  }
  peer.transport = PeerInfo::Transport::tcp;
  peer.address = text_of(address);
  return peer;
}

void tune(StreamSocket& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(socket.native_handle(), reinterpret_cast<sockaddr*>(&address), &length) != 0 || address.ss_family == AF_UNIX) return;
  const auto set = [&](int level, int option, int value) {
    std::ignore = ::setsockopt(socket.native_handle(), level, option, &value, sizeof value);  // works without it, only less well
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

Task<void> StrandEvent::wait() {
  if (!timer_) timer_.emplace(co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
  boost::system::error_code error;
  co_await timer_->async_wait(asio::redirect_error(asio::use_awaitable, error));
}

void StrandEvent::notify() {
  if (timer_) timer_->cancel();
}

std::span<std::byte> InputBuffer::prepare() { return prepare(kInputChunk); }

std::span<std::byte> InputBuffer::prepare(std::size_t room) {
  if (storage_.size() - end_ < room / 4) {
    if (begin_ > 0) {
      std::memmove(storage_.data(), storage_.data() + begin_, size());
      end_ -= begin_;
      begin_ = 0;
    }
    if (storage_.size() - end_ < room / 4) storage_.resize(std::max(room, storage_.size() * 2));
  }
  return std::as_writable_bytes(std::span(storage_.data() + end_, storage_.size() - end_));
}

std::size_t InputBuffer::take(std::span<std::byte> buffer, std::size_t limit) {
  const std::size_t count = std::min({buffer.size(), limit, size()});
  std::memcpy(buffer.data(), storage_.data() + begin_, count);
  consume(count);
  return count;
}

void InputBuffer::append(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::span<std::byte> room = prepare();
    const std::size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    commit(count);
    bytes.remove_prefix(count);
  }
}

}  // namespace sockerless::net
