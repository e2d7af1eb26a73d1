#pragma once

#include <cstdint>

#include "oci/digest.hpp"
#include "oci/source.hpp"

namespace sockerless::oci {

struct GzipResult {
  Digest digest;  ///< of the compressed bytes
  std::uint64_t size = 0;
};

/// Writes a source compressed into a file. The same bytes give the same result: no time and no name is in it.
GzipResult blocking_gzip(BlockingSource& source, int fd);

}  // namespace sockerless::oci
