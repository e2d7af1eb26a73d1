#include "backends/local/monitor/log_writer.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sockerless::local {

bool LogWriter::open(const char* name) {
  file_.reset(::open(name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  return file_ && cut_torn_tail();
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
  std::uint64_t good = 0;
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
  const ssize_t count = ::read(fd, payload, kMaxRecordPayload);
  if (count <= 0) return count;
  const auto length = static_cast<std::uint32_t>(count);
  RecordHeader header;
  header.stream = stream;
  header.length = length;
  header.time = now_nanoseconds();
  const auto total = static_cast<RecordTrailer>(length + kRecordOverhead);
  std::memcpy(record_, &header, sizeof(header));
  std::memcpy(payload + length, &total, sizeof(total));
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
