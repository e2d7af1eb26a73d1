// The daemon: a backend below, the frontend above it, servers around both.

#include "apps/serve.hpp"

#include <charconv>
#include <filesystem>

#include <unistd.h>

#include "api/version.hpp"
#include "apps/builtins.hpp"
#include "apps/cli/daemon.hpp"
#include "backend/remote.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/memory.hpp"
#include "base/program.hpp"
#include "frontend/frontend.hpp"
#include "net/server.hpp"

namespace sockerless {

namespace {

using namespace std::chrono_literals;

Logger log("serve");

std::string default_state_directory() {
  if (::geteuid() == 0) return "/var/lib/sockerless";
  if (const auto state = process_environment("XDG_STATE_HOME"); state && !state->empty()) return *state + "/sockerless";
  return process_environment("HOME").value_or("/tmp") + "/.local/state/sockerless";
}

std::size_t thread_count_of(const Settings& settings) {
  const std::string text = settings.get("threads");
  std::size_t threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (error != std::errc{} || end != text.data() + text.size() || threads > 256) {
    throw Error::invalid_argument("threads: \"{}\" is not a number of threads (0: one a core)", text);
  }
  return threads;
}

std::unique_ptr<Backend> open_backend(Program& program, const Settings& settings) {
  if (const std::string address = settings.get("backend-address"); !address.empty()) {
    return make_remote_backend({.address = net::Address::parse(address)});
  }
  return builtin_backends().get(settings.get("backend"))(BackendContext{program, settings});
}

std::optional<net::TlsConfig> tls_of(const Settings& settings) {
  const bool verify = settings.get_bool("tlsverify");
  if (!settings.get_bool("tls") && !verify) return std::nullopt;
  return net::TlsConfig{.ca_file = settings.get("tlscacert"),
                        .certificate_file = settings.get("tlscert"),
                        .key_file = settings.get("tlskey"),
                        .verify_peer = verify};
}

void log_request(const net::Exchange& exchange, int status, std::chrono::steady_clock::duration duration) {
  if (!Logger::enabled(LogLevel::debug)) return;
  log.debug("request method={} path={} status={} us={}", exchange.request().method_name, exchange.request().path, status,
            std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

void listen_everywhere(net::HttpServer& server, const Settings& settings) {
  auto hosts = settings.get_all("host");
  if (hosts.empty()) hosts = {"unix://" + cli::default_socket()};
  for (const std::string& host : hosts) {
    const auto address = net::Address::parse(host);
    net::ListenOptions options{.insecure = settings.get_bool("insecure"), .unix_group = settings.get("group")};
    if (address.kind == net::Address::Kind::tcp) options.tls = tls_of(settings);
    log.info("listening address={} tls={}", server.listen(address, options).str(), options.tls.has_value());
  }
}

api::ApiVersion advertised_version(const Settings& settings) {
  const auto version = api::ApiVersion::parse(settings.get("api-version"));
  if (version < api::kMinApiVersion || version > api::kDefaultApiVersion) {
    throw Error::invalid_argument("api-version: {} is not between {} and {}", version.str(), api::kMinApiVersion.str(),
                                  api::kDefaultApiVersion.str());
  }
  return version;
}

Task<void> serve_until_stopped(Program& program, const Settings& settings) {
  Metrics metrics;
  std::optional<net::HttpServer> server_slot;
  const FrontendOptions frontend{
      .advertised = advertised_version(settings), .metrics = &metrics, .count_connections = [&](MetricsGauges& gauges) {
        gauges.connections = server_slot->connection_count();
        gauges.streams = server_slot->stream_count();
      }};
  const auto backend = open_backend(program, settings);
  co_await backend->start();
  const auto on_done = [&metrics](const net::Exchange& exchange, int status, std::chrono::steady_clock::duration duration) {
    metrics.count(exchange.request().method, status, duration);
    log_request(exchange, status, duration);
  };
  net::HttpServer& server = server_slot.emplace(program.executors(), make_frontend(*backend, frontend),
                                                net::ServerOptions{.constant_headers = frontend_headers(frontend), .on_done = on_done});
  listen_everywhere(server, settings);
  log.info("ready backend={} version={}", backend->capabilities().backend, SOCKERLESS_VERSION);
  release_start_memory();
  co_await program.until_stop_signal();
  log.info("stopping connections={}", server.connection_count());
  co_await server.stop(10s);
  co_await backend->stop();
  log.info("stopped");
}

}  // namespace

std::vector<SettingSpec> serve_settings() {
  return {
      {"backend", "SOCKERLESS_BACKEND", {"local"}, false},
      {"backend-address", "SOCKERLESS_BACKEND_ADDRESS", {}, false},
      {"host", "SOCKERLESS_HOST", {}, true},
      {"group", "SOCKERLESS_GROUP", {"docker"}, false},
      {"state", "SOCKERLESS_STATE", {default_state_directory()}, false},
      {"runtime", "SOCKERLESS_RUNTIME", {}, false},
      {"insecure-registry", "SOCKERLESS_INSECURE_REGISTRY", {}, true},
      {"docker-host", "SOCKERLESS_DOCKER_HOST", {}, false},
      {"api-version", "SOCKERLESS_API_VERSION", {"1.51"}, false},
      {"threads", "SOCKERLESS_THREADS", {"0"}, false},
      {"tls", "SOCKERLESS_TLS", {"false"}, false},
      {"tlsverify", "SOCKERLESS_TLS_VERIFY", {"false"}, false},
      {"tlscacert", "SOCKERLESS_TLS_CA_CERT", {}, false},
      {"tlscert", "SOCKERLESS_TLS_CERT", {}, false},
      {"tlskey", "SOCKERLESS_TLS_KEY", {}, false},
      {"insecure", "SOCKERLESS_INSECURE", {"false"}, false},
      {"log-level", "SOCKERLESS_LOG_LEVEL", {"info"}, false},
  };
}

int serve(const Settings& settings) {
  set_log_level(parse_log_level(settings.get("log-level")));
  Program program(thread_count_of(settings));
  return program.run([&settings](Program& p) { return serve_until_stopped(p, settings); });
}

}  // namespace sockerless
