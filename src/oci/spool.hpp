#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/byte_source.hpp"
#include "base/task.hpp"
#include "oci/source.hpp"

namespace sockerless::oci {

/// Writes a stream (the body of a request) to its end into a nameless file in `directory`, so that what follows can read it with blocking
/// calls, from anywhere and as often as it likes. Only the disk bounds it.
///
/// The caller keeps `pool` and `stream` until this ends. @errors what the stream fails with; from_errno (a full disk): nothing is left
/// then. Cancellation: between two pieces.
Task<Blob> spool(BlockingPool* pool, ByteSource* stream, std::string directory);

/// The other way: what a blocking source gives, read on the pool piece by piece. `pool` outlives the stream.
std::unique_ptr<ByteSource> make_byte_source(BlockingPool& pool, std::unique_ptr<BlockingSource> source);

/// The bytes that the file system of `directory` has free, with 256 MiB left for everybody else (an eighth of a small disk): a
/// bound for what somebody else's archive may unpack to. @errors from_errno.
std::uint64_t blocking_room_in(const std::string& directory);

}  // namespace sockerless::oci
