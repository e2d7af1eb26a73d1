#include "backends/local/monitor/log_writer.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sockerless::local {

namespace {
constexpr std::size_t kMinReadSize = 256;
constexpr std::uint64_t kBlockSize = 64UL * 1024;
}  // namespace

bool LogWriter::open(const char* name) {
  file_.reset(::open(name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file_ || !cut_torn_tail()) return false;
  if (part_size_ > 0) find_parts();
  return true;
}

void LogWriter::limit(std::uint64_t size, unsigned files) {
  part_size_ = size;
  max_parts_ = files < 1 ? 1 : files;
  if (size < read_size_) read_size_ = size < kMinReadSize ? kMinReadSize : static_cast<std::size_t>(size);
}

/// Behind the zeros of parts that are gone.
std::uint64_t LogWriter::first_record() const {
  const off_t data = ::lseek(file_.get(), 0, SEEK_DATA);
  std::uint64_t at = data > 0 ? static_cast<std::uint64_t>(data) : 0;
  char block[4096];
  while (at < size_) {
    const ssize_t count = ::pread(file_.get(), block, sizeof(block), static_cast<off_t>(at));
    if (count <= 0) break;
    for (ssize_t i = 0; i < count; ++i) {
      if (block[i] != 0) return at + static_cast<std::uint64_t>(i);
    }
    at += static_cast<std::uint64_t>(count);
  }
  return at < size_ ? at : size_;
}

/// The parts as they would have come about had this writer written everything.
void LogWriter::find_parts() {
  std::uint64_t at = first_record();
  const std::uint64_t end = size_;
  parts_.assign(1, at);
  RecordHeader header;
  while (at < end && ::pread(file_.get(), &header, sizeof(header), static_cast<off_t>(at)) == sizeof(header)) {
    if (header.magic != kRecordMagic) break;
    const std::uint64_t record = header.length + kRecordOverhead;
    size_ = at;
    begin_part_when_full(record);
    at += record;
  }
  size_ = end;
}

void LogWriter::begin_part_when_full(std::uint64_t record) {
  if (part_size_ == 0 || size_ == parts_.back() || size_ + record - parts_.back() <= part_size_) return;
  parts_.push_back(size_);
  while (parts_.size() > max_parts_) {
    // All before is given up already; from a block's start, so that the block two parts share is freed as well.
    const std::uint64_t from = parts_[0] - parts_[0] % kBlockSize;
    if (::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(from),
                    static_cast<off_t>(parts_[1] - from)) != 0) {
      part_size_ = 0;
      return;
    }
    parts_.erase(parts_.begin());
  }
}

bool LogWriter::cut_torn_tail() {
  struct stat status{};
  if (::fstat(file_.get(), &status) != 0) return false;
  size_ = static_cast<std::uint64_t>(status.st_size);
  RecordTrailer trailer = 0;
  RecordHeader header;
  if (size_ >= kRecordOverhead &&
      ::pread(file_.get(), &trailer, sizeof(trailer), static_cast<off_t>(size_ - sizeof(trailer))) == sizeof(trailer) &&
      trailer >= kRecordOverhead && trailer <= size_ &&
      ::pread(file_.get(), &header, sizeof(header), static_cast<off_t>(size_ - trailer)) == sizeof(header) &&
      header.magic == kRecordMagic && header.length + kRecordOverhead == trailer) {
    return true;
  }
  std::uint64_t good = first_record();
  while (good + kRecordOverhead <= size_) {
    if (::pread(file_.get(), &header, sizeof(header), static_cast<off_t>(good)) != sizeof(header)) break;
    if (header.magic != kRecordMagic || header.length > kMaxRecordPayload) break;
    const std::uint64_t end = good + header.length + kRecordOverhead;
    if (end > size_) break;
    if (::pread(file_.get(), &trailer, sizeof(trailer), static_cast<off_t>(end - sizeof(trailer))) != sizeof(trailer)) break;
    if (trailer != end - good) break;
    good = end;
  }
  if (good != size_ && ::ftruncate(file_.get(), static_cast<off_t>(good)) != 0) return false;
  size_ = good;
  return true;
}

ssize_t LogWriter::copy_from(int fd, std::uint8_t stream) {
  char* payload = record_ + sizeof(RecordHeader);
  const ssize_t count = ::read(fd, payload, read_size_);
  if (count <= 0) return count;
  const auto length = static_cast<std::uint32_t>(count);
  RecordHeader header;
  header.stream = stream;
  header.length = length;
  header.time = now_nanoseconds();
  const auto total = static_cast<RecordTrailer>(length + kRecordOverhead);
  std::memcpy(record_, &header, sizeof(header));
  std::memcpy(payload + length, &total, sizeof(total));
  begin_part_when_full(total);
  const ssize_t written = ::write(file_.get(), record_, total);
  if (written == static_cast<ssize_t>(total)) {
    size_ += total;
  } else {
    dropped_ += length;
    if (written > 0 && ::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) size_ += static_cast<std::uint64_t>(written);
  }
  return count;
}

}  // namespace sockerless::local
