#pragma once

#include <memory>

#include <boost/asio/awaitable.hpp>

#include "sockerless/async_client_calls.hpp"
#include "sockerless/client.hpp"

namespace sockerless {

/// The calls of Client as coroutines of Boost.Asio, for programs that have an event loop. The only part of the library that shows Boost,
/// and only usable with the Boost version and the Asio options that it was built with.
///
///   asio::awaitable<void> list(AsyncClient client) {
///     auto containers = co_await client.container_list({.all = true});
///     ...
///   }
///
/// A call runs on the executor it is awaited on, which must be one thread or a strand. It ends with its stop token, its timeout or Asio's
/// cancellation. Arguments are read before the call returns its awaitable. Copies share the connections. Threads: any.
class AsyncClient : public AsyncClientCalls {
 public:
  /// Does not connect yet. @errors unknown: the configuration cannot be used.
  static Result<AsyncClient> open(DockerConfig config = {});
  static Result<AsyncClient> from_environment();

  boost::asio::awaitable<Result<PingInfo>> ping(CallOptions options = {}) const;
  boost::asio::awaitable<Result<PathInfo>> container_archive_info(std::string_view id, std::string_view path,
                                                                  CallOptions options = {}) const;
  boost::asio::awaitable<Result<std::string>> api_version(CallOptions options = {}) const;
  DockerConnectionState connection_state() const;
  BreakerState breaker_state() const;
  PoolFigures pool() const;
  void on_health(HealthListener listener) const noexcept;
  const DockerConfig& config() const;

 private:
  explicit AsyncClient(std::shared_ptr<detail::ClientCore> core) : AsyncClientCalls(std::move(core)) {}
};

}  // namespace sockerless
