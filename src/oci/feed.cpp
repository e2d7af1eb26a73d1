#include "oci/feed.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/this_coro.hpp>

namespace sockerless::oci {

namespace {

constexpr std::size_t kMostWaiting = 1UL << 20;

/// Pieces on their way from the stream's strand to the work's thread.
class Feed final : public BlockingSource {
 public:
  // ---- the work's thread

  std::size_t blocking_read(std::span<std::byte> buffer) override {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !pieces_.empty() || ended_; });
    if (pieces_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return 0;
    }
    const auto& piece = pieces_.front();
    const std::size_t count = std::min(buffer.size(), piece.size() - taken_);
    std::memcpy(buffer.data(), piece.data() + taken_, count);
    taken_ += count;
    if (taken_ == piece.size()) {
      const bool was_full = waiting_ >= kMostWaiting;
      waiting_ -= piece.size();
      taken_ = 0;
      pieces_.pop_front();
      if (was_full && waiting_ < kMostWaiting) changed.notify();
    }
    return count;
  }

  void finish(std::exception_ptr result) {
    {
      const std::lock_guard lock(mutex_);
      result_ = std::move(result);
      finished_ = true;
      pieces_.clear();
      waiting_ = 0;
    }
    changed.notify();
  }

  // ---- the stream's strand

  void push(std::span<const std::byte> bytes) {
    {
      const std::lock_guard lock(mutex_);
      if (finished_) return;
      waiting_ += bytes.size();
      pieces_.emplace_back(bytes.begin(), bytes.end());
    }
    arrived_.notify_one();
  }
  void end(std::exception_ptr failure) {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      if (failure) pieces_.clear();
      failure_ = std::move(failure);
    }
    arrived_.notify_one();
  }
  bool has_room() {
    const std::lock_guard lock(mutex_);
    return finished_ || waiting_ < kMostWaiting;
  }
  bool is_finished() {
    const std::lock_guard lock(mutex_);
    return finished_;
  }
  bool has_failed() {
    const std::lock_guard lock(mutex_);
    return finished_ && result_;
  }
  std::exception_ptr result() {
    const std::lock_guard lock(mutex_);
    return result_;
  }

  Signal changed;  ///< there is room again, or the work has ended

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::vector<std::byte>> pieces_;
  std::size_t waiting_ = 0;  // bytes in pieces_
  std::size_t taken_ = 0;    // of the first piece
  bool ended_ = false;
  bool finished_ = false;
  std::exception_ptr failure_;
  std::exception_ptr result_;
};

Task<void> push_all(std::shared_ptr<Feed> feed, ByteSource* stream) {
  for (;;) {
    const auto bytes = co_await stream->next();
    if (bytes.empty() || feed->has_failed()) co_return;
    feed->push(bytes);
    for (;;) {
      const std::uint64_t seen = feed->changed.version();
      if (feed->has_room()) break;
      co_await feed->changed.wait_changed(seen);
    }
  }
}

Task<void> until_finished(std::shared_ptr<Feed> feed) {
  for (;;) {
    const std::uint64_t seen = feed->changed.version();
    if (feed->is_finished()) co_return;
    co_await feed->changed.wait_changed(seen);
  }
}

}  // namespace

Task<void> feed(std::unique_ptr<ByteSource> stream, std::function<void(BlockingSource&)> work) {
  auto queue = std::make_shared<Feed>();
  std::jthread worker([queue, work = std::move(work)] {
    std::exception_ptr result;
    try {
      work(*queue);
    } catch (...) {
      result = std::current_exception();
    }
    queue->finish(result);
  });
  std::exception_ptr failure;
  try {
    co_await push_all(queue, stream.get());
    queue->end(nullptr);
    co_await until_finished(queue);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    queue->end(failure);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await until_finished(queue);
  }
  if (const auto result = queue->result()) std::rethrow_exception(result);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace sockerless::oci
