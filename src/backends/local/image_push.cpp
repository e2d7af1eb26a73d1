// What else is asked of a registry: taking an image, telling of one, finding some, and who one is.

#include "backends/local/image_push.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "api/image_reference.hpp"
#include "api/json.hpp"
#include "api/types_json.hpp"
#include "backends/local/progress_lines.hpp"
#include "base/byte_stream.hpp"
#include "oci/gzip.hpp"

namespace sockerless::local {

namespace {

namespace json = boost::json;

constexpr std::string_view kManifestType = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::string_view kConfigType = "application/vnd.docker.container.image.v1+json";
constexpr std::string_view kLayerType = "application/vnd.docker.image.rootfs.diff.tar.gzip";

struct PushedBlob {
  oci::Digest digest;
  std::uint64_t size = 0;
};

/// One push: where to and what of.
struct Push {
  RegistryAccess& access;
  std::shared_ptr<oci::RegistryClient> client;
  std::string repository;
  ProgressSink& progress;
};

/// Sends what `source` gives; shows progress under `id` unless that is empty.
Task<void> upload(Push* push, PushedBlob blob, std::unique_ptr<oci::BlockingSource> source, std::string id) {
  const oci::BlobUpload upload = co_await push->client->begin_upload(push->repository, blob.digest, {});
  auto body = co_await push->client->open_upload(push->repository, upload);
  std::vector<std::byte> buffer(1UL << 20);
  std::uint64_t sent = 0;
  auto shown = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  for (;;) {
    const std::size_t count = co_await run_blocking(push->access.pool, [&] { return source->blocking_read(buffer); });
    if (count == 0) break;
    co_await with_deadline(body->write(std::span(buffer).first(count)), Deadline::in(push->client->options().stall), "uploading a layer");
    sent += count;
    const auto now = std::chrono::steady_clock::now();
    if (id.empty() || (now - shown < std::chrono::milliseconds(100) && sent < blob.size)) continue;
    shown = now;
    co_await push->progress.write(progress_line("Pushing", id, sent, blob.size));
  }
  co_await push->client->finish_upload(push->repository, std::move(body), upload, blob.digest);
}

/// Compresses a layer, which gives its name in the registry, and sends it where the registry does not have it.
Task<PushedBlob> push_layer(Push* push, const oci::SavedLayer* layer) {
  const std::string id = layer->diff_id.short_hex();
  const auto file = std::make_shared<const UniqueFd>(
      co_await run_blocking(push->access.pool, [&] { return oci::blocking_open_anonymous_file(push->access.store->staging_directory()); }));
  std::optional<oci::GzipResult> made;
  auto turn = co_await push->access.fetches.labour().take("compress");
  co_await run_blocking(push->access.pool, [&] {
    const auto source = layer->open();
    made = oci::blocking_gzip(*source, file->get());
  });
  turn.reset();
  const PushedBlob blob{made->digest, made->size};
  if (co_await push->client->find_blob(push->repository, blob.digest)) {
    co_await push->progress.write(status_line("Layer already exists", id));
    co_return blob;
  }
  co_await upload(push, blob, oci::Blob{file, 0, blob.size}.open(), id);
  co_await push->progress.write(status_line("Pushed", id));
  co_return blob;
}

/// The text dockerd writes: three spaces, in this order.
std::string manifest_of(const PushedBlob& config, const std::vector<PushedBlob>& layers) {
  const auto item = [](std::string_view indent, std::string_view type, const PushedBlob& blob) {
    return fmt::format("{{\n{0}   \"mediaType\": \"{1}\",\n{0}   \"size\": {2},\n{0}   \"digest\": \"{3}\"\n{0}}}", indent, type, blob.size,
                       blob.digest.str());
  };
  std::string text = fmt::format("{{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"{}\",\n   \"config\": {},\n   \"layers\": [",
                                 kManifestType, item("   ", kConfigType, config));
  for (std::size_t i = 0; i < layers.size(); ++i)
    text += fmt::format("{}\n      {}", i == 0 ? "" : ",", item("      ", kLayerType, layers[i]));
  return text + "\n   ]\n}";
}

Task<std::string> push_saved(Push* push, const oci::SavedImage* image, std::string tag) {
  for (std::size_t i = image->layers.size(); i-- > 0;) {
    co_await push->progress.write(status_line("Preparing", image->layers[i].diff_id.short_hex()));
  }
  std::vector<PushedBlob> layers;
  std::map<oci::Digest, PushedBlob> known;  // a layer may stand in the stack twice
  for (const oci::SavedLayer& layer : image->layers) {
    const auto at = known.find(layer.diff_id);
    layers.push_back(at != known.end() ? at->second : co_await push_layer(push, &layer));
    known.emplace(layer.diff_id, layers.back());
  }
  const PushedBlob config{image->document.id(), image->document.raw.size()};
  if (!co_await push->client->find_blob(push->repository, config.digest)) {
    co_await upload(push, config, std::make_unique<oci::MemorySource>(image->document.raw), {});
  }
  const std::string manifest = manifest_of(config, layers);
  const std::string digest = oci::Digest::of(manifest).str();
  co_await push->client->put_manifest(push->repository, tag, std::string(kManifestType), manifest);
  co_await push->progress.write(plain_line(fmt::format("{}: digest: {} size: {}", tag, digest, manifest.size())));
  co_await push->progress.write(aux_line(tag, digest, manifest.size()));
  co_return digest;
}

api::ImageSearchResponseItem search_item(const json::object& object) {
  const auto text = [&](std::string_view name) {
    const json::value* member = object.if_contains(name);
    return member != nullptr && member->is_string() ? std::string(std::string_view(member->get_string())) : std::string();
  };
  const auto flag = [&](std::string_view name) {
    const json::value* member = object.if_contains(name);
    return member != nullptr && member->is_bool() && member->get_bool();
  };
  api::ImageSearchResponseItem item;
  item.name = text("name");
  item.description = text("description");
  item.is_official = flag("is_official");
  item.is_automated = flag("is_automated");
  const json::value* stars = object.if_contains("star_count");
  item.star_count = stars != nullptr && stars->is_int64() ? stars->get_int64() : 0;
  return item;
}

std::string registry_of(std::string server) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (server.starts_with(scheme)) server.erase(0, scheme.size());
  }
  server.resize(std::min(server.find('/'), server.size()));
  return server.empty() || server == "index.docker.io" ? "docker.io" : server;
}

}  // namespace

