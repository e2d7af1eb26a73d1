#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "oci/rooted_dir.hpp"
#include "oci/source.hpp"

// A layer's digest is that of its tar, to the last padding byte, but what is kept of a layer is the unpacked tree. So that the same tar can
// be written again, everything in it that is not the content of a file (headers, paddings, the end) is kept beside the tree, compressed;
// the contents are read from the tree. It costs about a hundredth of the layer.
//
// The file is zstd over records: 'R' length bytes (raw), or 'F' size length path (a file's content); numbers are 8 bytes, little-endian.

namespace sockerless::oci {

/// Writes the record of a tar while the tar is read through it.
class TarSplitWriter : public BlockingSource {
 public:
  /// @param file  where the record goes; stays open and the caller's.
  TarSplitWriter(BlockingSource& tar, int file);
  ~TarSplitWriter() override;

  std::size_t blocking_read(std::span<std::byte> buffer) override;
  /// The next `size` bytes are the content of the file `path` of the tree.
  void begin_content(std::string_view path, std::uint64_t size);
  /// Something that was unpacked is gone again, so its content will not be there.
  void forget() { complete_ = false; }
  /// Writes what is pending. @return false: the record cannot give the tar back, and is to be thrown away.
  bool blocking_finish();

 private:
  struct Impl;
  BlockingSource& tar_;
  std::unique_ptr<Impl> impl_;
  std::uint64_t content_left_ = 0;
  bool complete_ = true;
};

/// Gives a layer's tar from its record and its tree. @errors internal: the tree or the record is damaged; the last read checks the diff id.
std::unique_ptr<BlockingSource> blocking_open_tar_split(const Blob& record, RootedDir tree, Digest diff_id);

}  // namespace sockerless::oci
