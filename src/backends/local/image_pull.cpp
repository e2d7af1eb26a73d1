// From a name to an image in the store: the manifest, the configuration, then whatever layers are not there yet.

#include "backends/local/image_pull.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "api/image_reference.hpp"
#include "api/json.hpp"
#include "api/types_json.hpp"
#include "backends/local/image_driver.hpp"
#include "backends/local/progress_lines.hpp"

namespace sockerless::local {

namespace {

std::string token_of(const api::AuthConfig& auth, std::string_view name) {
  for (const auto& [key, value] : auth.unknown) {
    if (!equal_names(key, name)) continue;
    const std::string text = api::parse_json<std::string>(value.text);
    return text;
  }
  return {};
}

oci::RegistryCredentials credentials_of(const std::optional<api::AuthConfig>& auth) {
  if (!auth) return {};
  return {auth->username.value_or(""), auth->password.value_or(""), token_of(*auth, "identitytoken"), token_of(*auth, "registrytoken")};
}

/// One layer of a pull, as its client sees it.
struct PulledLayer {
  oci::Descriptor descriptor;
  oci::Digest diff_id;
  std::shared_ptr<LayerFetches::Fetch> fetch = {};  // shared with the other pulls of this layer; null: the store has it
  FetchPhase shown = FetchPhase::preparing;
  std::uint64_t shown_bytes = 0;
};

std::optional<std::string> next_line(const PulledLayer& layer, const FetchState& state) {
  const std::string id = layer.descriptor.digest.short_hex();
  switch (state.phase) {
    case FetchPhase::waiting:
      return status_line("Waiting", id);
    case FetchPhase::downloading:
      return progress_line("Downloading", id, state.bytes, layer.descriptor.size);
    case FetchPhase::retrying:
      return status_line(fmt::format("Retrying in {} second{}", state.retry_seconds, state.retry_seconds == 1 ? "" : "s"), id);
    case FetchPhase::verifying:
      return status_line("Verifying Checksum", id);
    case FetchPhase::downloaded:
      return status_line("Download complete", id);
    case FetchPhase::extracting:
      return progress_line("Extracting", id, layer.descriptor.size, layer.descriptor.size);
    case FetchPhase::done:
      return status_line("Pull complete", id);
    case FetchPhase::preparing:
    case FetchPhase::failed:
      return std::nullopt;
  }
  return std::nullopt;
}

/// The lines that lead from what was shown to what is true now. A quick layer has passed through phases nobody saw.
std::vector<std::string> new_lines(PulledLayer& layer, const FetchState& state) {
  std::vector<std::string> lines;
  if (state.phase == layer.shown && (state.phase != FetchPhase::downloading || state.bytes == layer.shown_bytes)) return lines;
  const auto add = [&](FetchPhase phase) {
    FetchState passed = state;
    passed.phase = phase;
    if (auto line = next_line(layer, passed)) lines.push_back(std::move(*line));
  };
  for (const FetchPhase phase : {FetchPhase::downloaded, FetchPhase::extracting}) {
    if (layer.shown < phase && phase < state.phase && state.phase != FetchPhase::failed) add(phase);
  }
  add(state.phase);
  layer.shown = state.phase;
  layer.shown_bytes = state.bytes;
  return lines;
}

/// Shows the layers' progress until all are there. @errors the first layer's that failed.
Task<void> watch_layers(LayerFetches* fetches, std::vector<PulledLayer>* layers, ProgressSink* progress) {
  for (;;) {
    const std::uint64_t seen = fetches->changed().version();
    bool all_done = true;
    bool told = false;
    for (PulledLayer& layer : *layers) {
      if (!layer.fetch) continue;
      const FetchState state = fetches->state(*layer.fetch);
      for (std::string& line : new_lines(layer, state)) {
        co_await progress->write(std::move(line));
        told = true;
      }
      if (state.phase == FetchPhase::failed) std::rethrow_exception(state.failure);
      all_done = all_done && state.phase == FetchPhase::done;
    }
    if (all_done) co_return;
    if (!told) co_await fetches->changed().wait_changed(seen);
  }
}

Error no_such_platform(const oci::Platform& platform) {
  return Error::not_found("no matching manifest for {} in the manifest list entries", platform.str());
}

oci::ImageManifest as_image(oci::ManifestOrIndex document, const std::string& reference) {
  auto* manifest = std::get_if<oci::ImageManifest>(&document);
  if (manifest == nullptr) throw Error::internal("the index of {} leads to another index", reference);
  const std::string& type = manifest->config.media_type;
  const bool is_image = type.empty() || type == "application/vnd.docker.container.image.v1+json" ||
                        type == "application/vnd.oci.image.config.v1+json" || type == "application/octet-stream";
  if (!is_image) throw Error::invalid_argument("Encountered remote \"{}\"(unknown) when fetching", type);
  return std::move(*manifest);
}

oci::ManifestOrIndex parse_fetched(const oci::FetchedManifest& fetched) {
  if (fetched.media_type.starts_with("application/vnd.docker.distribution.manifest.v1")) {
    throw Error::invalid_argument("the registry gives a manifest of schema version 1, which is not supported");
  }
  return oci::parse_manifest(fetched.raw);
}

/// What an addition and the fetches of a pull hold is let go on the pool, also when the pull was cancelled.
Task<void> let_go(RegistryAccess* access, std::vector<PulledLayer>* layers, std::unique_ptr<ImageStore::Addition> addition) {
  for (PulledLayer& layer : *layers) {
    if (layer.fetch) co_await access->fetches.leave(std::exchange(layer.fetch, nullptr));
  }
  co_await run_blocking(access->pool, [&] { addition.reset(); });
}

Task<void> begin_layers(RegistryAccess* access, std::shared_ptr<oci::RegistryClient> client, const api::ImageReference* reference,
                        std::vector<PulledLayer>* layers, ImageStore::Addition* addition, ProgressSink* progress) {
  for (PulledLayer& layer : *layers) {
    const std::string id = layer.descriptor.digest.short_hex();
    if (co_await run_blocking(access->pool, [&] { return addition->reuse_layer(layer.diff_id); })) {
      co_await progress->write(status_line("Already exists", id));
      continue;
    }
    co_await progress->write(status_line("Pulling fs layer", id));
    layer.fetch = access->fetches.join({client, reference->domain(), reference->path(), layer.descriptor, layer.diff_id});
  }
}

/// All layers and the document; nothing stays when it fails.
Task<StoredImage> fetch_image(RegistryAccess* access, std::shared_ptr<oci::RegistryClient> client, const api::ImageReference* reference,
                              const oci::ImageManifest* manifest, const oci::ImageDocument* document, ProgressSink* progress) {
  std::vector<PulledLayer> layers;
  for (std::size_t i = 0; i < manifest->layers.size(); ++i) layers.push_back({manifest->layers[i], document->diff_ids[i]});
  auto addition = std::make_unique<ImageStore::Addition>(*access->store);
  std::exception_ptr failure;
  std::optional<StoredImage> stored;
  try {
    co_await begin_layers(access, client, reference, &layers, addition.get(), progress);
    co_await watch_layers(&access->fetches, &layers, progress);
    stored = co_await run_blocking(access->pool, [&] { return addition->blocking_commit({*document}).front(); });
  } catch (...) {
    failure = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await let_go(access, &layers, std::move(addition));
  if (failure) std::rethrow_exception(failure);
  co_return std::move(*stored);
}

/// Refused before anything of it is fetched.
void check_image(const oci::ImageManifest& manifest, const oci::ImageDocument& document) {
  if (manifest.layers.size() != document.diff_ids.size()) {
    throw Error::invalid_argument("the manifest has {} layers, the image's configuration {}", manifest.layers.size(),
                                  document.diff_ids.size());
  }
  if (manifest.layers.size() > 1000) throw Error::invalid_argument("the image has {} layers: too many", manifest.layers.size());
  if (!document.os.empty() && document.os != "linux")
    throw Error::invalid_argument("image operating system \"{}\" cannot be used on this platform", document.os);
  std::ignore = api::parse_json<api::ImageConfig>(boost::json::serialize(document.config));
}

Task<NamedImage> pull_resolved(RegistryAccess* access, PullSpec spec, ProgressSink* progress) {
  const auto reference = api::ImageReference::parse(spec.reference);
  const bool by_digest = !reference.digest().empty();
  std::optional<oci::Platform> platform = spec.platform.empty() ? oci::Platform::host() : oci::Platform::parse(spec.platform);
  const auto client = co_await open_registry(reference.domain(), std::move(spec.auth), access->options);
  const ResolvedImage resolved = co_await resolve_image(client, spec.reference, platform);

  co_await progress->write(plain_line("Pulling from " + reference.path(), by_digest ? reference.digest() : reference.tag()));
  const auto document = oci::ImageDocument::parse(co_await client->document(reference.path(), resolved.manifest->config));
  check_image(*resolved.manifest, document);
  const StoredImage stored = co_await fetch_image(access, client, &reference, &*resolved.manifest, &document, progress);
  NamedImage image{facts_of(stored), {}, reference.familiar_name() + "@" + resolved.digest.str()};
  if (!by_digest) image.references.push_back(reference.familiar());
  const bool is_known = spec.current_id == image.facts.id;
  co_await progress->write(plain_line("Digest: " + resolved.digest.str()));
  co_await progress->write(
      plain_line((is_known ? "Status: Image is up to date for " : "Status: Downloaded newer image for ") + reference.familiar()));
  co_return image;
}

}  // namespace

Task<std::shared_ptr<oci::RegistryClient>> open_registry(std::string domain, std::optional<api::AuthConfig> auth,
                                                         oci::RegistryOptions options) {
  auto client = std::make_shared<oci::RegistryClient>(std::move(domain), credentials_of(auth), std::move(options));
  co_await client->connect();
  co_return client;
}

Error translate_pull_error(const Error& error, const std::string& reference) {
  const auto* refusal = dynamic_cast<const oci::RegistryError*>(&error);
  if (refusal == nullptr) return error;
  const auto name = api::ImageReference::parse(reference);
  const std::string& code = refusal->refusal().code;
  if (code == "DENIED") {
    return Error::not_found("pull access denied for {}, repository does not exist or may require 'docker login': {}", name.familiar_name(),
                            error.message());
  }
  if (code == "MANIFEST_UNKNOWN") return Error::not_found("manifest for {} not found: {}", name.familiar(), error.message());
  if (code == "NAME_UNKNOWN") return Error::not_found("repository {} not found: {}", name.familiar_name(), error.message());
  return {ErrorCode::internal, error.message(), error.detail()};
}

Task<ResolvedImage> resolve_image(std::shared_ptr<oci::RegistryClient> client, std::string text, std::optional<oci::Platform> platform) {
  const auto reference = api::ImageReference::parse(text);
  const oci::FetchedManifest fetched =
      co_await client->manifest(reference.path(), reference.digest().empty() ? reference.tag() : reference.digest());
  ResolvedImage resolved{fetched.digest, fetched.media_type, fetched.raw.size(), {}, {}};
  oci::ManifestOrIndex document = parse_fetched(fetched);
  const auto* index = std::get_if<oci::ImageIndex>(&document);
  if (index == nullptr) {
    resolved.manifest = as_image(std::move(document), reference.familiar());
    co_return resolved;
  }
  for (const oci::Descriptor& entry : index->manifests) {
    if (entry.platform) resolved.platforms.push_back(*entry.platform);
  }
  if (!platform) co_return resolved;
  const auto chosen = std::ranges::find_if(
      index->manifests, [&](const oci::Descriptor& entry) { return entry.platform && oci::runs_on(*entry.platform, *platform); });
  if (chosen == index->manifests.end()) throw no_such_platform(*platform);
  const oci::FetchedManifest image = co_await client->manifest(reference.path(), chosen->digest.str());
  if (chosen->size != image.raw.size()) {
    throw Error::invalid_argument("the index gives {} as {} bytes, but it has {}", chosen->digest.str(), chosen->size, image.raw.size());
  }
  resolved.manifest = as_image(parse_fetched(image), reference.familiar());
  co_return resolved;
}

Task<NamedImage> pull_image(RegistryAccess* access, PullSpec spec, ProgressSink* progress) {
  const std::string reference = spec.reference;
  std::optional<Error> failure;
  try {
    co_return co_await pull_resolved(access, std::move(spec), progress);
  } catch (const Error& error) {
    failure = translate_pull_error(error, reference);
  }
  throw Error(*failure);
}

}  // namespace sockerless::local
