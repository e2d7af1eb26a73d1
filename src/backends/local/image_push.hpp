#pragma once

#include "backends/local/image_pull.hpp"

namespace sockerless::local {

/// See ImageDriver.
Task<std::string> push_image(RegistryAccess* access, PushSpec spec, ProgressSink* progress);
Task<std::vector<api::ImageSearchResponseItem>> search_registry(RegistryAccess* access, std::string term, std::int64_t limit,
                                                                std::optional<api::AuthConfig> auth);
Task<api::DistributionInspect> inspect_in_registry(RegistryAccess* access, std::string reference, std::optional<api::AuthConfig> auth);
Task<api::AuthResponse> log_in_to_registry(RegistryAccess* access, api::AuthConfig auth);

}  // namespace sockerless::local
