#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "oci/digest.hpp"

namespace sockerless::oci {

/// Bytes read one after the other on a thread that may block.
class BlockingSource {
 public:
  virtual ~BlockingSource() = default;
  /// Reads at least one byte; 0 means the end. @errors as the source: a broken file, a broken compression.
  virtual std::size_t blocking_read(std::span<std::byte> buffer) = 0;
};

/// A range of a file, read with pread(2): any number of sources may read one file. The file is shared by what is found in it.
struct Blob {
  std::shared_ptr<const UniqueFd> file;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;

  /// The whole of a regular file, as large as it is now.
  static Blob whole(std::shared_ptr<const UniqueFd> file);

  std::unique_ptr<BlockingSource> open() const;
  /// All of it. @errors too_large: more than `limit` bytes.
  std::string blocking_read_all(std::uint64_t limit) const;
};

/// Bytes in memory.
class MemorySource : public BlockingSource {
 public:
  explicit MemorySource(std::string bytes) : bytes_(std::move(bytes)) {}
  std::size_t blocking_read(std::span<std::byte> buffer) override;

 private:
  std::string bytes_;
  std::size_t position_ = 0;
};

/// Hashes and counts what passes.
class HashingSource : public BlockingSource {
 public:
  explicit HashingSource(BlockingSource& inner) : inner_(inner) {}
  std::size_t blocking_read(std::span<std::byte> buffer) override;
  /// Reads the rest and gives the digest of everything. Once only.
  Digest blocking_finish();
  std::uint64_t count() const { return count_; }

 private:
  BlockingSource& inner_;
  Sha256 hash_;
  std::uint64_t count_ = 0;
};

/// Undoes gzip, bzip2, xz or zstd, told by the first bytes; anything else passes as it is. The inner source is read no further than needed.
///
/// @errors invalid_argument: the compressed data is damaged or cut short.
class DecompressingSource : public BlockingSource {
 public:
  explicit DecompressingSource(BlockingSource& inner);
  ~DecompressingSource() override;
  std::size_t blocking_read(std::span<std::byte> buffer) override;
  /// True when the bytes pass as they are. Known after the first read.
  bool is_plain() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A file without a name in `directory`: it is gone with its last descriptor, also after a crash.
UniqueFd blocking_open_anonymous_file(std::string_view directory);

/// Writes all of it. @errors from_errno with `doing`; a full disk is "no space left on device".
void blocking_write_all(int fd, std::span<const std::byte> bytes, std::string_view doing);

/// Copies a source into a file. @return the number of bytes.
std::uint64_t blocking_copy(BlockingSource& source, int fd, std::string_view doing);

}  // namespace sockerless::oci
