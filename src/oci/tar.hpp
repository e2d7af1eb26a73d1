#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "oci/source.hpp"

// Tar as images use it, byte-exact: names are bytes and stay so, whatever the locale (libarchive would rewrite them), and a damaged header
// is an error, not a guess. Read: POSIX ustar and pax, GNU long names, base-256 numbers and all four sparse forms, v7, star prefixes.
// Written: ustar, with a pax header where a value does not fit. Source: POSIX.1-2017 pax "ustar Interchange Format", "pax Header Block";
// GNU tar manual, "Basic Tar Format" and "Storing Sparse Files".

namespace sockerless::oci {

/// One member of a tar file.
struct TarEntry {
  enum class Type { file, hard_link, symlink, char_device, block_device, directory, fifo };
  struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };

  Type type = Type::file;
  std::string name;        ///< as it stands in the archive; never empty, no NUL
  std::string link;        ///< the target of a hard link or symlink
  std::uint32_t mode = 0;  ///< permission bits with setuid, setgid and sticky
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  TimePoint mtime{};
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::uint64_t size = 0;         ///< of the file once written out, holes included
  std::uint64_t stored_size = 0;  ///< bytes of it in the archive: what read() gives
  bool is_sparse = false;
  std::vector<Extent> extents;  ///< of a sparse file: where the stored bytes belong, ascending; they add up to stored_size
  std::map<std::string, std::string> xattrs;
};

/// Whether the last member's padding has to be there. The docker command sends contexts that end without it.
enum class LastPadding : std::uint8_t { needed, optional };

/// Reads a tar file from front to end, never trusting a size: what is not there is an error.
///
/// @errors invalid_argument: "archive/tar: invalid tar header", "unexpected EOF", "unhandled tar header type".
class TarReader {
 public:
  explicit TarReader(BlockingSource& source, LastPadding last_padding = LastPadding::needed);

  /// The next member; skips what is left of the current one. Nothing: the end mark, or the end of the source where one may stand.
  std::optional<TarEntry> blocking_next();
  /// The current member's stored bytes; 0 at their end.
  std::size_t blocking_read(std::span<std::byte> buffer);
  /// Where in the source the next byte of read() stands.
  std::uint64_t position() const { return position_; }

 private:
  struct Header;
  using Block = std::span<std::byte, 512>;

  bool read_block(Block block);  // false: the source has ended before it
  void read_exactly(std::span<std::byte> buffer);
  void skip_rest();
  std::string read_meta(std::uint64_t size);
  TarEntry finish(const Header& header, const std::map<std::string, std::string>& pax, const std::vector<TarEntry::Extent>& pax_extents);
  void read_gnu_sparse(std::span<const std::byte, 512> block, TarEntry& entry);
  void read_pax_sparse_map(TarEntry& entry);

  BlockingSource& source_;
  const LastPadding last_padding_;
  std::uint64_t position_ = 0;
  std::uint64_t remaining_ = 0;  // of the current member's stored bytes
  std::uint64_t padding_ = 0;
  bool ended_ = false;
};

/// Writes a tar file to a sink.
class TarWriter {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void blocking_write(std::span<const std::byte> bytes) = 0;
  };

  explicit TarWriter(Sink& sink) : sink_(sink) {}

  /// Begins a member; for a file exactly entry.size bytes follow through write(). Sparse files are written out.
  void blocking_add(const TarEntry& entry);
  void blocking_write(std::span<const std::byte> bytes);
  /// A whole file at once.
  void blocking_add_file(std::string_view name, std::string_view content, TimePoint mtime = TimePoint{});
  /// The padding after the last member's content, which the next member or the end would write.
  void blocking_align();
  /// The end mark.
  void blocking_finish();

 private:
  Sink& sink_;
  std::uint64_t remaining_ = 0;
  std::uint64_t written_ = 0;
};

/// "a//./b/../c" is "a/c": what Go's filepath.Clean gives for a path relative to a root, without leading slashes. A path that climbs above
/// the root keeps its leading "..", and the root itself is ".".
std::string clean_path(std::string_view path);
/// True when a cleaned path begins with "..".
bool climbs_out(std::string_view cleaned);

}  // namespace sockerless::oci
