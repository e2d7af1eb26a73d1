#include "backends/local/network_driver.hpp"

#include "base/error.hpp"

namespace sockerless::local {

namespace {

class PredefinedNetworks final : public NetworkDriver {
 public:
  bool has_user_networks() const override { return false; }
  Task<void> create(NetworkSpec network) override {
    throw Error::not_implemented("user-defined networks are not supported by the local backend yet: network {}", network.name);
    co_return;
  }
  Task<void> remove(NetworkSpec) override { co_return; }
  Task<void> connect(NetworkSpec, WorkloadSpec, api::EndpointSettings) override { co_return; }
  Task<void> disconnect(NetworkSpec, WorkloadSpec) override { co_return; }
};

}  // namespace

std::unique_ptr<NetworkDriver> make_network_driver() { return std::make_unique<PredefinedNetworks>(); }

}  // namespace sockerless::local
