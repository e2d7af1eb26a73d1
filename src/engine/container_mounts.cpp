#include "engine/container_mounts.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

constexpr std::array<std::string_view, 6> kPropagations{"private", "rprivate", "slave", "rslave", "shared", "rshared"};
constexpr std::array<std::string_view, 3> kConsistencies{"consistent", "cached", "delegated"};

template <typename List>
bool contains(const List& list, std::string_view wanted) {
  return std::ranges::find(list, wanted) != std::ranges::end(list);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const auto end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// "/a//b/./c/" as "/a/b/c"; ".." is resolved, it cannot leave the root.
std::string clean_path(std::string_view path) {
  std::vector<std::string> kept;
  for (auto& part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(std::move(part));
    }
  }
  std::string result;
  for (const auto& part : kept) result += "/" + part;
  return result.empty() ? "/" : result;
}

std::string checked_destination(std::string_view kind, const std::string& path) {
  if (!path.starts_with('/')) {
    throw Error::invalid_argument("invalid mount config for type \"{}\": invalid mount path: '{}' mount path must be absolute", kind, path);
  }
  std::string clean = clean_path(path);
  if (clean == "/")
    throw Error::invalid_argument("invalid mount config for type \"{}\": invalid specification: destination can't be '/'", kind);
  return clean;
}

struct BindMode {
  bool read_only = false;
  bool no_copy = false;
  std::string propagation;
};

/// The third part of a bind, nothing when it is no mode. Each kind of option may come once.
std::optional<BindMode> find_mode(std::string_view text) {
  BindMode mode;
  std::array<int, 5> seen{};
  for (const auto& option : split(text, ',')) {
    std::size_t kind = 0;
    if (option == "rw" || option == "ro") {
      mode.read_only = option == "ro";
    } else if (option == "z" || option == "Z") {
      kind = 1;
    } else if (contains(kPropagations, option)) {
      kind = 2;
      mode.propagation = option;
    } else if (option == "nocopy") {
      kind = 3;
      mode.no_copy = true;
    } else if (contains(kConsistencies, option)) {
      kind = 4;
    } else {
      return std::nullopt;
    }
    if (++seen.at(kind) > 1) return std::nullopt;
  }
  return mode;
}

MountRequest volume_request(std::string name, std::string destination) {
  MountRequest request;
  request.spec.kind = MountSpec::Kind::volume;
  request.anonymous = name.empty();
  request.spec.volume_name = std::move(name);
  request.spec.destination = std::move(destination);
  return request;
}

std::string tmpfs_options_of(const api::MountTmpfsOptions& options) {
  std::string text;
  const auto append = [&](const std::string& option) { text += (text.empty() ? "" : ",") + option; };
  if (options.size_bytes.value_or(0) < 0) throw Error::invalid_argument("invalid mount config for type \"tmpfs\": size can't be negative");
  if (options.size_bytes.value_or(0) > 0) append(fmt::format("size={}", *options.size_bytes));
  if (options.mode.value_or(0) != 0) append(fmt::format("mode={:o}", *options.mode));
  if (options.options) {
    for (const auto& option : *options.options) {
      if (option.size() == 1) append(option[0]);
      if (option.size() == 2) append(option[0] + "=" + option[1]);
    }
  }
  return text;
}

MountRequest bind_request(const api::Mount& mount, std::string destination) {
  MountRequest request;
  request.spec.kind = MountSpec::Kind::bind;
  request.spec.destination = std::move(destination);
  const std::string source = mount.source.value_or("");
  if (source.empty()) throw Error::invalid_argument("invalid mount config for type \"bind\": field Source must not be empty");
  if (!source.starts_with('/')) {
    throw Error::invalid_argument("invalid mount config for type \"bind\": invalid mount path: '{}' mount path must be absolute", source);
  }
  if (mount.volume_options)
    throw Error::invalid_argument("invalid mount config for type \"bind\": field VolumeOptions must not be specified");
  request.spec.source = clean_path(source);
  if (mount.bind_options) {
    if (mount.bind_options->propagation) {
      request.spec.propagation = mount.bind_options->propagation->str();
      if (!request.spec.propagation.empty() && !contains(kPropagations, request.spec.propagation)) {
        throw Error::invalid_argument("invalid mount config for type \"bind\": invalid propagation mode: {}", request.spec.propagation);
      }
    }
    request.spec.create_source = mount.bind_options->create_mountpoint.value_or(false);
    request.spec.non_recursive = mount.bind_options->non_recursive.value_or(false);
    request.spec.read_only_non_recursive = mount.bind_options->read_only_non_recursive.value_or(false);
    request.spec.read_only_force_recursive = mount.bind_options->read_only_force_recursive.value_or(false);
  }
  return request;
}

