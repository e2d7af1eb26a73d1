#include "backends/local/layer_fetches.hpp"

#include <algorithm>
#include <vector>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/byte_stream.hpp"
#include "base/log.hpp"

namespace sockerless::local {

namespace {

constexpr std::size_t kPiece = 1UL << 20;

Logger& logger() {
  static Logger log("pull");
  return log;
}

bool is_worth_another_try(const Error& error) {
  const auto* refusal = dynamic_cast<const oci::RegistryError*>(&error);
  if (refusal != nullptr) return refusal->refusal().status >= 500 || refusal->refusal().status == 429;
  return error.code() == ErrorCode::unavailable || error.code() == ErrorCode::deadline_exceeded || error.code() == ErrorCode::internal;
}

void blocking_write_at(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw from_errno(errno, "write a layer");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

/// A blob as far as it has come.
class PartialBlob {
 public:
  PartialBlob(BlockingPool& pool, UniqueFd file, oci::Descriptor expected)
      : pool_(pool), file_(std::make_shared<const UniqueFd>(std::move(file))), expected_(std::move(expected)), buffer_(kPiece) {}

  std::uint64_t size() const { return size_; }
  /// The registry does not resume: everything comes again.
  void restart() {
    size_ = 0;
    hash_ = oci::Sha256();
  }

  /// Reads as much as is conveniently there. @return false: the body has ended.
  Task<bool> take(net::ClientStream* body, std::chrono::milliseconds stall) {
    std::size_t filled = 0;
    co_await with_deadline(fill(body, &filled), Deadline::in(stall), "waiting for more of a layer");
    if (filled == 0) co_return false;
    if (size_ + filled > expected_.size) {
      throw Error::invalid_argument("the layer {} is longer than the {} bytes of its manifest", expected_.digest.str(), expected_.size);
    }
    const auto piece = std::span(buffer_).first(filled);
    co_await run_blocking(pool_, [&] {
      hash_.update(piece);
      blocking_write_at(file_->get(), piece, size_);
    });
    size_ += filled;
    co_return true;
  }

  oci::Blob finish() {
    if (size_ != expected_.size) {
      throw Error::invalid_argument("the layer {} has {} bytes, its manifest says {}", expected_.digest.str(), size_, expected_.size);
    }
    if (hash_.finish() != expected_.digest) {
      throw Error::invalid_argument("filesystem layer verification failed for digest {}", expected_.digest.str());
    }
    return {file_, 0, size_};
  }

 private:
  Task<void> fill(net::ClientStream* body, std::size_t* filled) {
    while (*filled < buffer_.size()) {
      const std::size_t count = co_await body->read_some(std::span(buffer_).subspan(*filled));
      if (count == 0) co_return;
      *filled += count;
      if (count < 4096) co_return;  // a slow sender: what came is shown and written
    }
  }

  BlockingPool& pool_;
  const std::shared_ptr<const UniqueFd> file_;  // shared with the blob that comes of it
  const oci::Descriptor expected_;
  std::vector<std::byte> buffer_;
  oci::Sha256 hash_;
  std::uint64_t size_ = 0;
};

}  // namespace

class LayerFetches::Fetch {
 public:
  Fetch(LayerRequest request_in, Key key_in) : request(std::move(request_in)), key(std::move(key_in)) {}

