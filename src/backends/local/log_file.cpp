#include "backends/local/log_file.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/this_coro.hpp>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/monitor/protocol.hpp"
#include "base/error.hpp"
#include "base/guarded.hpp"

namespace sockerless::local {

namespace {

constexpr std::size_t kBatchBytes = 512UL * 1024;
constexpr std::size_t kHoleBlockBytes = 16UL * 1024;
constexpr std::size_t kTailBlockBytes = 256UL * 1024;
static_assert(kTailBlockBytes > kMaxRecordPayload + kRecordOverhead);

UniqueFd open_log_file(const std::string& path) { return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)); }

std::uint64_t file_size(int fd) {
  struct stat status{};
  return ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

/// Reads what is there of the range. @return bytes read.
std::size_t read_at(int fd, std::byte* data, std::size_t size, std::uint64_t offset) {
  std::size_t have = 0;
  while (have < size) {
    const ssize_t count = ::pread(fd, data + have, size - have, static_cast<off_t>(offset + have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw from_errno(errno, "read the container's log");
    if (count == 0) break;
    have += static_cast<std::size_t>(count);
  }
  return have;
}

template <typename T>
T load(const std::byte* data) {
  T value;
  std::memcpy(&value, data, sizeof(value));
  return value;
}

/// The size of the record that starts at `data`, 0 when it is not complete or none.
std::size_t record_size(std::span<const std::byte> data) {
  if (data.size() < kRecordOverhead) return 0;
  const auto header = load<RecordHeader>(data.data());
  if (header.magic != kRecordMagic || header.length > kMaxRecordPayload) return 0;
  const std::size_t size = header.length + kRecordOverhead;
  if (size > data.size() || load<RecordTrailer>(data.data() + size - sizeof(RecordTrailer)) != size) return 0;
  return size;
}

LogRecord to_record(std::span<const std::byte> record) {
  const auto header = load<RecordHeader>(record.data());
  return {header.stream == 2 ? StdStream::err : StdStream::out, TimePoint(std::chrono::nanoseconds(header.time)),
          record.subspan(sizeof(RecordHeader), header.length)};
}

/// The first record at or after an offset that holds zeros: a part of the log that was given up (max-size) leaves them.
std::uint64_t skip_hole(int fd, std::uint64_t offset) {
  const std::uint64_t size = file_size(fd);
  const off_t data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) return offset;
  std::uint64_t at = std::max(offset, static_cast<std::uint64_t>(data));
  std::vector<std::byte> block(kHoleBlockBytes);
  while (at < size) {
    const std::size_t have = read_at(fd, block.data(), block.size(), at);
    std::size_t zeros = 0;
    while (zeros < have && block[zeros] == std::byte{0}) ++zeros;
    at += zeros;
    if (zeros < have || have == 0) return at;
  }
  return std::min(at, size);
}

std::uint64_t end_of_records(int fd) {
  const std::uint64_t size = file_size(fd);
  std::vector<std::byte> block(kTailBlockBytes);
  // The usual case: the file ends with a record.
  const std::size_t tail = static_cast<std::size_t>(std::min<std::uint64_t>(size, kTailBlockBytes));
  if (tail >= kRecordOverhead && read_at(fd, block.data(), tail, size - tail) == tail) {
    const auto last = load<RecordTrailer>(block.data() + tail - sizeof(RecordTrailer));
    if (last >= kRecordOverhead && last <= tail && record_size(std::span(block).first(tail).last(last)) == last) return size;
  }
  std::uint64_t end = skip_hole(fd, 0);
  for (;;) {
    const std::size_t have = read_at(fd, block.data(), block.size(), end);
    std::size_t used = 0;
    while (const std::size_t record = record_size(std::span(block).first(have).subspan(used))) used += record;
    if (used == 0) return end;
    end += used;
  }
}

}  // namespace

std::uint64_t blocking_log_end(const std::string& path) {
  const UniqueFd fd = open_log_file(path);
  return fd ? end_of_records(fd.get()) : 0;
}

LogPosition blocking_log_tail(const std::string& path, std::uint64_t lines, StreamSelection streams) {
  const UniqueFd fd = open_log_file(path);
  if (!fd) return {};
  const auto selected = [&](StdStream stream) { return stream == StdStream::out ? streams.out : streams.err; };
  std::uint64_t offset = end_of_records(fd.get());
  if (lines == 0) return {offset, 0};
  std::uint64_t count = 0;  // lines that end at or after `offset`
  bool last_seen[2] = {false, false};
  std::vector<std::byte> block(kTailBlockBytes);
  // One line more than asked for: where that one ends, the first wanted one begins.
  while (offset > 0 && count <= lines) {
    const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(offset, kTailBlockBytes));
    if (read_at(fd.get(), block.data(), size, offset - size) != size) throw Error::internal("the container's log got shorter");
    std::size_t left = size;
    while (left >= kRecordOverhead && count <= lines) {
      const auto length = load<RecordTrailer>(block.data() + left - sizeof(RecordTrailer));
      if (length < kRecordOverhead || length > left || record_size(std::span(block).first(left).last(length)) != length) break;
      const LogRecord record = to_record(std::span(block).first(left).last(length));
      left -= length;
      if (!selected(record.stream) || record.payload.empty()) continue;
      count += static_cast<std::uint64_t>(std::ranges::count(record.payload, std::byte{'\n'}));
      bool& seen = last_seen[record.stream == StdStream::out ? 0 : 1];
      if (!seen && record.payload.back() != std::byte{'\n'}) ++count;  // a last line without its end is a line
      seen = true;
    }
    if (left == size) {
      // Zeros stand where the log was given up: it begins here.
      if (load<RecordTrailer>(block.data() + left - sizeof(RecordTrailer)) == 0) break;
      throw Error::internal("the container's log is damaged");
    }
    offset -= size - left;
  }
  return {offset, count > lines ? count - lines : 0};
}