/// @errors invalid_argument: a path that is not one inside.
std::string checked_subpath(std::string_view kind, const std::string& path) {
  int depth = 0;
  for (const auto& part : split(path, '/')) {
    if (part == "..") --depth;
    if (!part.empty() && part != "." && part != "..") ++depth;
    if (depth < 0 || path.starts_with('/'))
      throw Error::invalid_argument("invalid mount config for type \"{0}\": subpath must be a relative path within the {0}", kind);
  }
  return path;
}

MountRequest image_request(const api::Mount& mount, std::string destination) {
  MountRequest request;
  request.spec.kind = MountSpec::Kind::image;
  request.spec.destination = std::move(destination);
  request.spec.volume_name = mount.source.value_or("");
  if (request.spec.volume_name.empty())
    throw Error::invalid_argument("invalid mount config for type \"image\": field Source must not be empty");
  if (mount.bind_options) throw Error::invalid_argument("invalid mount config for type \"image\": field BindOptions must not be specified");
  if (mount.volume_options)
    throw Error::invalid_argument("invalid mount config for type \"image\": field VolumeOptions must not be specified");
  if (mount.image_options) request.spec.subpath = checked_subpath("image", mount.image_options->subpath.value_or(""));
  return request;
}

MountRequest volume_mount_request(const api::Mount& mount, std::string destination) {
  MountRequest request = volume_request(mount.source.value_or(""), std::move(destination));
  if (mount.bind_options)
    throw Error::invalid_argument("invalid mount config for type \"volume\": field BindOptions must not be specified");
  if (!mount.volume_options) return request;
  const auto& options = *mount.volume_options;
  request.spec.subpath = checked_subpath("volume", options.subpath.value_or(""));
  if (request.anonymous && !request.spec.subpath.empty())
    throw Error::invalid_argument("invalid mount config for type \"volume\": must not set Subpath when using anonymous volumes");
  request.no_copy = options.no_copy.value_or(false);
  if (options.labels) request.volume_labels = *options.labels;
  if (options.driver_config) {
    request.volume_driver = options.driver_config->name.value_or("");
    if (options.driver_config->options) request.volume_options = *options.driver_config->options;
  }
  return request;
}

MountRequest request_of(const api::Mount& mount) {
  const auto type = mount.type.value_or(api::MountType(std::string_view()));
  const std::string target = mount.target.value_or("");
  if (target.empty()) throw Error::invalid_argument("invalid mount config for type \"{}\": field Target must not be empty", type.str());
  MountRequest request;
  if (type == api::MountType::bind) {
    request = bind_request(mount, checked_destination("bind", target));
  } else if (type == api::MountType::volume) {
    request = volume_mount_request(mount, checked_destination("volume", target));
  } else if (type == api::MountType::tmpfs) {
    request.spec.kind = MountSpec::Kind::tmpfs;
    request.spec.destination = checked_destination("tmpfs", target);
    if (!mount.source.value_or("").empty()) {
      throw Error::invalid_argument("invalid mount config for type \"tmpfs\": field Source must not be specified");
    }
    if (mount.tmpfs_options) request.spec.tmpfs_options = tmpfs_options_of(*mount.tmpfs_options);
  } else if (type == api::MountType::image) {
    request = image_request(mount, checked_destination("image", target));
  } else if (type == api::MountType::cluster) {
    throw Error::not_implemented("mounts of type \"{}\" are not supported", type.str());
  } else {
    throw Error::invalid_argument("invalid mount config for type \"{}\": mount type unknown", type.str());
  }
  request.spec.read_only = mount.read_only.value_or(false) || request.spec.kind == MountSpec::Kind::image;
  return request;
}

