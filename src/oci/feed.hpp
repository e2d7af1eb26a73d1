#pragma once

#include <functional>
#include <memory>

#include "base/byte_source.hpp"
#include "base/task.hpp"
#include "oci/source.hpp"

namespace sockerless::oci {

/// Has `work` read a stream (the body of a request) with blocking calls while it arrives, on a thread of its own: a client that sends
/// slowly holds none of the pool's. A few pieces are in memory at a time. What the work does not read is read and dropped.
///
/// @errors what `work` throws; else what the stream fails with, which `work` meets at its next read. In any case `work` has ended.
/// Cancellation: `work` meets it at its next read.
Task<void> feed(std::unique_ptr<ByteSource> stream, std::function<void(BlockingSource&)> work);

}  // namespace sockerless::oci
