#pragma once

#include <string>
#include <vector>

#include "api/types.hpp"
#include "api/version.hpp"

// What differs by the version that was negotiated. The backend speaks the newest; an answer is shaped on its way out, a request adjusted on
// its way in. Plain functions on the API's structs, without I/O.
// Source: the API's change log (docs of Docker Engine API, "API version history") and the daemon's behaviour where the two disagree.
namespace sockerless::frontend {

void shape(api::ContainerSummary& container, api::ApiVersion version);
void shape(api::ContainerInspectResponse& container, api::ApiVersion version);
void shape(api::ContainerStatsResponse& stats, api::ApiVersion version);
void shape(api::ImageSummary& image, api::ApiVersion version);
void shape(api::ImageInspect& image, api::ApiVersion version);
void shape(api::NetworkInspect& network, api::ApiVersion version);
void shape(api::SystemInfo& info, api::ApiVersion version);
void shape(api::SystemVersion& system_version, api::ApiVersion version);
void shape(api::SystemDataUsageResponse& usage, api::ApiVersion version);
void shape(api::EventMessage& event, api::ApiVersion version);
/// False for an event that older clients do not know.
bool is_shown(const api::EventMessage& event, api::ApiVersion version);

/// @return  warnings for the answer. @errors invalid_argument: what the version does not have, where Docker does not ignore it.
std::vector<std::string> adjust(api::ContainerCreateRequest& request, api::ApiVersion version);
void adjust(api::ContainerUpdateRequest& request, api::ApiVersion version);
void adjust(api::ContainerExecRequest& request, api::ApiVersion version);
void adjust(api::ExecStartRequest& request, api::ApiVersion version);
void adjust(api::NetworkCreateRequest& request, api::ApiVersion version);
void adjust(api::NetworkConnectRequest& request, api::ApiVersion version);

}  // namespace sockerless::frontend
