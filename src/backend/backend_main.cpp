#include "backend/backend_main.hpp"

#include <charconv>
#include <chrono>
#include <iostream>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>

#include "backend/internal_server.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/memory.hpp"
#include "net/server.hpp"

namespace sockerless {

namespace {

using namespace std::chrono_literals;

Logger log("backend");

constexpr std::string_view kDefaultSocket = "/var/run/sockerless-backend.sock";

std::vector<SettingSpec> all_settings(const BackendProgram& program) {
  std::vector<SettingSpec> specs = {
      {"socket", "SOCKERLESS_BACKEND_SOCKET", {}, false},
      {"tcp", "SOCKERLESS_BACKEND_TCP", {}, false},
      {"insecure", "SOCKERLESS_BACKEND_INSECURE", {"false"}, false},
      {"log-level", "SOCKERLESS_LOG_LEVEL", {"info"}, false},
      {"threads", "SOCKERLESS_THREADS", {"0"}, false},
  };
  specs.insert(specs.end(), program.settings.begin(), program.settings.end());
  return specs;
}

std::string help_of(const SettingSpec& spec, const BackendProgram& program) {
  std::string help;
  if (const auto it = program.help.find(spec.name); it != program.help.end()) {
    help = it->second;
  } else if (spec.name == "socket") {
    help = fmt::format("unix socket to listen on; {} unless only --tcp is given", kDefaultSocket);
  } else if (spec.name == "tcp") {
    help = "TCP address to listen on: host:port";
  } else if (spec.name == "insecure") {
    help = "allow TCP beyond loopback, without TLS";
  } else if (spec.name == "log-level") {
    help = "trace, debug, info, warn, error or off";
  } else if (spec.name == "threads") {
    help = "I/O threads; 0: one a core";
  }
  if (!spec.defaults.empty()) help += fmt::format("{}[{}]", help.empty() ? "" : " ", spec.defaults.front());
  return help + fmt::format(" (${})", spec.environment);
}

/// What the command line says; an exit code where it says all there is to do.
std::variant<Settings::Values, int> parse_flags(int argc, char** argv, const BackendProgram& program,
                                                const std::vector<SettingSpec>& specs) {
  CLI::App app(program.description, program.name);
  app.set_version_flag("--version", SOCKERLESS_VERSION);
  std::map<std::string, std::vector<std::string>> given;
  std::map<std::string, bool> switches;
  for (const SettingSpec& spec : specs) {
    if (spec.name == "insecure" || program.flags.contains(spec.name)) {
      app.add_flag("--" + spec.name, switches[spec.name], help_of(spec, program));
      continue;
    }
    auto* option = app.add_option("--" + spec.name, given[spec.name], help_of(spec, program));
    if (!spec.repeatable) option->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& result) {
    return app.exit(result);
  }
  for (const auto& [name, is_on] : switches) {
    if (is_on) given[name] = {"true"};
  }
  std::erase_if(given, [](const auto& entry) { return entry.second.empty(); });
  return given;
}

std::vector<net::Address> addresses_of(const Settings& settings) {
  std::string socket = settings.get("socket");
  std::string tcp = settings.get("tcp");
  if (socket.empty() && tcp.empty()) socket = kDefaultSocket;
  std::vector<net::Address> addresses;
  if (!socket.empty()) {
    addresses.push_back(socket.starts_with("unix://") ? net::Address::parse(socket) : net::Address::unix_socket(std::move(socket)));
  }
  if (!tcp.empty()) addresses.push_back(net::Address::parse(tcp.starts_with("tcp://") ? tcp : "tcp://" + tcp));
  return addresses;
}

void log_request(const net::Exchange& exchange, int status, std::chrono::steady_clock::duration duration) {
  if (!Logger::enabled(LogLevel::debug)) return;
  log.debug("request method={} path={} status={} us={}", exchange.request().method_name, exchange.request().path, status,
            std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

Task<void> serve(Program& program, const Settings& settings, const BackendProgram& what) {
  const auto backend = what.make_backend(program, settings);
  // A start may wait for somebody else: being asked to end ends that too.
  if (co_await race(backend->start(), program.until_stop_signal()) == First::other) {
    log.info("stopped before it was ready");
    co_return;
  }
  net::HttpServer server(program.executors(), make_internal_server(*backend), {.on_done = log_request});
  for (const net::Address& address : addresses_of(settings)) server.listen(address, {.insecure = settings.get_bool("insecure")});
  log.info("ready backend={} version={}", backend->capabilities().backend, backend->capabilities().version);
  release_start_memory();
  co_await program.until_stop_signal();
  log.info("stopping connections={}", server.connection_count());
  co_await server.stop(10s);
  co_await backend->stop();
  log.info("stopped");
}

std::size_t thread_count_of(const Settings& settings) {
  const std::string text = settings.get("threads");
  std::size_t threads = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), threads);
  if (failed != std::errc{} || end != text.data() + text.size() || threads > 256) {
    throw Error::invalid_argument("threads: \"{}\" is not a number of threads (0: one a core)", text);
  }
  return threads;
}

}  // namespace

int run_backend_program(int argc, char** argv, const BackendProgram& what) {
  try {
    const std::vector<SettingSpec> specs = all_settings(what);
    auto flags = parse_flags(argc, argv, what, specs);
    if (const int* exit_code = std::get_if<int>(&flags)) return *exit_code;
    const Settings settings = Settings::resolve(specs, std::get<Settings::Values>(flags), process_environment, std::nullopt, {});
    set_log_level(parse_log_level(settings.get("log-level")));
    Program program(thread_count_of(settings));
    return program.run([&](Program& p) { return serve(p, settings, what); });
  } catch (const Error& error) {
    std::cerr << what.name << ": " << error.message() << '\n';
    return 1;
  }
}

}  // namespace sockerless
