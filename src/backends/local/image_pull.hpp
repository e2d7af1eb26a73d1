#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backends/local/image_store.hpp"
#include "backends/local/layer_fetches.hpp"
#include "base/task.hpp"
#include "engine/drivers.hpp"
#include "oci/registry_client.hpp"

namespace sockerless::local {

/// What pulls and pushes work with; outlives them.
struct RegistryAccess {
  BlockingPool& pool;
  std::shared_ptr<ImageStore> store;  // shared with the workload driver
  LayerFetches& fetches;
  const oci::RegistryOptions& options;
};

/// A client that has found its registry. `auth` as it came from the command line.
Task<std::shared_ptr<oci::RegistryClient>> open_registry(std::string domain, std::optional<api::AuthConfig> auth,
                                                         oci::RegistryOptions options);

/// A refusal of the registry in dockerd's words: "pull access denied for x, ...", "manifest for x:latest not found: ...".
Error translate_pull_error(const Error& error, const std::string& reference);

/// The image for a platform of what a name stands for.
struct ResolvedImage {
  oci::Digest digest;  ///< of what the name stands for: an index or the manifest
  std::string media_type;
  std::uint64_t size = 0;
  std::vector<oci::Platform> platforms;  ///< of an index
  std::optional<oci::ImageManifest> manifest;
};
/// @param platform  empty: the manifest of an index is not looked for. @errors not_found: no image for the platform.
Task<ResolvedImage> resolve_image(std::shared_ptr<oci::RegistryClient> client, std::string reference,
                                  std::optional<oci::Platform> platform);

/// See ImageDriver::pull.
Task<NamedImage> pull_image(RegistryAccess* access, PullSpec spec, ProgressSink* progress);

}  // namespace sockerless::local
