#pragma once

#include <string>
#include <string_view>

#include "engine/container_record.hpp"

namespace sockerless {

// The documents that keep a container: what it is in one, how it is doing in another, which is small since it is written at every start
// and exit.

std::string definition_to_json(const ContainerDefinition& definition);
std::string state_to_json(const ContainerState& state, const ContainerNetworks& networks);

/// @param state_json  empty: the container has never been started.
/// @errors invalid_argument: not such documents.
ContainerPtr record_from_json(std::string_view definition_json, std::string_view state_json);

}  // namespace sockerless