Task<std::string> push_image(RegistryAccess* access, PushSpec spec, ProgressSink* progress) {
  const auto reference = api::ImageReference::parse(spec.reference);
  auto pins = std::make_unique<ImageStore::Addition>(*access->store);
  std::optional<Error> failure;
  std::string digest;
  try {
    Push push{*access, co_await open_registry(reference.domain(), std::move(spec.auth), access->options), reference.path(), *progress};
    const oci::SavedImage image = co_await run_blocking(access->pool, [&] {
      pins->pin_image(spec.image.facts.id);
      return access->store->blocking_save(spec.image.facts.id);
    });
    digest = co_await push_saved(&push, &image, reference.tag());
  } catch (...) {
    failure = current_error();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await run_blocking(access->pool, [&] { pins.reset(); });
  if (!failure) co_return digest;
  throw Error(*failure);
}

Task<std::vector<api::ImageSearchResponseItem>> search_registry(RegistryAccess* access, std::string term, std::int64_t limit,
                                                                std::optional<api::AuthConfig> auth) {
  const auto slash = term.find('/');
  const std::string first = term.substr(0, slash);
  const bool names_host = slash != std::string::npos && (first.find_first_of(".:") != std::string::npos || first == "localhost");
  const std::string domain = names_host ? first : "index.docker.io";
  if (names_host) term.erase(0, slash + 1);
  const auto client = co_await open_registry(domain, std::move(auth), access->options);
  const net::Response answer = co_await client->get(fmt::format("/v1/search?q={}&n={}", oci::encode_query(term), limit));
  if (answer.status != 200) throw Error::internal("Unexpected status code {}", answer.status);
  boost::system::error_code wrong;
  const json::value document = json::parse(answer.body, wrong);
  const json::value* results = !wrong && document.is_object() ? document.get_object().if_contains("results") : nullptr;
  if (results == nullptr) throw Error::internal("the registry's answer to a search cannot be read");
  std::vector<api::ImageSearchResponseItem> found;
  if (!results->is_array()) co_return found;
  for (const json::value& item : results->get_array()) {
    if (item.is_object()) found.push_back(search_item(item.get_object()));
  }
  co_return found;
}

Task<api::DistributionInspect> inspect_in_registry(RegistryAccess* access, std::string reference, std::optional<api::AuthConfig> auth) {
  const auto parsed = api::ImageReference::parse(reference);
  std::optional<Error> failure;
  try {
    const auto client = co_await open_registry(parsed.domain(), std::move(auth), access->options);
    const ResolvedImage image = co_await resolve_image(client, reference, std::nullopt);
    std::vector<oci::Platform> platforms = image.platforms;
    if (image.manifest) {
      const auto document = oci::ImageDocument::parse(co_await client->document(parsed.path(), image.manifest->config));
      platforms.push_back({document.os, document.architecture, document.variant});
    }
    json::array list;
    for (const oci::Platform& platform : platforms) {
      json::object item{{"architecture", platform.architecture}, {"os", platform.os}};
      if (!platform.variant.empty()) item.emplace("variant", platform.variant);
      list.push_back(std::move(item));
    }
    const json::object descriptor{{"mediaType", image.media_type}, {"digest", image.digest.str()}, {"size", image.size}};
    co_return api::parse_json<api::DistributionInspect>(json::serialize(json::object{{"Descriptor", descriptor}, {"Platforms", list}}));
  } catch (const Error& error) {
    failure = translate_pull_error(error, reference);
  }
  throw Error(*failure);
}

Task<api::AuthResponse> log_in_to_registry(RegistryAccess* access, api::AuthConfig auth) {
  const std::string domain = registry_of(auth.serveraddress.value_or(""));
  const auto client = co_await open_registry(domain, std::move(auth), access->options);
  const std::string token = co_await client->log_in();
  api::AuthResponse answer;
  answer.status = "Login Succeeded";
  answer.identity_token = token;
  co_return answer;
}

}  // namespace sockerless::local
