#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/json/object.hpp>

#include "base/time.hpp"
#include "oci/digest.hpp"

// The documents of an image. Each keeps the bytes it was read from: its digest is theirs, and only theirs.
// Source: OCI image-spec v1.1 (manifest, index, config), Docker image manifest v2 schema 2, Docker image specification v1.2.

namespace sockerless::oci {

/// No document of an image is larger than this.
inline constexpr std::uint64_t kMaxDocument = 8UL << 20;

struct HistoryItem {
  std::optional<TimePoint> created;
  std::string author;
  std::string created_by;
  std::string comment;
  bool empty_layer = false;
};

/// An image's configuration: the document whose digest is the image's id.
struct ImageDocument {
  std::string raw;
  std::string architecture;
  std::string variant;
  std::string os;
  std::string os_version;
  std::optional<TimePoint> created;
  std::string author;
  std::string comment;
  std::string docker_version;
  boost::json::object config;        ///< Env, Cmd, Entrypoint, ...: what a container takes over, as it stands
  std::vector<Digest> diff_ids;      ///< of the layers, lowest first
  std::vector<HistoryItem> history;  ///< oldest first

  Digest id() const { return Digest::of(raw); }
  /// The names of the stacks of layers: the first is the first diff id, each next one the digest of "<chain id> <diff id>".
  std::vector<Digest> chain_ids() const;

  /// @errors invalid_argument: not JSON, or a member is not of its type; without "rootfs" in Docker's words.
  static ImageDocument parse(std::string raw);
};

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;

  /// What this program was built for.
  static Platform host();
  /// "linux/arm64/v8", "linux/amd64", "linux", "arm64"; empty is the host's. @errors invalid_argument.
  static Platform parse(std::string_view text);
  std::string str() const;
};

/// True when an image for `image` runs on `host`: same os and architecture, and a variant that is the same or not said.
bool runs_on(const Platform& image, const Platform& host);

/// A reference to content by digest.
struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;
  std::optional<Platform> platform;
  std::map<std::string, std::string> annotations;
};

struct ImageManifest {
  std::string raw;
  Descriptor config;
  std::vector<Descriptor> layers;
  Digest digest() const { return Digest::of(raw); }
};

struct ImageIndex {
  std::string raw;
  std::vector<Descriptor> manifests;
};

using ManifestOrIndex = std::variant<ImageManifest, ImageIndex>;

/// Reads an OCI manifest or index, a Docker manifest or manifest list, whichever it is.
/// @errors invalid_argument: none of them, or one that could be read as both (CVE-2021-41190).
ManifestOrIndex parse_manifest(std::string raw);

}  // namespace sockerless::oci
