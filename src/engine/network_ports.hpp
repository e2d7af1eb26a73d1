#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/types.hpp"
#include "base/guarded.hpp"
#include "engine/drivers.hpp"

namespace sockerless {

/// What a container's ports look like while it runs.
struct PublishedPorts {
  api::PortMap map;                     ///< NetworkSettings.Ports: exposed but unpublished ports have no bindings
  std::vector<api::PortSummary> ports;  ///< the list's Ports
};

/// Which ports of the host are taken by which container. Threads: any.
class PortAllocator {
 public:
  /// Whether no other program has a port: protocol, address, port.
  using IsBindable = std::function<bool(const std::string&, const std::string&, std::uint16_t)>;
  /// Takes what the configuration asks for; a binding without a host port gets a free one from 32768 up.
  /// @param endpoint_id  for the error's text. @param is_bindable  asked where there is a choice.
  /// @errors internal "... Bind for 0.0.0.0:80 failed: port is already allocated"; then nothing was taken. invalid_argument: no such port.
  PublishedPorts take(const WorkloadSpec& spec, const std::string& endpoint_id = {}, const IsBindable& is_bindable = {});
  /// Takes again what a running container had before the daemon was restarted.
  void retake(const ContainerId& container, const std::vector<api::PortSummary>& ports);
  void give_back(const ContainerId& container);

 private:
  struct Key {
    std::string protocol;
    std::string address;
    std::uint16_t port = 0;
    friend auto operator<=>(const Key&, const Key&) = default;
  };
  struct Table {
    std::map<Key, std::string> owner;  // container id
    std::uint16_t next_ephemeral = 32768;
  };
  static bool is_free(const Table& table, const Key& key);
  /// A port that is free on all the addresses; `first` 0 means any.
  static std::optional<std::uint16_t> find_port(Table& table, const std::string& protocol, const std::vector<std::string>& addresses,
                                                std::uint16_t first, std::uint16_t last, const IsBindable& is_bindable);

  Guarded<Table> table_;
};

/// The ports of a container that is not running or whose backend publishes none: everything exposed, nothing bound.
PublishedPorts unpublished_ports(const WorkloadSpec& spec);

}  // namespace sockerless
