#include "backends/local/layer_fetches.hpp"

#include <algorithm>
#include <atomic>
#include <vector>

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "base/byte_stream.hpp"
#include "base/log.hpp"

namespace sockerless::local {

namespace {

constexpr std::size_t kPiece = 1UL << 20;
constexpr std::uint64_t kLeastProgress = 64UL * 1024;  // of a download, in the time after which silence is a stall

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

/// How fast a download comes. Only the time spent waiting for the registry counts.
class Pace {
 public:
  explicit Pace(std::chrono::milliseconds stall) : stall_(stall) {}
  std::chrono::milliseconds stall() const { return stall_; }

  /// @errors deadline_exceeded: the registry trickles.
  void add(std::size_t bytes, Deadline::Clock::duration waited) {
    bytes_ += bytes;
    waited_ += waited;
    if (waited_ < stall_) return;
    if (bytes_ < kLeastProgress) throw Error::deadline_exceeded("waiting for more of a layer took too long");
    bytes_ = 0;
    waited_ = {};
  }

 private:
  const std::chrono::milliseconds stall_;
  std::uint64_t bytes_ = 0;
  Deadline::Clock::duration waited_{};
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
  std::atomic<bool> ended = false;
  // Under the table's lock.
  int users = 1;
};

/// A blob as far as it has come.
class LayerFetches::PartialBlob {
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
  Task<bool> take(net::ClientStream* body, Pace* pace) {
    std::size_t filled = 0;
    const auto began = Deadline::Clock::now();
    co_await with_deadline(fill(body, &filled), Deadline::in(pace->stall()), "waiting for more of a layer");
    if (filled == 0) co_return false;
    pace->add(filled, Deadline::Clock::now() - began);
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
    const auto began = Deadline::Clock::now();
    while (*filled < buffer_.size()) {
      const std::size_t count = co_await body->read_some(std::span(buffer_).subspan(*filled));
      if (count == 0) co_return;
      *filled += count;
      const bool is_slow = count < 4096 || Deadline::Clock::now() - began > std::chrono::seconds(1);
      if (is_slow) co_return;  // what came is shown and written
    }
  }

  BlockingPool& pool_;
  const std::shared_ptr<const UniqueFd> file_;  // shared with the blob that comes of it
  const oci::Descriptor expected_;
  std::vector<std::byte> buffer_;
  oci::Sha256 hash_;
  std::uint64_t size_ = 0;
};

Turns::Turn::~Turn() {
  state_->taken.write([&](auto& taken) {
    if (--taken[name_] == 0) taken.erase(name_);
  });
  state_->given_back.notify();
}

std::unique_ptr<const Turns::Turn> Turns::try_take(const std::string& name) {
  const bool free = state_->taken.write([&](auto& taken) {
    int& count = taken[name];
    if (count >= at_once_) return false;
    ++count;
    return true;
  });
  return free ? std::make_unique<const Turn>(state_, name) : nullptr;
}

Task<std::unique_ptr<const Turns::Turn>> Turns::take(std::string name) {
  const auto state = state_;
  for (;;) {
    const std::uint64_t seen = state->given_back.version();
    if (auto turn = try_take(name)) co_return turn;
    co_await state->given_back.wait_changed(seen);
  }
}

LayerFetches::LayerFetches(BlockingPool& pool, ExecutorSource executors, std::shared_ptr<ImageStore> store, FetchOptions options)
    : pool_(pool), executors_(std::move(executors)), store_(std::move(store)), options_(options), downloads_(options.downloads_at_once) {}
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
  changed_->notify();
}

Task<void> LayerFetches::leave(std::shared_ptr<Fetch> fetch) {
  const bool last = table_.write([&](Table& table) {
    if (--fetch->users > 0) return false;
    const auto at = table.fetches.find(fetch->key);
    if (at != table.fetches.end() && at->second == fetch) table.fetches.erase(at);
    return true;
  });
  if (!last) co_return;
  changed_->notify();
  for (;;) {
    const std::uint64_t seen = changed_->version();
    if (fetch->ended) co_return;
    co_await changed_->wait_changed(seen);
  }
}

Task<void> LayerFetches::until_abandoned(std::shared_ptr<Fetch> fetch) {
  for (;;) {
    const std::uint64_t seen = changed_->version();
    if (table_.read([&](const Table&) { return fetch->users == 0; })) co_return;
    co_await changed_->wait_changed(seen);
  }
}

/// Lives until nobody takes part any more: the layer is pinned that long.
Task<void> LayerFetches::run(std::shared_ptr<Fetch> fetch) {
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());  // whoever takes part decides
  auto addition = std::make_unique<ImageStore::Addition>(*store_);
  std::exception_ptr failure;
  try {
    if (co_await race(unpack(fetch, addition.get()), until_abandoned(fetch)) == First::other) throw Error::cancelled();
    set(*fetch, FetchPhase::done);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    fetch->state.write([&](FetchState& state) {
      state.phase = FetchPhase::failed;
      state.failure = failure;
    });
    changed_->notify();
  }
  co_await until_abandoned(fetch);
  co_await run_blocking(pool_, [&] { addition.reset(); });
  const auto changed = changed_;
  fetch->ended = true;  // whoever sees it may destroy this table: from here on only what the task shares is touched
  changed->notify();
}

Task<void> LayerFetches::unpack(std::shared_ptr<Fetch> fetch, ImageStore::Addition* pins) {
  const oci::Blob blob = co_await download(fetch);
  const auto turn = co_await labour_.take("unpack");
  set(*fetch, FetchPhase::extracting);
  co_await run_blocking(pool_, [&] { pins->blocking_add_layer(blob, fetch->request.diff_id, std::nullopt); });
}

/// One attempt: from where the blob stands to its end.
Task<void> LayerFetches::receive(Fetch* fetch, PartialBlob* blob) {
  const LayerRequest& request = fetch->request;
  const std::uint64_t before = blob->size();
  const oci::BlobStream stream = co_await request.client->open_blob(request.repository, request.descriptor.digest, before);
  if (before > 0 && stream.offset == 0) blob->restart();
  Pace pace(request.client->options().stall);
  auto shown = Deadline::Clock::now();
  while (co_await blob->take(stream.body.get(), &pace)) {
    fetch->state.write([&](FetchState& state) { state.bytes = blob->size(); });
    const auto now = Deadline::Clock::now();
    if (now - shown < std::chrono::milliseconds(100)) continue;
    shown = now;
    changed_->notify();
  }
}

Task<oci::Blob> LayerFetches::download(std::shared_ptr<Fetch> fetch) {
  const LayerRequest& request = fetch->request;
  auto turn = downloads_.try_take(request.domain);
  if (!turn) {
    set(*fetch, FetchPhase::waiting);
    turn = co_await downloads_.take(request.domain);
  }
  PartialBlob blob(pool_, co_await run_blocking(pool_, [&] { return oci::blocking_open_anonymous_file(store_->staging_directory()); }),
                   request.descriptor);
  for (int attempt = 1;; ++attempt) {
    std::optional<Error> failure;
    const std::uint64_t before = blob.size();
    set(*fetch, FetchPhase::downloading);
    try {
      co_await receive(fetch.get(), &blob);
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
