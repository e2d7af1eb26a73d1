#include "oci/spool.hpp"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include <sys/statvfs.h>

#include "base/byte_stream.hpp"
#include "base/error.hpp"

namespace sockerless::oci {

namespace {

class PooledSource : public ByteSource {
 public:
  PooledSource(BlockingPool& pool, std::unique_ptr<BlockingSource> source)
      : pool_(pool), source_(std::move(source)), buffer_(256UL * 1024) {}

  Task<std::span<const std::byte>> next() override {
    const std::size_t count = co_await run_blocking(pool_, [this] { return source_->blocking_read(buffer_); });
    co_return std::span<const std::byte>(buffer_).first(count);
  }

 private:
  BlockingPool& pool_;
  std::unique_ptr<BlockingSource> source_;
  std::vector<std::byte> buffer_;
};

}  // namespace

std::unique_ptr<ByteSource> make_byte_source(BlockingPool& pool, std::unique_ptr<BlockingSource> source) {
  return std::make_unique<PooledSource>(pool, std::move(source));
}

Task<Blob> spool(BlockingPool* pool, ByteSource* stream, std::string directory) {
  constexpr std::size_t kPiece = 1UL << 20;
  const auto file = std::make_shared<const UniqueFd>(co_await run_blocking(*pool, [&] { return blocking_open_anonymous_file(directory); }));
  std::string piece;
  for (bool more = true; more;) {
    const auto bytes = co_await stream->next();
    more = !bytes.empty();
    piece += as_text(bytes);
    if (piece.empty() || (more && piece.size() < kPiece)) continue;
    co_await run_blocking(*pool, [&] { blocking_write_all(file->get(), as_bytes(piece), "write the archive"); });
    piece.clear();
  }
  co_return co_await run_blocking(*pool, [&] { return Blob::whole(file); });
}

std::uint64_t blocking_room_in(const std::string& directory) {
  constexpr std::uint64_t kReserve = 256UL << 20;  // for everybody else; of a small disk an eighth
  struct statvfs status{};
  if (::statvfs(directory.c_str(), &status) != 0) throw from_errno(errno, "ask for the free space of " + directory);
  const std::uint64_t free = static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
  return free - std::min(kReserve, free / 8);
}

}  // namespace sockerless::oci
