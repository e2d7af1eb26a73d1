#include "engine/container_documents.hpp"

#include <array>

#include "api/json.hpp"
#include "api/types_json.hpp"
#include "base/error.hpp"
#include "engine/container_view.hpp"

namespace sockerless {

namespace {

constexpr std::array<std::string_view, 4> kMountKinds{"bind", "volume", "tmpfs", "image"};

void write_mount(api::JsonWriter& writer, const MountSpec& mount) {
  writer.begin_object();
  writer.key("kind");
  writer.string(kMountKinds.at(static_cast<std::size_t>(mount.kind)));
  const auto text = [&](std::string_view name, const std::string& value) {
    writer.key(name);
    writer.string(value);
  };
  text("source", mount.source);
  text("destination", mount.destination);
  text("volume_name", mount.volume_name);
  text("propagation", mount.propagation);
  text("tmpfs_options", mount.tmpfs_options);
  text("subpath", mount.subpath);
  const auto flag = [&](std::string_view name, bool value) {
    writer.key(name);
    write_json(writer, value);
  };
  flag("read_only", mount.read_only);
  flag("create_source", mount.create_source);
  flag("copy_from_image", mount.copy_from_image);
  flag("non_recursive", mount.non_recursive);
  flag("read_only_non_recursive", mount.read_only_non_recursive);
  flag("read_only_force_recursive", mount.read_only_force_recursive);
  writer.end_object();
}

MountSpec read_mount(api::JsonReader& reader) {
  MountSpec mount;
  reader.read_object("mount", [&](std::string_view name) {
    if (name == "kind") {
      std::string kind;
      reader.read(kind);
      const auto* found = std::ranges::find(kMountKinds, kind);
      if (found == kMountKinds.end()) throw Error::invalid_argument("unknown kind of mount: {}", kind);
      mount.kind = static_cast<MountSpec::Kind>(found - kMountKinds.begin());
    } else if (name == "source") {
      reader.read(mount.source);
    } else if (name == "destination") {
      reader.read(mount.destination);
    } else if (name == "volume_name") {
      reader.read(mount.volume_name);
    } else if (name == "propagation") {
      reader.read(mount.propagation);
    } else if (name == "tmpfs_options") {
      reader.read(mount.tmpfs_options);
    } else if (name == "subpath") {
      reader.read(mount.subpath);
    } else if (name == "non_recursive") {
      reader.read(mount.non_recursive);
    } else if (name == "read_only_non_recursive") {
      reader.read(mount.read_only_non_recursive);
    } else if (name == "read_only_force_recursive") {
      reader.read(mount.read_only_force_recursive);
    } else if (name == "read_only") {
      reader.read(mount.read_only);
    } else if (name == "create_source") {
      reader.read(mount.create_source);
    } else if (name == "copy_from_image") {
      reader.read(mount.copy_from_image);
    } else {
      throw Error::invalid_argument("unknown member of a mount: {}", name);
    }
  });
  return mount;
}

void read_definition_member(api::JsonReader& reader, std::string_view name, ContainerDefinition& definition, std::string& id) {
  WorkloadSpec& spec = definition.spec;
  if (name == "id") {
    reader.read(id);
  } else if (name == "name") {
    reader.read(spec.name);
  } else if (name == "image_id") {
    reader.read(spec.image_id);
  } else if (name == "image_name") {
    reader.read(definition.image_name);
  } else if (name == "platform") {
    reader.read(definition.platform);
  } else if (name == "created") {
    std::int64_t nanoseconds = 0;
    reader.read(nanoseconds);
    definition.created = TimePoint(Duration(nanoseconds));
  } else if (name == "arguments") {
    api::read_json(reader, spec.arguments);
  } else if (name == "network_mode") {
    reader.read(spec.network_mode);
  } else if (name == "anonymous_volumes") {
    api::read_json(reader, definition.anonymous_volumes);
  } else if (name == "config") {
    api::read_json(reader, spec.config);
  } else if (name == "host_config") {
    api::read_json(reader, spec.host_config);
  } else if (name == "mounts") {
    reader.read_array("mounts", [&] { spec.mounts.push_back(read_mount(reader)); });
  } else {
    throw Error::invalid_argument("unknown member of a container: {}", name);
  }
}

std::shared_ptr<ContainerDefinition> definition_from_json(std::string_view json) {
  auto definition = std::make_shared<ContainerDefinition>(ContainerId::parse(std::string(64, '0')));  // until the document has told it
  std::string id;
  api::JsonReader reader(json);
  reader.read_object("container", [&](std::string_view name) { read_definition_member(reader, std::string(name), *definition, id); });
  reader.finish();
  definition->spec.id = ContainerId::parse(id);
  definition->summary = make_static_summary(*definition);
  return definition;
}

}  // namespace

std::string definition_to_json(const ContainerDefinition& definition) {
  const WorkloadSpec& spec = definition.spec;
  std::string out;
  api::JsonWriter writer(out);
  writer.begin_object();
  const auto member = [&](std::string_view name, const auto& value) {
    writer.key(name);
    write_json(writer, value);
  };
  member("id", spec.id.str());
  member("name", spec.name);
  member("image_id", spec.image_id);
  member("image_name", definition.image_name);
  member("platform", definition.platform);
  member("created", std::int64_t{definition.created.time_since_epoch().count()});
  member("arguments", spec.arguments);
  member("network_mode", spec.network_mode);
  member("anonymous_volumes", definition.anonymous_volumes);
  member("config", spec.config);
  member("host_config", spec.host_config);
  writer.key("mounts");
  writer.begin_array();
  for (const auto& mount : spec.mounts) write_mount(writer, mount);
  writer.end_array();
  writer.end_object();
  return out;
}

std::string state_to_json(const ContainerState& state, const ContainerNetworks& networks) {
  std::string out;
  api::JsonWriter writer(out);
  writer.begin_object();
  writer.key("state");
  writer.raw(state.to_json());
  const auto member = [&](std::string_view name, const auto& value) {
    writer.key(name);
    write_json(writer, value);
  };
  member("endpoints", networks.endpoints);
  member("settings", networks.settings);
  member("ports", networks.ports);
  writer.end_object();
  return out;
}

ContainerPtr record_from_json(std::string_view definition_json, std::string_view state_json) {
  auto definition = definition_from_json(definition_json);
  const ContainerId id = definition->spec.id;
  ContainerState state;
  ContainerNetworks networks;
  if (!state_json.empty()) {
    api::JsonReader reader(state_json);
    reader.read_object("state", [&](std::string_view name) {
      if (name == "state") {
        api::RawJson text;
        reader.read(text);
        state = ContainerState::from_json(text.text);
      } else if (name == "endpoints") {
        api::read_json(reader, networks.endpoints);
      } else if (name == "settings") {
        api::read_json(reader, networks.settings);
      } else if (name == "ports") {
        api::read_json(reader, networks.ports);
      } else {
        throw Error::invalid_argument("unknown member of a container's state: {}", name);
      }
    });
    reader.finish();
  }
  auto record = std::make_shared<ContainerRecord>(id, std::move(definition), std::move(state));
  record->set_networks(std::move(networks));
  return record;
}

}  // namespace sockerless