// ---- the reader

namespace {

class FileLogReader final : public LogReader {
 public:
  FileLogReader(BlockingPool& pool, std::shared_ptr<LogFeed> feed, std::shared_ptr<void> watch, std::uint64_t offset)
      : pool_(pool), feed_(std::move(feed)), watch_(std::move(watch)), offset_(offset) {}

  Task<std::span<const LogRecord>> next() override {
    seen_ = feed_->changed.version();  // before looking: what is written after the look changes it
    records_.clear();
    if (!file_) {
      file_ = open_log_file(feed_->path);
      if (!file_) co_return std::span<const LogRecord>();
    }
    if (file_size(file_.get()) <= offset_) co_return std::span<const LogRecord>();
    if (buffer_.empty()) buffer_.resize(kBatchBytes);
    const std::size_t have = co_await run_blocking(pool_, [this] { return read_at(file_.get(), buffer_.data(), buffer_.size(), offset_); });
    std::size_t used = 0;
    const auto data = std::span(buffer_).first(have);
    while (const std::size_t size = record_size(data.subspan(used))) {
      records_.push_back(to_record(data.subspan(used, size)));
      used += size;
    }
    if (used == 0 && have > 0 && data[0] == std::byte{0}) {
      const std::uint64_t next = co_await run_blocking(pool_, [this] { return skip_hole(file_.get(), offset_); });
      if (next == offset_) co_return std::span<const LogRecord>();
      offset_ = next;
      co_return co_await this->next();
    }
    offset_ += used;
    co_return records_;
  }

  Task<void> wait_for_more() override {
    if (!feed_->run_active) co_return;
    co_await feed_->changed.wait_changed(seen_);
  }

  bool is_over() override { return !feed_->run_active; }

 private:
  BlockingPool& pool_;
  std::shared_ptr<LogFeed> feed_;
  std::shared_ptr<void> watch_;
  std::uint64_t offset_;
  std::uint64_t seen_ = 0;
  UniqueFd file_;
  std::vector<std::byte> buffer_;
  std::vector<LogRecord> records_;
};

}  // namespace

std::unique_ptr<LogReader> make_log_reader(BlockingPool& pool, std::shared_ptr<LogFeed> feed, std::shared_ptr<void> watch,
                                           std::uint64_t offset) {
  return std::make_unique<FileLogReader>(pool, std::move(feed), std::move(watch), offset);
}

// ---- the watcher

struct LogWatcher::State {
  struct Watched {
    std::weak_ptr<LogFeed> feed;
    int handles = 0;
  };
  using Table = std::unordered_map<int, Watched>;
  explicit State(UniqueFd descriptor) : fd(std::move(descriptor)) {}
  const UniqueFd fd;
  Guarded<Table> table;
};

namespace {

/// Reads events until cancelled; each wakes the readers of its file.
template <typename State>
Task<void> watch_loop(std::shared_ptr<State> state, std::shared_ptr<asio::posix::stream_descriptor> stream) {
  co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
  alignas(inotify_event) std::array<char, 16UL * 1024> buffer;
  for (;;) {
    const std::size_t count = co_await stream->async_read_some(asio::buffer(buffer), asio::use_awaitable);
    std::vector<std::shared_ptr<LogFeed>> grown;
    state->table.read([&](const auto& table) {
      for (std::size_t at = 0; at + sizeof(inotify_event) <= count;) {
        inotify_event event;
        std::memcpy(&event, buffer.data() + at, sizeof(event));
        at += sizeof(event) + event.len;
        if ((event.mask & IN_Q_OVERFLOW) != 0) {
          for (const auto& [descriptor, watched] : table) grown.push_back(watched.feed.lock());
        } else if (const auto it = table.find(event.wd); it != table.end()) {
          grown.push_back(it->second.feed.lock());
        }
      }
    });
    for (const auto& feed : grown) {
      if (feed) feed->changed.notify();
    }
  }
}

}  // namespace

LogWatcher::LogWatcher(asio::any_io_executor executor, TaskGroup& tasks) {
  UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) throw from_errno(errno, "inotify_init");
  auto stream = std::make_shared<asio::posix::stream_descriptor>(executor, ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  state_ = std::make_shared<State>(std::move(fd));
  tasks.spawn("log watcher", executor, watch_loop(state_, std::move(stream)));
}

LogWatcher::~LogWatcher() = default;

std::shared_ptr<void> LogWatcher::watch(std::shared_ptr<LogFeed> feed) {
  const int descriptor = state_->table.write([&](State::Table& table) {
    const int wd = ::inotify_add_watch(state_->fd.get(), feed->path.c_str(), IN_MODIFY);
    if (wd < 0) return -1;
    auto& watched = table[wd];
    watched.feed = feed;
    ++watched.handles;
    return wd;
  });
  if (descriptor < 0) {
    if (errno == ENOSPC) throw Error::unavailable("cannot watch the container's log: fs.inotify.max_user_watches is used up");
    throw from_errno(errno, "watch the container's log");
  }
  return {nullptr, [state = state_, descriptor](void*) {
            state->table.write([&](State::Table& table) {
              const auto it = table.find(descriptor);
              if (it == table.end() || --it->second.handles > 0) return;
              table.erase(it);
              ::inotify_rm_watch(state->fd.get(), descriptor);
            });
          }};
}

}  // namespace sockerless::local
