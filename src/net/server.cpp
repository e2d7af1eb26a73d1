#include "net/server.hpp"

#include <atomic>
#include <unordered_map>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.hpp"
#include "base/guarded.hpp"
#include "base/log.hpp"
#include "net/listener.hpp"
#include "net/server_connection.hpp"
#include "net/tls.hpp"

namespace sockerless::net {

namespace {

Logger log("net");

using Acceptor = asio::basic_socket_acceptor<asio::generic::stream_protocol>;

struct Listener {
  ListeningSocket socket;  // its descriptor is the acceptor's
  TlsContext tls;
  asio::any_io_executor executor;
  Acceptor acceptor;
};

struct LiveConnection {
  asio::any_io_executor executor;
  std::weak_ptr<ServerConnection> connection;
};

}  // namespace

struct HttpServer::Impl {
  Impl(ExecutorSource executors, Handler handler, ServerOptions options)
      : new_executor(std::move(executors)),
        shared(std::make_shared<const ServerShared>(std::move(handler), std::move(options))),
        tick(tick_of(shared->options.limits)) {}

  /// How often deadlines are looked at: often enough to be at most a quarter late, at most 100 times a second.
  static std::chrono::milliseconds tick_of(const ServerLimits& limits) {
    const auto shortest = std::min({limits.header_timeout, limits.idle_timeout, limits.body_timeout, limits.write_timeout});
    return std::clamp(shortest / 4, std::chrono::milliseconds(10), std::chrono::milliseconds(1000));
  }

  static Task<void> accept_loop(std::shared_ptr<Impl> self, std::shared_ptr<Listener> listener);
  static Task<void> serve(std::shared_ptr<Impl> self, std::shared_ptr<ServerConnection> connection);
  static Task<void> watch_deadlines(std::shared_ptr<Impl> self);
  static void start(const std::shared_ptr<Impl>& self, StreamSocket socket, const asio::any_io_executor& executor, const TlsContext& tls);

  // Set in the constructor, never changed.
  const ExecutorSource new_executor;
  const std::shared_ptr<const ServerShared> shared;  // shared with the connections
  const std::chrono::milliseconds tick;