  // Set in the constructor, never changed.
  const LayerRequest request;
  const Key key;
  // Any thread.
  Guarded<FetchState> state;
  // Under the table's lock.
  int users = 1;
  bool ended = false;
};

/// The right to download, given back at its end.
class LayerFetches::Slot {
 public:
  explicit Slot(LayerFetches& fetches) : fetches_(fetches) {}
  ~Slot() {
    fetches_.table_.write([](Table& table) { --table.downloading; });
    fetches_.changed_.notify();
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

 private:
  LayerFetches& fetches_;
};

LayerFetches::LayerFetches(BlockingPool& pool, ExecutorSource executors, std::shared_ptr<ImageStore> store, FetchOptions options)
    : pool_(pool), executors_(std::move(executors)), store_(std::move(store)), options_(options) {}
LayerFetches::~LayerFetches() = default;

std::shared_ptr<LayerFetches::Fetch> LayerFetches::join(LayerRequest request) {
  Key key{request.domain + "/" + request.repository, request.descriptor.digest.str(), request.diff_id.str()};
  bool is_new = false;
  auto fetch = table_.write([&](Table& table) {
    const auto known = table.fetches.find(key);
    if (known != table.fetches.end() && known->second->state.read([](const FetchState& s) { return s.phase != FetchPhase::failed; })) {
      ++known->second->users;
      return known->second;
    }
    is_new = true;
    auto made = std::make_shared<Fetch>(std::move(request), key);
    table.fetches.insert_or_assign(key, made);
    return made;
  });
  if (is_new) tasks_.spawn("layer download", executors_(), run(fetch));
  return fetch;
}

FetchState LayerFetches::state(const Fetch& fetch) const {
  return fetch.state.read([](const FetchState& state) { return state; });
}

void LayerFetches::set(Fetch& fetch, FetchPhase phase) {
  fetch.state.write([&](FetchState& state) { state.phase = phase; });
  changed_.notify();
}

Task<void> LayerFetches::leave(std::shared_ptr<Fetch> fetch) {
  const bool last = table_.write([&](Table& table) {
    if (--fetch->users > 0) return false;
    const auto at = table.fetches.find(fetch->key);
    if (at != table.fetches.end() && at->second == fetch) table.fetches.erase(at);
    return true;
  });
  if (!last) co_return;
  changed_.notify();
  for (;;) {
    const std::uint64_t seen = changed_.version();
    if (table_.read([&](const Table&) { return fetch->ended; })) co_return;
    co_await changed_.wait_changed(seen);
  }
}

Task<void> LayerFetches::until_abandoned(std::shared_ptr<Fetch> fetch) {
  for (;;) {
    const std::uint64_t seen = changed_.version();
    if (table_.read([&](const Table&) { return fetch->users == 0; })) co_return;
    co_await changed_.wait_changed(seen);
  }
}

/// Lives until nobody takes part any more: the layer is pinned that long.
Task<void> LayerFetches::run(std::shared_ptr<Fetch> fetch) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());  // whoever takes part decides
  auto addition = std::make_unique<ImageStore::Addition>(*store_);
  std::exception_ptr failure;
  const auto work = [](LayerFetches* self, std::shared_ptr<Fetch> wanted, ImageStore::Addition* pins) -> Task<void> {
    const oci::Blob blob = co_await self->download(wanted);
    self->set(*wanted, FetchPhase::extracting);
    const LayerRequest& request = wanted->request;
    co_await run_blocking(self->pool_, [&] { pins->blocking_add_layer(blob, request.diff_id, std::nullopt); });
  };
  try {
    if (co_await race(work(this, fetch, addition.get()), until_abandoned(fetch)) == First::other) throw Error::cancelled();
    set(*fetch, FetchPhase::done);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    fetch->state.write([&](FetchState& state) {
      state.phase = FetchPhase::failed;
      state.failure = failure;
    });
    changed_.notify();
  }
  co_await until_abandoned(fetch);
  co_await run_blocking(pool_, [&] { addition.reset(); });
  table_.write([&](Table&) { fetch->ended = true; });
  changed_.notify();
}

Task<void> LayerFetches::wait_for_slot(Fetch* fetch) {
  for (bool told = false;; told = true) {
    const std::uint64_t seen = changed_.version();
    const bool free = table_.write([&](Table& table) {
      if (table.downloading >= options_.downloads_at_once) return false;
      ++table.downloading;
      return true;
    });
    if (free) co_return;
    if (!told) {
      set(*fetch, FetchPhase::waiting);
      continue;
    }
    co_await changed_.wait_changed(seen);
  }
}

Task<oci::Blob> LayerFetches::download(std::shared_ptr<Fetch> fetch) {
  co_await wait_for_slot(fetch.get());
  const Slot slot(*this);
  const LayerRequest& request = fetch->request;
  PartialBlob blob(pool_, co_await run_blocking(pool_, [&] { return oci::blocking_open_anonymous_file(store_->staging_directory()); }),
                   request.descriptor);
  auto shown = std::chrono::steady_clock::now();
  for (int attempt = 1;; ++attempt) {
    std::optional<Error> failure;
    const std::uint64_t before = blob.size();
    set(*fetch, FetchPhase::downloading);
    try {
      const oci::BlobStream stream = co_await request.client->open_blob(request.repository, request.descriptor.digest, before);
      if (before > 0 && stream.offset == 0) blob.restart();
      while (co_await blob.take(stream.body.get(), request.client->options().stall)) {
        fetch->state.write([&](FetchState& state) { state.bytes = blob.size(); });
        const auto now = std::chrono::steady_clock::now();
        if (now - shown < std::chrono::milliseconds(100)) continue;
        shown = now;
        changed_.notify();
      }
    } catch (const Error& error) {
      if (!is_worth_another_try(error)) throw;
      failure = error;
    }
    if (!failure) break;
    if (blob.size() >= before + kPiece) attempt = 1;  // a registry that gives a byte at a time gets no further
    if (attempt >= options_.attempts) throw *failure;
    logger().warn("download broke, it goes on later layer={} bytes={} attempt={} reason={}", request.descriptor.digest.str(), blob.size(),
                  attempt, failure->message());
    const auto delay = options_.retry_delay * attempt;
    fetch->state.write([&](FetchState& state) { state.retry_seconds = std::chrono::ceil<std::chrono::seconds>(delay).count(); });
    set(*fetch, FetchPhase::retrying);
    co_await sleep_for(delay);
  }
  set(*fetch, FetchPhase::verifying);
  oci::Blob whole = blob.finish();
  set(*fetch, FetchPhase::downloaded);
  co_return whole;
}

}  // namespace sockerless::local
