// run and exec: create, attach, start, copy, exit code.

#include <cstdio>

#include "api/types_json.hpp"
#include "apps/cli/commands.hpp"
#include "apps/cli/daemon.hpp"
#include "apps/cli/session.hpp"
#include "apps/cli/terminal.hpp"
#include "base/error.hpp"

namespace sockerless::cli {

namespace {

Framing framing_of(bool tty) { return tty ? Framing::raw : Framing::multiplexed; }

api::ContainerCreateRequest create_request(const RunOptions& options) {
  api::ContainerCreateRequest request;
  request.image = options.image;
  if (!options.command.empty()) request.cmd = options.command;
  if (!options.entrypoint.empty()) request.entrypoint = std::vector{options.entrypoint};
  if (!options.environment.empty()) request.env = options.environment;
  if (!options.working_dir.empty()) request.working_dir = options.working_dir;
  if (!options.user.empty()) request.user = options.user;
  request.tty = options.tty;
  request.open_stdin = options.interactive;
  request.stdin_once = options.interactive && !options.detach;
  request.attach_stdin = options.interactive && !options.detach;
  request.attach_stdout = !options.detach;
  request.attach_stderr = !options.detach;
  auto& host = request.host_config.emplace();
  host.auto_remove = options.remove;
  if (!options.binds.empty()) host.binds = options.binds;
  if (!options.network.empty()) host.network_mode = options.network;
  return request;
}

Task<void> start(Daemon& daemon, std::string path) { co_await daemon.post(path + "/start"); }

/// The exit code docker's command line gives when the start itself failed.
int code_of_failed_start(const Error& error) {
  const std::string& text = error.message();
  if (text.find("executable file not found") != std::string::npos || text.find("no such file or directory") != std::string::npos)
    return 127;
  if (text.find("permission denied") != std::string::npos || text.find("is a directory") != std::string::npos) return 126;
  return 125;
}

/// Waits in a request of its own, registered before the container starts.
Task<std::unique_ptr<net::ClientStream>> register_wait(Daemon& daemon, std::string path, bool removed) {
  co_return co_await daemon.stream(net::Method::post, path + (removed ? "/wait?condition=removed" : "/wait?condition=next-exit"));
}

Task<int> exit_code_of(net::ClientStream& wait) {
  std::string body;
  std::array<std::byte, 4096> buffer{};
  while (const std::size_t count = co_await wait.read_some(buffer)) body += as_text(std::span(buffer).first(count));
  co_return static_cast<int>(api::parse_json<api::ContainerWaitResponse>(body).status_code);
}

Task<int> run_container(Daemon& daemon, RunOptions options) {
  const std::string query = options.name.empty() ? "" : query_of({{"name", options.name}});
  const auto created = api::parse_json<api::ContainerCreateResponse>(
      co_await daemon.post("/containers/create" + query, api::to_json(create_request(options))));
  for (const std::string& warning : created.warnings) fmt::print(stderr, "WARNING: {}\n", warning);
  const std::string path = "/containers/" + created.id;
  if (options.detach) {
    co_await start(daemon, path);
    fmt::print("{}\n", created.id);
    co_return 0;
  }
  auto upgraded = co_await daemon.hijack(
      path + "/attach" + query_of({{"stream", "1"}, {"stdin", options.interactive ? "1" : "0"}, {"stdout", "1"}, {"stderr", "1"}}), "");
  const auto wait = co_await register_wait(daemon, path, options.remove);
  std::optional<Error> failed;
  try {
    co_await start(daemon, path);
  } catch (const Error& error) {
    failed = error;
  }
  if (failed) {
    fmt::print(stderr, "sockerless: {}\n", failed->message());
    co_return code_of_failed_start(*failed);
  }
  std::optional<RawTerminal> raw;
  if (options.tty && options.interactive) raw.emplace();
  Session session(daemon, std::move(upgraded.stream), framing_of(options.tty), options.interactive, path + "/resize");
  co_await session.resize();
  co_await session.copy();
  const int code = co_await exit_code_of(*wait);
  raw.reset();
  leave(code);
}

Task<int> exec_in_container(Daemon& daemon, ExecOptions options) {
  api::ContainerExecRequest request;
  request.attach_stdin = options.interactive && !options.detach;
  request.attach_stdout = !options.detach;
  request.attach_stderr = !options.detach;
  request.tty = options.tty;
  request.cmd = options.command;
  if (!options.environment.empty()) request.env = options.environment;
  if (!options.working_dir.empty()) request.working_dir = options.working_dir;
  if (!options.user.empty()) request.user = options.user;
  const auto created = api::parse_json<api::IDResponse>(
      co_await daemon.post("/containers/" + path_segment(options.container) + "/exec", api::to_json(request)));
  const std::string path = "/exec/" + created.id;
  api::ExecStartRequest start_request;
  start_request.detach = options.detach;
  start_request.tty = options.tty;
  if (options.detach) {
    co_await daemon.post(path + "/start", api::to_json(start_request));
    co_return 0;
  }
  auto upgraded = co_await daemon.hijack(path + "/start", api::to_json(start_request));
  std::optional<RawTerminal> raw;
  if (options.tty && options.interactive) raw.emplace();
  Session session(daemon, std::move(upgraded.stream), framing_of(options.tty), options.interactive, path + "/resize");
  co_await session.resize();
  co_await session.copy();
  const auto inspected = api::parse_json<api::ExecInspectResponse>(co_await daemon.get(path + "/json"));
  raw.reset();
  leave(static_cast<int>(inspected.exit_code.value_or(0)));
}

}  // namespace

int run_command(const std::string& host, const RunOptions& options) {
  if (options.tty && options.interactive && !stdin_is_terminal()) throw Error::invalid_argument("the input device is not a TTY");
  Daemon daemon(host);
  return run(run_container(daemon, options));
}

int exec_command(const std::string& host, const ExecOptions& options) {
  if (options.command.empty()) throw Error::invalid_argument("exec wants a container and a command");
  if (options.tty && options.interactive && !stdin_is_terminal()) throw Error::invalid_argument("the input device is not a TTY");
  Daemon daemon(host);
  return run(exec_in_container(daemon, options));
}

}  // namespace sockerless::cli
