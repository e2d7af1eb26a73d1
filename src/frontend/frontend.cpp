#include "frontend/frontend.hpp"

#include <memory>
#include <optional>
#include <string_view>

#include "api/route.hpp"
#include "base/error.hpp"
#include "frontend/call.hpp"
#include "frontend/relay.hpp"
#include "frontend/routes.hpp"
#include "frontend/status.hpp"

namespace sockerless {

namespace {

using frontend::Call;

/// A path with its /vX.YY taken off.
struct VersionedPath {
  std::string_view version;  ///< empty: none was asked for
  std::string_view path;
};

VersionedPath split_version(std::string_view path) {
  if (!path.starts_with("/v")) return {{}, path};
  const std::size_t end = path.find('/', 2);
  if (end == std::string_view::npos || end == 2) return {{}, path};
  const std::string_view version = path.substr(2, end - 2);
  if (version.find_first_not_of("0123456789.") != std::string_view::npos) return {{}, path};
  return {version, path.substr(end)};
}

/// The routes' answers to requests, for one backend.
class Frontend {
 public:
  Frontend(Backend& backend, FrontendOptions options) : backend_(backend), options_(std::move(options)) {
    if (RelayRole* const role = backend.relay()) relay_ = std::make_unique<frontend::Relay>(*role);
  }

  Task<void> serve(net::Exchange& exchange) const {
    const net::RequestHead& request = exchange.request();
    const bool reads = request.method == net::Method::get;
    if (reads && request.path == "/healthz") co_return co_await frontend::healthz(exchange, backend_);
    if (reads && request.path == "/metrics") co_return co_await frontend::metrics(exchange, backend_, options_);
    if (relay_) {
      const bool is_ping = (reads || request.method == net::Method::head) && split_version(request.path).path == "/_ping";
      co_return co_await relay_->serve(exchange, is_ping);
    }
    if (request.method == net::Method::options) co_return co_await exchange.respond(200, {}, {});
    const VersionedPath asked = split_version(request.path);
    // What the router does not know is 404, whatever version is asked for.
    const auto match = api::find_route(request.method_name, asked.path);
    if (!match) throw Error::not_found("page not found");
    Call call{.exchange = exchange,
              .backend = backend_,
              .options = options_,
              .version = checked_version(asked.version),
              .operation = match->route->operation,
              .id = api::percent_decode(match->parameter),
              .query = {}};
    if (match->route->since > call.version) {
      throw Error::invalid_argument("{} {} needs API version {} or newer; the request asks for {}", request.method_name, match->route->path,
                                    match->route->since.str(), call.version.str());
    }
    call.query = api::Query::parse(request.query);
    const frontend::RouteHandler handler = frontend::find_handler(call.operation);
    if (handler == nullptr) frontend::refuse_operation(call.operation, match->route->tag);
    co_await handler(call);
  }

 private:
  api::ApiVersion checked_version(std::string_view text) const {
    if (text.empty()) return options_.advertised;
    const api::ApiVersion version = api::ApiVersion::parse(text);
    api::check_api_version(version, options_.minimum, options_.advertised);
    return version;
  }

  Backend& backend_;
  const FrontendOptions options_;
  std::unique_ptr<frontend::Relay> relay_;  // null: this process answers itself
};

}  // namespace

net::Headers frontend_headers(const FrontendOptions& options) {
  return {{"Api-Version", options.advertised.str()},
          {"Docker-Experimental", "false"},
          {"Ostype", "linux"},
          {"Server", "Docker/" + options.server_version + " (linux)"}};
}

net::Handler make_frontend(Backend& backend, FrontendOptions options) {
  // Shared because std::function must be copyable; the copies are the server's.
  auto frontend = std::make_shared<const Frontend>(backend, std::move(options));
  return [frontend](net::Exchange& exchange) { return frontend->serve(exchange); };
}

}  // namespace sockerless
