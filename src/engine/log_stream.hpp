#pragma once

#include <string>

#include "backend/roles.hpp"
#include "backend/streams.hpp"
#include "base/task.hpp"
#include "engine/container_record.hpp"
#include "engine/drivers.hpp"

namespace sockerless {

/// What `docker logs` answers: lines, put together per stream from records that know nothing of lines, selected and stamped as asked.
///
/// A line carries the time of the record that completed it; a last line without its newline comes as it is. With `follow` the stream ends
/// when the run that is going on now has ended; a container that does not run is read to its end. One frame a line, raw with a terminal.
/// @errors invalid_argument: neither stdout nor stderr is wanted. Cancellation of next(): terminal, total.
Task<OutputStream> open_log_stream(WorkloadDriver& driver, ContainerPtr container, LogOptions options);

/// What `--details` puts before a line: the labels and variables named by the log options "labels" and "env", as "a=1,b=2".
std::string log_details(const WorkloadSpec& spec);

}  // namespace sockerless
