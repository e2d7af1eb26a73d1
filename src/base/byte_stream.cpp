#include "base/byte_stream.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <tuple>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

// ---- in memory

/// One direction of a pair.
struct Channel {
  explicit Channel(std::size_t room) : capacity(room) {}
  const std::size_t capacity;
  std::mutex mutex;
  std::deque<std::byte> bytes;
  bool write_closed = false;
  bool broken = false;
  Signal changed;
};

class PairStream final : public ByteStream {
 public:
  PairStream(std::shared_ptr<Channel> in, std::shared_ptr<Channel> out) : in_(std::move(in)), out_(std::move(out)) {}
  ~PairStream() override { close(); }

  Task<std::size_t> read_some(std::span<std::byte> buffer) override {
    for (;;) {
      const std::uint64_t seen = in_->changed.version();
      {
        const std::scoped_lock lock(in_->mutex);
        if (closed_) throw Error::cancelled();
        if (!in_->bytes.empty()) {
          const std::size_t count = std::min(buffer.size(), in_->bytes.size());
          std::copy_n(in_->bytes.begin(), count, buffer.begin());
          in_->bytes.erase(in_->bytes.begin(), in_->bytes.begin() + static_cast<std::ptrdiff_t>(count));
          in_->changed.notify();
          co_return count;
        }
        if (in_->write_closed || in_->broken) co_return 0;
      }
      co_await in_->changed.wait_changed(seen);
    }
  }

  Task<void> write(std::span<const std::byte> data) override {
    while (!data.empty()) {
      const std::uint64_t seen = out_->changed.version();
      {
        const std::scoped_lock lock(out_->mutex);
        if (closed_) throw Error::cancelled();
        if (out_->broken || out_->write_closed) throw Error::unavailable("the peer has closed the stream");
        const std::size_t count = std::min(data.size(), out_->capacity - out_->bytes.size());
        out_->bytes.insert(out_->bytes.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(count));
        data = data.subspan(count);
        if (count > 0) out_->changed.notify();
      }
      if (!data.empty()) co_await out_->changed.wait_changed(seen);
    }
  }

  Task<void> close_write() override {
    finish(*out_, &Channel::write_closed);
    co_return;
  }

  void close() override {
    if (closed_.exchange(true)) return;
    finish(*out_, &Channel::write_closed);
    finish(*in_, &Channel::broken);
  }

 private:
  static void finish(Channel& channel, bool Channel::* flag) {
    {
      const std::scoped_lock lock(channel.mutex);
      channel.*flag = true;
    }
    channel.changed.notify();
  }

  std::shared_ptr<Channel> in_;   // shared by the two ends of the pair
  std::shared_ptr<Channel> out_;  // same
  std::atomic<bool> closed_{false};
};

// ---- over descriptors

class FdStream final : public ByteStream {
 public:
  FdStream(const asio::any_io_executor& executor, UniqueFd read_fd, UniqueFd write_fd) {
    if (write_fd) out_.emplace(executor, write_fd.release());
    if (read_fd) in_.emplace(executor, read_fd.release());
    if (in_) in_->non_blocking(true);
    if (out_) out_->non_blocking(true);
  }

  Task<std::size_t> read_some(std::span<std::byte> buffer) override {
    if (!in_) co_return 0;
    boost::system::error_code error;
    const std::size_t count =
        co_await in_->async_read_some(asio::buffer(buffer.data(), buffer.size()), asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::eof || error == boost::system::errc::io_error) co_return 0;  // EIO: the other side of a pty is gone
    if (error == asio::error::connection_reset) co_return 0;
    raise(error);
    co_return count;
  }

  Task<void> write(std::span<const std::byte> data) override {
    if (!out_) throw Error::unavailable("the stream cannot be written");
    boost::system::error_code error;
    co_await asio::async_write(*out_, asio::buffer(data.data(), data.size()), asio::redirect_error(asio::use_awaitable, error));
    raise(error);
  }

  Task<void> close_write() override {
    if (out_ && out_->is_open()) {
      const int fd = out_->native_handle();
      struct stat status{};
      if (::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode)) {
        std::ignore = ::shutdown(fd, SHUT_WR);  // a peer that is gone already needs no end-of-file
      } else if (!S_ISCHR(status.st_mode)) {
        out_.reset();
      }
    }
    co_return;
  }

  void close() override {
    boost::system::error_code ignored;  // closing is the end: there is nobody to tell
    if (in_) in_->close(ignored);
    if (out_) out_->close(ignored);
  }

 private:
  static void raise(const boost::system::error_code& error) {
    if (!error) return;
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) throw Error::cancelled();
    throw Error(ErrorCode::unavailable, "the peer has closed the stream", error.message());
  }

  std::optional<asio::posix::stream_descriptor> in_;
  std::optional<asio::posix::stream_descriptor> out_;
};

}  // namespace

std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_stream_pair(std::size_t capacity) {
  auto there = std::make_shared<Channel>(capacity);
  auto back = std::make_shared<Channel>(capacity);
  return {std::make_unique<PairStream>(there, back), std::make_unique<PairStream>(back, there)};
}

std::unique_ptr<ByteStream> make_fd_stream(asio::any_io_executor executor, UniqueFd read_fd, UniqueFd write_fd) {
  return std::make_unique<FdStream>(executor, std::move(read_fd), std::move(write_fd));
}

Task<std::uint64_t> copy_stream(ByteStream& from, ByteStream& to) {
  std::vector<std::byte> buffer(64UL * 1024);
  std::uint64_t total = 0;
  for (;;) {
    const std::size_t count = co_await from.read_some(buffer);
    if (count == 0) break;
    co_await to.write(std::span(buffer).first(count));
    total += count;
  }
  co_await to.close_write();
  co_return total;
}

}  // namespace sockerless
