#pragma once

#include <memory>
#include <string>

#include "backend/roles.hpp"
#include "backend/streams.hpp"
#include "base/task.hpp"
#include "engine/container_record.hpp"
#include "engine/drivers.hpp"
#include "engine/events.hpp"

namespace sockerless {

/// Attaches to a container: to the run that goes on, else to the next one. Publishes `attach`, and `detach` when the keys are typed.
///
/// The output starts where the log stands now (with `logs` at its beginning) and ends when that run has ended and everything was read, when
/// the container is removed, or at once after the replay when `stream` is not set. A start that fails counts as a run that ended. Input
/// waits for the start. End of input reaches the process with StdinOnce and no terminal; otherwise it ends the session, as in dockerd.
/// @param reference  what the client called the container, for messages.
/// @errors conflict: paused or restarting; invalid_argument: bad detach keys.
/// The driver and the bus outlive the session.
Task<std::unique_ptr<AttachSession>> open_attach_session(WorkloadDriver& driver, EventBus& events, ContainerPtr container,
                                                         std::string reference, AttachOptions options);

}  // namespace sockerless
