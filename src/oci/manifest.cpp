#include "oci/manifest.hpp"

#include <algorithm>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless::oci {

namespace {

namespace json = boost::json;

json::object parse_object(std::string_view what, std::string_view raw) {
  boost::system::error_code failure;
  const json::value value = json::parse(raw, failure);
  if (failure) throw Error::invalid_argument("invalid {}: {}", what, failure.message());
  if (!value.is_object()) throw Error::invalid_argument("invalid {}: not a JSON object", what);
  return value.get_object();
}

/// A member, or nothing where it is missing or null.
const json::value* find_member(const json::object& object, std::string_view name) {
  const json::value* member = object.if_contains(name);
  return member == nullptr || member->is_null() ? nullptr : member;
}

[[noreturn]] void wrong_type(std::string_view name) {
  throw Error::invalid_argument("invalid image document: \"{}\" is not of its type", name);
}

std::string text_member(const json::object& object, std::string_view name) {
  const json::value* member = find_member(object, name);
  if (member == nullptr) return {};
  if (!member->is_string()) wrong_type(name);
  return std::string(std::string_view(member->get_string()));
}

bool flag_member(const json::object& object, std::string_view name) {
  const json::value* member = find_member(object, name);
  if (member == nullptr) return false;
  if (!member->is_bool()) wrong_type(name);
  return member->get_bool();
}

const json::object* find_object(const json::object& object, std::string_view name) {
  const json::value* member = find_member(object, name);
  if (member == nullptr) return nullptr;
  if (!member->is_object()) wrong_type(name);
  return &member->get_object();
}

const json::array* find_array(const json::object& object, std::string_view name) {
  const json::value* member = find_member(object, name);
  if (member == nullptr) return nullptr;
  if (!member->is_array()) wrong_type(name);
  return &member->get_array();
}

std::optional<TimePoint> time_member(const json::object& object, std::string_view name) {
  const std::string text = text_member(object, name);
  if (text.empty()) return std::nullopt;
  const auto time = find_rfc3339(text);
  if (!time) wrong_type(name);
  return *time == kNever ? std::nullopt : time;
}

const json::object& object_item(const json::value& item, std::string_view list) {
  if (!item.is_object()) wrong_type(list);
  return item.get_object();
}

std::vector<HistoryItem> parse_history(const json::array& list) {
  std::vector<HistoryItem> history;
  for (const auto& item : list) {
    const auto& object = object_item(item, "history");
    history.push_back({time_member(object, "created"), text_member(object, "author"), text_member(object, "created_by"),
                       text_member(object, "comment"), flag_member(object, "empty_layer")});
  }
  return history;
}

std::uint64_t size_member(const json::object& object) {
  const json::value* member = find_member(object, "size");
  if (member == nullptr) return 0;
  boost::system::error_code failure;
  const auto size = member->to_number<std::int64_t>(failure);
  if (failure || size < 0) wrong_type("size");
  return static_cast<std::uint64_t>(size);
}

Descriptor parse_descriptor(const json::object& object) {
  Descriptor descriptor{text_member(object, "mediaType"), Digest::parse(text_member(object, "digest")), size_member(object), {}, {}};
  if (const auto* platform = find_object(object, "platform")) {
    descriptor.platform = Platform{text_member(*platform, "os"), text_member(*platform, "architecture"), text_member(*platform, "variant")};
  }
  if (const auto* annotations = find_object(object, "annotations")) {
    for (const auto& [key, value] : *annotations) {
      if (!value.is_string()) wrong_type("annotations");
      descriptor.annotations.emplace(key, value.get_string());
    }
  }
  return descriptor;
}

std::vector<Descriptor> parse_descriptors(const json::object& object, std::string_view name) {
  std::vector<Descriptor> list;
  const auto* array = find_array(object, name);
  if (array == nullptr) wrong_type(name);
  for (const auto& item : *array) list.push_back(parse_descriptor(object_item(item, name)));
  return list;
}

std::string normal_architecture(std::string_view name) {
  if (name == "x86_64" || name == "x86-64") return "amd64";
  if (name == "aarch64") return "arm64";
  if (name == "i386") return "386";
  if (name == "armhf" || name == "armel") return "arm";
  return std::string(name);
}

bool is_architecture(std::string_view name) {
  constexpr std::string_view kKnown[] = {"386",      "amd64",  "arm",   "arm64",   "loong64", "mips",  "mips64",
                                         "mips64le", "mipsle", "ppc64", "ppc64le", "riscv64", "s390x", "wasm"};
  return std::ranges::find(kKnown, name) != std::end(kKnown);
}

}  // namespace

