#include "oci/tar_split.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zstd.h>

#include "base/error.hpp"

namespace sockerless::oci {

namespace {

constexpr std::size_t kRawPiece = 64UL * 1024;

void append_number(std::vector<std::byte>& out, std::uint64_t number) {
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<std::byte>(number >> (8 * i)));
}

/// Reads a record's stream.
class SplitSource : public BlockingSource {
 public:
  SplitSource(const Blob& record, RootedDir tree, Digest diff_id)
      : compressed_(record.open()), record_(*compressed_), tree_(std::move(tree)), expected_(std::move(diff_id)) {}

  std::size_t blocking_read(std::span<std::byte> buffer) override {
    while (left_ == 0) {
      if (ended_) return 0;
      if (!next_record()) {
        ended_ = true;
        if (hash_.finish() != expected_)
          throw Error::internal("the layer {} cannot be written as it was: its files have changed", expected_.str());
        return 0;
      }
    }
    const std::size_t wanted = std::min<std::uint64_t>(buffer.size(), left_);
    const std::size_t count = content_ ? read_content(buffer.first(wanted)) : record_.blocking_read(buffer.first(wanted));
    if (count == 0) throw Error::internal("the layer {} cannot be written as it was: its record is cut short", expected_.str());
    left_ -= count;
    hash_.update(buffer.first(count));
    return count;
  }

 private:
  bool read_exactly(std::span<std::byte> buffer) {
    for (std::size_t done = 0; done < buffer.size();) {
      const std::size_t count = record_.blocking_read(buffer.subspan(done));
      if (count == 0) return false;
      done += count;
    }
    return true;
  }

  std::uint64_t read_number() {
    std::array<std::byte, 8> bytes{};
    if (!read_exactly(bytes)) throw Error::internal("the record of the layer {} is cut short", expected_.str());
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) number |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
    return number;
  }

  bool next_record() {
    std::array<std::byte, 1> kind{};
    content_.reset();
    if (!read_exactly(kind)) return false;
    left_ = read_number();
    if (kind[0] == std::byte{'R'}) return true;
    const std::uint64_t length = read_number();
    if (kind[0] != std::byte{'F'} || length > 4096) throw Error::internal("the record of the layer {} is damaged", expected_.str());
    std::string path(length, '\0');
    if (!read_exactly(std::as_writable_bytes(std::span(path))))
      throw Error::internal("the record of the layer {} is cut short", expected_.str());
    content_ = tree_.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);  // a fifo in its place must not hang
    if (!content_) throw from_errno(errno, fmt::format("open /{} of the layer {}", path, expected_.str()));
    return true;
  }

  std::size_t read_content(std::span<std::byte> buffer) {
    const ssize_t count = ::read(content_.get(), buffer.data(), buffer.size());
    if (count < 0) throw from_errno(errno, "read a file of a layer");
    return static_cast<std::size_t>(count);
  }

  std::unique_ptr<BlockingSource> compressed_;
  DecompressingSource record_;
  RootedDir tree_;
  Digest expected_;
  Sha256 hash_;
  UniqueFd content_;
  std::uint64_t left_ = 0;
  bool ended_ = false;
};

}  // namespace

struct TarSplitWriter::Impl {
  int file;
  ZSTD_CCtx* context = ZSTD_createCCtx();
  std::vector<std::byte> raw;  // what the next 'R' record holds
  std::vector<std::byte> out;

  explicit Impl(int fd) : file(fd), out(ZSTD_CStreamOutSize()) {
    if (context == nullptr) throw Error::internal("out of memory for the compression");
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { ZSTD_freeCCtx(context); }

  void compress(std::span<const std::byte> bytes, ZSTD_EndDirective directive) {
    ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
    for (std::size_t remaining = 1; remaining != 0 || input.pos < input.size;) {
      ZSTD_outBuffer output{out.data(), out.size(), 0};
      remaining = ZSTD_compressStream2(context, &output, &input, directive);
      if (ZSTD_isError(remaining) != 0) throw Error::internal("zstd: {}", ZSTD_getErrorName(remaining));
      blocking_write_all(file, std::span(out).first(output.pos), "write the record of the layer's tar");
      if (directive == ZSTD_e_continue && input.pos == input.size) return;
    }
  }

  void flush_raw() {
    if (raw.empty()) return;
    std::vector<std::byte> head{std::byte{'R'}};
    append_number(head, raw.size());
    compress(head, ZSTD_e_continue);
    compress(raw, ZSTD_e_continue);
    raw.clear();
  }
};

TarSplitWriter::TarSplitWriter(BlockingSource& tar, int file) : tar_(tar), impl_(std::make_unique<Impl>(file)) {}
TarSplitWriter::~TarSplitWriter() = default;

std::size_t TarSplitWriter::blocking_read(std::span<std::byte> buffer) {
  if (content_left_ > 0) {
    const std::size_t count = tar_.blocking_read(buffer.first(std::min<std::uint64_t>(buffer.size(), content_left_)));
    content_left_ -= count;
    return count;
  }
  const std::size_t count = tar_.blocking_read(buffer);
  impl_->raw.insert(impl_->raw.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(count));
  if (impl_->raw.size() >= kRawPiece) impl_->flush_raw();
  return count;
}

void TarSplitWriter::begin_content(std::string_view path, std::uint64_t size) {
  SOCKERLESS_ASSERT(content_left_ == 0, "one file's content ends before the next begins");
  if (size == 0) return;
  if (path.size() > 4096) return forget();
  impl_->flush_raw();
  std::vector<std::byte> head{std::byte{'F'}};
  append_number(head, size);
  append_number(head, path.size());
  head.insert(head.end(), std::as_bytes(std::span(path)).begin(), std::as_bytes(std::span(path)).end());
  impl_->compress(head, ZSTD_e_continue);
  content_left_ = size;
}

bool TarSplitWriter::blocking_finish() {
  impl_->flush_raw();
  impl_->compress({}, ZSTD_e_end);
  return complete_;
}

std::unique_ptr<BlockingSource> blocking_open_tar_split(const Blob& record, RootedDir tree, Digest diff_id) {
  return std::make_unique<SplitSource>(record, std::move(tree), std::move(diff_id));
}

}  // namespace sockerless::oci
