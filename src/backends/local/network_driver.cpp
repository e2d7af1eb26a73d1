#include "backends/local/network_driver.hpp"

#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "backends/local/network/firewall.hpp"
#include "backends/local/network/network_plan.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

namespace sockerless::local {

namespace {

Logger log("local");

constexpr auto kStopGrace = std::chrono::seconds(2);

class LocalNetworks final : public NetworkDriver {
 public:
  LocalNetworks(std::shared_ptr<HostNetworks> networks, BlockingPool& pool, asio::any_io_executor executor)
      : networks_(std::move(networks)), pool_(pool), executor_(std::move(executor)) {}

  bool has_user_networks() const override { return true; }

  Task<void> create(NetworkSpec network) override {
    co_await run_blocking(pool_, [this, &network] { networks_->blocking_create(network); });
  }
  Task<void> remove(NetworkSpec network) override {
    co_await run_blocking(pool_, [this, &network] { networks_->blocking_remove(network); });
  }
  Task<void> connect(NetworkSpec network, WorkloadSpec workload, api::EndpointSettings endpoint) override {
    co_await run_blocking(pool_, [this, &network, &workload, &endpoint] { networks_->blocking_connect(network, workload, endpoint); });
  }
  Task<void> disconnect(NetworkSpec network, WorkloadSpec workload) override {
    co_await run_blocking(pool_, [this, &network, &workload] { networks_->blocking_disconnect(network, workload); });
  }

  Task<std::vector<std::string>> taken_subnets() override {
    co_return co_await run_blocking(pool_, [this] { return networks_->blocking_taken_subnets(); });
  }
  bool can_bind(const std::string& protocol, const std::string& address, std::uint16_t port) override {
    return HostNetworks::can_bind(protocol, address, port);
  }
  Task<void> publish(WorkloadSpec workload, std::string endpoint_id, std::vector<api::PortSummary> ports) override {
    if (ports.empty()) co_return;
    co_await run_blocking(pool_, [this, &workload, &endpoint_id, &ports] { networks_->blocking_publish(workload, endpoint_id, ports); });
  }
  Task<void> release(ContainerId id) override {
    co_await run_blocking(pool_, [this, &id] { networks_->blocking_release(id); });
  }

  Task<void> restore(std::vector<NetworkSpec> networks, std::vector<NetworkMember> members) override {
    co_await run_blocking(pool_, [this, &networks, &members] { networks_->blocking_restore(networks, members); });
    if (UniqueFd events = open_firewall_events()) {
      const auto strand = asio::make_strand(executor_);
      tasks_.spawn("nftables", strand, watch_rules(asio::posix::stream_descriptor(strand, events.release())));
    }
  }

  Task<void> stop() override {
    co_await tasks_.stop(kStopGrace);
    try {
      co_await run_blocking(pool_, [this] { networks_->blocking_stop(); });
    } catch (const Error& error) {
      log.warn("networks are not removed error={}", error.what());
    }
  }

 private:
  /// Another program's `flush ruleset`, or a reload of a firewall that does it, takes our table too.
  Task<void> watch_rules(asio::posix::stream_descriptor events) {
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    for (;;) {
      co_await events.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
      if (!read_firewall_events(events.native_handle(), networks_->table_name())) continue;
      try {
        co_await run_blocking(pool_, [this] { networks_->blocking_repair(); });
      } catch (const Error& error) {
        log.error("the rules cannot be written again error={}", error.what());
      }
    }
  }

  const std::shared_ptr<HostNetworks> networks_;
  BlockingPool& pool_;
  const asio::any_io_executor executor_;
  TaskGroup tasks_;
};

}  // namespace

std::unique_ptr<NetworkDriver> make_network_driver(std::shared_ptr<HostNetworks> networks, BlockingPool& pool,
                                                   asio::any_io_executor executor) {
  return std::make_unique<LocalNetworks>(std::move(networks), pool, std::move(executor));
}

}  // namespace sockerless::local
