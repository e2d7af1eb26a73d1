#include "oci/source.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless::oci {

namespace {

constexpr std::size_t kBufferSize = 256UL * 1024;

class BlobSource : public BlockingSource {
 public:
  explicit BlobSource(Blob blob) : blob_(std::move(blob)) {}

  std::size_t blocking_read(std::span<std::byte> buffer) override {
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), blob_.size - position_);
    if (wanted == 0) return 0;
    for (;;) {
      const ssize_t got = ::pread(blob_.file->get(), buffer.data(), wanted, static_cast<off_t>(blob_.offset + position_));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw from_errno(errno, "read the archive");
      if (got == 0) throw Error::invalid_argument("unexpected EOF");
      position_ += static_cast<std::uint64_t>(got);
      return static_cast<std::size_t>(got);
    }
  }

 private:
  Blob blob_;
  std::uint64_t position_ = 0;
};

}  // namespace

Blob Blob::whole(std::shared_ptr<const UniqueFd> file) {
  struct stat status{};
  if (::fstat(file->get(), &status) != 0) throw from_errno(errno, "stat the archive");
  return {std::move(file), 0, static_cast<std::uint64_t>(status.st_size)};
}

std::unique_ptr<BlockingSource> Blob::open() const { return std::make_unique<BlobSource>(*this); }

std::string Blob::blocking_read_all(std::uint64_t limit) const {
  if (size > limit) throw Error::too_large("a document of {} bytes in the image is larger than the limit of {}", size, limit);
  std::string text(size, '\0');
  const auto source = open();
  for (std::size_t done = 0; done < text.size();) {
    done += source->blocking_read(std::as_writable_bytes(std::span(text)).subspan(done));
  }
  return text;
}

std::size_t MemorySource::blocking_read(std::span<std::byte> buffer) {
  const std::size_t count = std::min(buffer.size(), bytes_.size() - position_);
  if (count > 0) std::memcpy(buffer.data(), bytes_.data() + position_, count);
  position_ += count;
  return count;
}

std::size_t HashingSource::blocking_read(std::span<std::byte> buffer) {
  const std::size_t count = inner_.blocking_read(buffer);
  hash_.update(buffer.first(count));
  count_ += count;
  return count;
}

Digest HashingSource::blocking_finish() {
  std::vector<std::byte> buffer(kBufferSize);
  while (blocking_read(buffer) > 0) {}
  return hash_.finish();
}

// libarchive knows the compressions; its "raw" format hands out what they hold. Only filters that need no other program are switched on.
struct DecompressingSource::Impl {
  BlockingSource& inner;
  std::vector<std::byte> buffer;
  archive* reader = nullptr;
  std::exception_ptr inner_failure;
  bool opened = false;
  bool ended = false;

  explicit Impl(BlockingSource& source) : inner(source), buffer(kBufferSize), reader(archive_read_new()) {
    if (reader == nullptr) throw Error::internal("out of memory for the decompression");
    archive_read_support_filter_gzip(reader);
    archive_read_support_filter_bzip2(reader);
    archive_read_support_filter_xz(reader);
    archive_read_support_filter_zstd(reader);
    archive_read_support_format_raw(reader);
    archive_read_support_format_empty(reader);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { archive_read_free(reader); }

  static la_ssize_t read(archive* handle, void* self, const void** data) {
    auto& impl = *static_cast<Impl*>(self);
    try {
      const std::size_t count = impl.inner.blocking_read(impl.buffer);
      *data = impl.buffer.data();
      return static_cast<la_ssize_t>(count);
    } catch (...) {  // must not fly through C
      impl.inner_failure = std::current_exception();
      archive_set_error(handle, EIO, "the source failed");
      return ARCHIVE_FATAL;
    }
  }

  [[noreturn]] void fail() const {
    if (inner_failure) std::rethrow_exception(inner_failure);
    const char* text = archive_error_string(reader);
    throw Error::invalid_argument("the compressed data cannot be read: {}", text == nullptr ? "unknown error" : text);
  }

  void open() {
    opened = true;
    if (archive_read_open(reader, this, nullptr, &Impl::read, nullptr) != ARCHIVE_OK) fail();
    archive_entry* entry = nullptr;
    const int result = archive_read_next_header(reader, &entry);
    if (result == ARCHIVE_EOF) {
      ended = true;
    } else if (result != ARCHIVE_OK) {
      fail();
    }
  }
};

DecompressingSource::DecompressingSource(BlockingSource& inner) : impl_(std::make_unique<Impl>(inner)) {}
DecompressingSource::~DecompressingSource() = default;

std::size_t DecompressingSource::blocking_read(std::span<std::byte> buffer) {
  if (!impl_->opened) impl_->open();
  if (impl_->ended || buffer.empty()) return 0;
  const la_ssize_t count = archive_read_data(impl_->reader, buffer.data(), buffer.size());
  if (count < 0) impl_->fail();
  if (count == 0) impl_->ended = true;
  return static_cast<std::size_t>(count);
}

bool DecompressingSource::is_plain() const { return impl_->opened && archive_filter_code(impl_->reader, 0) == ARCHIVE_FILTER_NONE; }

UniqueFd blocking_open_anonymous_file(std::string_view directory) {
  std::string path(directory);
  UniqueFd file(::open(path.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file) return file;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT) throw from_errno(errno, fmt::format("make a file in {}", directory));
  path += "/spool-XXXXXX";  // a file system without O_TMPFILE
  file.reset(::mkostemp(path.data(), O_CLOEXEC));
  if (!file) throw from_errno(errno, fmt::format("make a file in {}", directory));
  if (::unlink(path.c_str()) != 0) throw from_errno(errno, fmt::format("unlink {}", path));
  return file;
}

void blocking_write_all(int fd, std::span<const std::byte> bytes, std::string_view doing) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw from_errno(errno, doing);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

std::uint64_t blocking_copy(BlockingSource& source, int fd, std::string_view doing) {
  std::vector<std::byte> buffer(kBufferSize);
  std::uint64_t total = 0;
  while (const std::size_t count = source.blocking_read(buffer)) {
    blocking_write_all(fd, std::span(buffer).first(count), doing);
    total += count;
  }
  return total;
}

}  // namespace sockerless::oci