/// Gathers mounts and refuses a second one at the same place.
class MountList {
 public:
  void add(MountRequest request) {
    if (!destinations_.insert(request.spec.destination).second) {
      throw Error::invalid_argument("Duplicate mount point: {}", request.spec.destination);
    }
    requests_.push_back(std::move(request));
  }
  void add_unless_covered(MountRequest request) {
    if (destinations_.insert(request.spec.destination).second) requests_.push_back(std::move(request));
  }
  std::vector<MountRequest> take() { return std::move(requests_); }

 private:
  std::set<std::string> destinations_;
  std::vector<MountRequest> requests_;
};

void add_volumes_from(MountList& list, const std::string& text, const FindMounts& find_mounts) {
  const auto colon = text.find(':');
  const std::string mode = colon == std::string::npos ? "rw" : text.substr(colon + 1);
  if (mode != "rw" && mode != "ro" && mode != "z" && mode != "Z") throw Error::invalid_argument("invalid mode: {}", mode);
  for (auto& mount : find_mounts(text.substr(0, colon))) {
    if (mount.kind == MountSpec::Kind::tmpfs) continue;
    MountRequest request;
    request.spec = std::move(mount);
    request.spec.read_only = request.spec.read_only || mode == "ro";
    request.spec.copy_from_image = false;
    list.add_unless_covered(std::move(request));
  }
}

}  // namespace

MountRequest parse_bind(const std::string& text) {
  const auto parts = split(text, ':');
  const auto invalid = [&] { return Error::invalid_argument("invalid volume specification: '{}'", text); };
  if (parts.size() > 3 || std::ranges::any_of(parts, [](const std::string& part) { return part.empty(); })) throw invalid();
  std::string source;
  std::string destination = parts[0];
  BindMode mode;
  if (parts.size() == 2) {
    if (const auto found = find_mode(parts[1])) {
      mode = *found;
    } else {
      source = parts[0];
      destination = parts[1];
    }
  } else if (parts.size() == 3) {
    source = parts[0];
    destination = parts[1];
    const auto found = find_mode(parts[2]);
    if (!found) throw Error::invalid_argument("invalid mode: {}", parts[2]);
    mode = *found;
  }
  const bool is_bind = source.starts_with('/');
  try {
    destination = checked_destination(is_bind ? "bind" : "volume", destination);
  } catch (const Error& error) {
    throw Error::invalid_argument("invalid volume specification: '{}': {}", text, error.message());
  }
  MountRequest request;
  if (is_bind) {
    request.spec.kind = MountSpec::Kind::bind;
    request.spec.source = clean_path(source);
    request.spec.destination = std::move(destination);
    request.spec.propagation = mode.propagation;
    request.spec.create_source = true;
  } else {
    if (!mode.propagation.empty()) throw Error::invalid_argument("invalid mode: {}", parts.back());
    request = volume_request(std::move(source), std::move(destination));
    request.no_copy = mode.no_copy;
  }
  request.spec.read_only = mode.read_only;
  return request;
}

std::vector<MountRequest> collect_mounts(const api::ContainerConfig& config, const api::HostConfig& host_config,
                                         const FindMounts& find_mounts) {
  MountList list;
  if (host_config.binds) {
    for (const auto& bind : *host_config.binds) list.add(parse_bind(bind));
  }
  if (host_config.mounts) {
    for (const auto& mount : *host_config.mounts) list.add(request_of(mount));
  }
  if (host_config.tmpfs) {
    for (const auto& [path, options] : *host_config.tmpfs) {
      MountRequest request;
      request.spec.kind = MountSpec::Kind::tmpfs;
      request.spec.destination = checked_destination("tmpfs", path);
      request.spec.tmpfs_options = options;
      request.spec.read_only = contains(split(options, ','), "ro");
      list.add(std::move(request));
    }
  }
  if (host_config.volumes_from) {
    for (const auto& from : *host_config.volumes_from) add_volumes_from(list, from, find_mounts);
  }
  if (config.volumes) {
    for (const auto& [path, nothing] : *config.volumes) list.add_unless_covered(volume_request({}, checked_destination("volume", path)));
  }
  return list.take();
}

}  // namespace sockerless
