#pragma once

#include <memory>

#include "backend/roles.hpp"
#include "engine/container_record.hpp"

namespace sockerless {

/// A wait registered now: it hears of every end of a run and of the removal from here on, also when the container is long gone by then.
std::unique_ptr<ContainerWait> make_container_wait(ContainerPtr record, WaitCondition condition);

}  // namespace sockerless
