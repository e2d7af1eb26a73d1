#pragma once

#include <string>
#include <vector>

#include "engine/drivers.hpp"

namespace sockerless::local {

enum class Attempt { run, exec };

/// A runtime's complaint as Docker words it, with Docker's exit code: 127 when the command does not exist, 126 when it cannot be
/// executed, 128 for anything else. Understands crun's and runc's texts.
/// @param text  what the runtime printed.
StartFailure make_start_failure(Attempt attempt, const std::string& runtime_name, const std::string& text,
                                const std::vector<std::string>& arguments);

/// The runtime did not end in time.
StartFailure make_hung_failure(Attempt attempt, const std::string& runtime_name, std::chrono::milliseconds timeout,
                               const std::string& text);

}  // namespace sockerless::local
