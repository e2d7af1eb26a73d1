#include "backends/local/monitor_channel.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless::local {

namespace {

constexpr std::size_t kMaxDescriptors = 3;
constexpr int kReplySeconds = 10;

/// Reads the reply to a request over a blocking socket. @return the errno in it, or EIO.
int read_reply(int fd) {
  Message reply;
  const ssize_t count = ::recv(fd, &reply, sizeof(reply), MSG_WAITALL);
  // The monitor went away; with a command in its socket that it had not read, the kernel says so by a reset.
  if (count == 0 || (count < 0 && errno == ECONNRESET)) return ESRCH;
  if (count < 0 && errno == EAGAIN) return ETIMEDOUT;
  if (count != sizeof(reply) || reply.magic != kMessageMagic || reply.kind != MessageKind::reply) return EIO;
  return reply.a;
}

class MonitorStdin final : public StdinWriter {
 public:
  MonitorStdin(const asio::any_io_executor& executor, UniqueFd fd) : stream_(executor, fd.release()) { stream_.non_blocking(true); }

  Task<void> write(std::span<const std::byte> input) override {
    boost::system::error_code error;
    co_await asio::async_write(stream_, asio::buffer(input.data(), input.size()), asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted) throw Error::cancelled();
    if (error) throw Error(ErrorCode::unavailable, "the container's stdin is closed", error.message());
  }

  Task<void> close() override {
    ::shutdown(stream_.native_handle(), SHUT_WR);
    // The monitor answers with its own end when it has passed everything on: going away earlier would mean "detached".
    std::array<std::byte, 64> rest;
    boost::system::error_code error;
    while (!error) {
      co_await stream_.async_read_some(asio::buffer(rest.data(), rest.size()), asio::redirect_error(asio::use_awaitable, error));
    }
    if (error == asio::error::operation_aborted) throw Error::cancelled();
  }

 private:
  asio::posix::stream_descriptor stream_;
};

}  // namespace

// ---- MonitorChannel

MonitorChannel::MonitorChannel(const asio::any_io_executor& executor, UniqueFd fd) : stream_(executor, fd.release()) {
  stream_.non_blocking(true);
}

bool MonitorChannel::take_message(Received& received) {
  if (buffer_.size() < sizeof(Message)) return false;
  std::memcpy(&received.head, buffer_.data(), sizeof(Message));
  if (received.head.magic != kMessageMagic || received.head.text_length > kMaxMessageText) throw Error::internal("a monitor sent nonsense");
  const std::size_t size = sizeof(Message) + received.head.text_length;
  if (buffer_.size() < size) return false;
  received.text = buffer_.substr(sizeof(Message), received.head.text_length);
  received.descriptors = std::exchange(descriptors_, {});
  buffer_.erase(0, size);
  return true;
}

bool MonitorChannel::receive_some() {
  std::array<char, 4096> data;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> control;
  iovec vector{data.data(), data.size()};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t count = ::recvmsg(stream_.native_handle(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t number = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < number; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
      descriptors_.emplace_back(fd);
    }
  }
  buffer_.append(data.data(), static_cast<std::size_t>(count));
  return count > 0;
}

Task<std::optional<MonitorChannel::Received>> MonitorChannel::next() {
  Received received;
  while (!take_message(received)) {
    co_await stream_.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    if (!receive_some()) co_return std::nullopt;
  }
  co_return std::move(received);
}

void MonitorChannel::send(MessageKind kind, std::int32_t a, std::int32_t b) {
  Message message;
  message.kind = kind;
  message.a = a;
  message.b = b;
  std::ignore = ::send(stream_.native_handle(), &message, sizeof(message), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// ---- connections

ChannelPair make_channel_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) throw from_errno(errno, "socketpair");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

UniqueFd blocking_connect_monitor(const std::string& directory) {
  const UniqueFd folder(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return {};
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw from_errno(errno, "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // By descriptor: an address holds 107 bytes, a container's directory may be longer.
  const std::string path = fmt::format("/proc/self/fd/{}/{}", folder.get(), kControlSocketName);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {};
  const timeval limit{kReplySeconds, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  return fd;
}

namespace {

int request(int fd, MessageKind kind, std::int32_t a, std::int32_t b) {
  Message message;
  message.kind = kind;
  message.a = a;
  message.b = b;
  if (::send(fd, &message, sizeof(message), MSG_NOSIGNAL) != sizeof(message)) return ESRCH;
  return read_reply(fd);
}

}  // namespace

int blocking_command(const std::string& directory, MessageKind kind, std::int32_t a, std::int32_t b) {
  const UniqueFd fd = blocking_connect_monitor(directory);
  return fd ? request(fd.get(), kind, a, b) : ESRCH;
}

std::unique_ptr<StdinWriter> blocking_open_stdin(asio::any_io_executor executor, const std::string& directory) {
  UniqueFd fd = blocking_connect_monitor(directory);
  const int error = fd ? request(fd.get(), MessageKind::attach_stdin, 0, 0) : ESRCH;
  if (error == ENXIO) return nullptr;
  if (error != 0) throw Error::unavailable("the container's stdin is closed");
  return std::make_unique<MonitorStdin>(std::move(executor), std::move(fd));
}

bool blocking_wait_unlocked(const std::string& directory, std::chrono::milliseconds timeout) {
  const UniqueFd folder(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return true;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  // flock(2) has no time-out; a monitor on its way out takes milliseconds.
  while (::flock(folder.get(), LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace sockerless::local
