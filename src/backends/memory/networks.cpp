#include "backends/memory/networks.hpp"

#include <set>
#include <unordered_map>

#include "base/guarded.hpp"

namespace sockerless::memory {

namespace {

class MemoryNetworks final : public NetworkDriver {
 public:
  bool has_user_networks() const override { return true; }

  Task<void> create(NetworkSpec network) override {
    networks_.write([&](Networks& all) { all.try_emplace(network.id); });
    co_return;
  }

  Task<void> remove(NetworkSpec network) override {
    networks_.write([&](Networks& all) { all.erase(network.id); });
    co_return;
  }

  // The predefined networks are not announced by create().
  Task<void> connect(NetworkSpec network, WorkloadSpec workload, api::EndpointSettings) override {
    networks_.write([&](Networks& all) { all[network.id].insert(workload.id); });
    co_return;
  }

  Task<void> disconnect(NetworkSpec network, WorkloadSpec workload) override {
    networks_.write([&](Networks& all) {
      if (const auto it = all.find(network.id); it != all.end()) it->second.erase(workload.id);
    });
    co_return;
  }

 private:
  using Networks = std::unordered_map<NetworkId, std::set<ContainerId>>;
  Guarded<Networks> networks_;
};

}  // namespace

std::unique_ptr<NetworkDriver> make_network_driver() { return std::make_unique<MemoryNetworks>(); }

}  // namespace sockerless::memory