std::vector<Digest> ImageDocument::chain_ids() const {
  std::vector<Digest> chain;
  for (const auto& diff_id : diff_ids) {
    chain.push_back(chain.empty() ? diff_id : Digest::of(std::string_view(chain.back().str() + " " + diff_id.str())));
  }
  return chain;
}

ImageDocument ImageDocument::parse(std::string raw) {
  const json::object object = parse_object("image configuration", raw);
  ImageDocument image;
  const auto* rootfs = find_object(object, "rootfs");
  if (rootfs == nullptr) throw Error::invalid_argument("invalid image JSON, no RootFS key");
  if (const std::string type = text_member(*rootfs, "type"); !type.empty() && type != "layers") {
    throw Error::invalid_argument("invalid image JSON, the RootFS type \"{}\" is not supported", type);
  }
  if (const auto* list = find_array(*rootfs, "diff_ids")) {
    for (const auto& item : *list) {
      if (!item.is_string()) wrong_type("diff_ids");
      image.diff_ids.push_back(Digest::parse(item.get_string()));
    }
  }
  image.architecture = text_member(object, "architecture");
  image.variant = text_member(object, "variant");
  image.os = text_member(object, "os");
  image.os_version = text_member(object, "os.version");
  image.created = time_member(object, "created");
  image.author = text_member(object, "author");
  image.comment = text_member(object, "comment");
  image.docker_version = text_member(object, "docker_version");
  if (const auto* config = find_object(object, "config")) image.config = *config;
  if (const auto* history = find_array(object, "history")) image.history = parse_history(*history);
  image.raw = std::move(raw);
  return image;
}

Platform Platform::host() {
#if defined(__x86_64__)
  return {"linux", "amd64", ""};
#elif defined(__aarch64__)
  return {"linux", "arm64", "v8"};
#elif defined(__riscv)
  return {"linux", "riscv64", ""};
#elif defined(__s390x__)
  return {"linux", "s390x", ""};
#elif defined(__powerpc64__)
  return {"linux", "ppc64le", ""};
#else
#error "name this architecture as OCI does"
#endif
}

Platform Platform::parse(std::string_view text) {
  Platform platform = host();
  if (text.empty()) return platform;
  std::vector<std::string> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const auto slash = std::min(text.find('/', at), text.size());
    std::string part(text.substr(at, slash - at));
    std::ranges::transform(part, part.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const bool valid = !part.empty() && std::ranges::all_of(part, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
    if (!valid) throw Error::invalid_argument("\"{}\": invalid platform", text);
    parts.push_back(std::move(part));
    at = slash + 1;
  }
  if (parts.size() > 3) throw Error::invalid_argument("\"{}\": cannot parse platform specifier", text);
  if (parts.size() == 1) {
    const std::string architecture = normal_architecture(parts[0]);
    if (!is_architecture(architecture)) {
      platform.os = parts[0];
      return platform;
    }
    return {platform.os, architecture, architecture == "arm64" ? "v8" : ""};
  }
  platform.os = parts[0];
  platform.architecture = normal_architecture(parts[1]);
  platform.variant = parts.size() == 3 ? parts[2] : platform.architecture == "arm64" ? "v8" : "";
  return platform;
}

std::string Platform::str() const {
  return variant.empty() ? fmt::format("{}/{}", os, architecture) : fmt::format("{}/{}/{}", os, architecture, variant);
}

bool runs_on(const Platform& image, const Platform& host) {
  return image.os == host.os && image.architecture == host.architecture &&
         (image.variant.empty() || host.variant.empty() || image.variant == host.variant);
}

ManifestOrIndex parse_manifest(std::string raw) {
  const json::object object = parse_object("manifest", raw);
  const bool has_layers = object.contains("layers") || object.contains("config") || object.contains("fsLayers");
  if (object.contains("manifests")) {
    if (has_layers) throw Error::invalid_argument("invalid manifest: it is both a manifest and an index");
    return ImageIndex{std::move(raw), parse_descriptors(object, "manifests")};
  }
  const auto* config = find_object(object, "config");
  if (config == nullptr) throw Error::invalid_argument("invalid manifest: neither a manifest nor an index");
  return ImageManifest{std::move(raw), parse_descriptor(*config), parse_descriptors(object, "layers")};
}

}  // namespace sockerless::oci
