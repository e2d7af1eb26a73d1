#pragma once

#include "base/child_process.hpp"

namespace sockerless::local {

using sockerless::blocking_run_program;
using sockerless::blocking_spawn;
using sockerless::find_program;
using sockerless::ProgramResult;

}  // namespace sockerless::local