  // Any thread.
  Guarded<std::vector<std::shared_ptr<Listener>>> listeners;  // shared with their accept loops
  Guarded<std::unordered_map<const ServerConnection*, LiveConnection>> connections;
  Signal connections_changed;
  std::atomic<bool> stopping{false};
  std::atomic<bool> watching{false};
  TaskGroup background;
  TaskGroup sessions;
};

void HttpServer::Impl::start(const std::shared_ptr<Impl>& self, StreamSocket socket, const asio::any_io_executor& executor,
                             const TlsContext& tls) {
  tune(socket);
  PeerInfo peer = peer_of(socket);
  auto transport =
      tls ? make_tls_server_transport(tls, std::move(socket), std::move(peer)) : make_plain_transport(std::move(socket), std::move(peer));
  auto connection = std::make_shared<ServerConnection>(std::move(transport), self->shared);
  const std::size_t count = self->connections.write([&](auto& all) {
    all.emplace(connection.get(), LiveConnection{.executor = executor, .connection = connection});
    return all.size();
  });
  if (count == 1) self->connections_changed.notify();
  self->sessions.spawn("http connection", executor, serve(self, std::move(connection)));
}

Task<void> HttpServer::Impl::serve(std::shared_ptr<Impl> self, std::shared_ptr<ServerConnection> connection) {
  struct Registration {
    Impl& impl;
    const ServerConnection* connection;
    ~Registration() {
      impl.connections.write([&](auto& all) { all.erase(connection); });
    }
  };
  const Registration registration{.impl = *self, .connection = connection.get()};
  if (self->stopping) connection->begin_stop();
  co_await connection->serve();
}

Task<void> HttpServer::Impl::accept_loop(std::shared_ptr<Impl> self, std::shared_ptr<Listener> listener) {
  while (!self->stopping) {
    const asio::any_io_executor executor = self->new_executor();
    boost::system::error_code error;
    StreamSocket socket = co_await listener->acceptor.async_accept(executor, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) break;
    std::optional<Error> failure;
    if (error) {
      failure.emplace(ErrorCode::unavailable, error.message());
    } else {
      try {
        start(self, std::move(socket), executor, listener->tls);
      } catch (...) {
        failure = current_error();
      }
    }
    if (!failure) continue;
    // Most likely out of descriptors: connections that end give some back.
    log.warn("cannot accept a connection address={} error={}", listener->socket.address.str(), failure->what());
    co_await sleep_for(std::chrono::milliseconds(100));
  }
}

Task<void> HttpServer::Impl::watch_deadlines(std::shared_ptr<Impl> self) {
  std::vector<LiveConnection> late;
  for (;;) {
    const std::uint64_t seen = self->connections_changed.version();
    const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
    const bool any = self->connections.read([&](const auto& all) {
      for (const auto& [key, live] : all) {
        const std::shared_ptr<ServerConnection> connection = live.connection.lock();
        if (connection && connection->deadline() <= now) late.push_back(live);
      }
      return !all.empty();
    });
    for (const LiveConnection& live : late) {
      asio::post(live.executor, [weak = live.connection] {
        if (const std::shared_ptr<ServerConnection> connection = weak.lock()) connection->expire();
      });
    }
    late.clear();
    if (any) {
      co_await sleep_for(self->tick);
    } else {
      co_await self->connections_changed.wait_changed(seen);
    }
  }
}

HttpServer::HttpServer(ExecutorSource executors, Handler handler, ServerOptions options)
    : impl_(std::make_shared<Impl>(std::move(executors), std::move(handler), std::move(options))) {}

HttpServer::~HttpServer() { SOCKERLESS_ASSERT(!impl_->watching || impl_->stopping, "a server is stopped before it is destroyed"); }

Address HttpServer::listen(const Address& address, ListenOptions options) {
  TlsContext tls;
  if (options.tls) {
    if (address.kind == Address::Kind::unix_socket) throw Error::invalid_argument("TLS is for TCP addresses, not for {}", address.str());
    tls = make_server_tls(*options.tls);
  }
  ListeningSocket socket = open_listening_socket(address, options);
  const asio::any_io_executor executor = impl_->new_executor();
  Acceptor acceptor(executor);
  const int family = socket.family;
  acceptor.assign(asio::generic::stream_protocol(family, 0), socket.fd.release());
  auto listener = std::make_shared<Listener>(std::move(socket), std::move(tls), executor, std::move(acceptor));
  impl_->listeners.write([&](auto& all) { all.push_back(listener); });
  if (!impl_->watching.exchange(true)) impl_->background.spawn("deadlines", impl_->new_executor(), Impl::watch_deadlines(impl_));
  impl_->background.spawn("accept", executor, Impl::accept_loop(impl_, listener));
  log.info("listening address={} tls={}", listener->socket.address.str(), listener->tls != nullptr);
  return listener->socket.address;
}

std::vector<Address> HttpServer::addresses() const {
  return impl_->listeners.read([](const auto& all) {
    std::vector<Address> result;
    for (const auto& listener : all) result.push_back(listener->socket.address);
    return result;
  });
}

std::size_t HttpServer::connection_count() const {
  return impl_->connections.read([](const auto& all) { return all.size(); });
}

std::size_t HttpServer::stream_count() const { return impl_->shared->streams; }

Task<void> HttpServer::stop(std::chrono::steady_clock::duration grace) {
  const auto impl = impl_;
  impl->stopping = true;
  const auto listeners = impl->listeners.write([](auto& all) { return std::exchange(all, {}); });
  for (const auto& listener : listeners) {
    remove_socket_file(listener->socket);
    asio::post(listener->executor, [listener] {
      boost::system::error_code ignored;  // closing is the end
      listener->acceptor.close(ignored);
    });
  }
  impl->background.cancel(asio::cancellation_type::terminal);
  co_await impl->background.join();
  impl->connections.read([](const auto& all) {
    for (const auto& [key, live] : all) {
      asio::post(live.executor, [weak = live.connection] {
        if (const std::shared_ptr<ServerConnection> connection = weak.lock()) connection->begin_stop();
      });
    }
  });
  co_await impl->sessions.stop(grace);
}

}  // namespace sockerless::net
