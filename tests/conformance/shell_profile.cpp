#include "tests/conformance/shell_profile.hpp"

namespace sockerless::conformance {

namespace {

api::ContainerCreateRequest shell(std::string script, std::vector<std::string> arguments = {}) {
  api::ContainerCreateRequest request;
  request.cmd = std::vector<std::string>{"sh", "-c", std::move(script), "sh"};
  request.cmd->insert(request.cmd->end(), arguments.begin(), arguments.end());
  request.host_config.emplace().network_mode = "none";
  return request;
}

constexpr const char* kPrint = R"(printf %s "$1"; printf %s "$2" >&2; exit "$3")";
constexpr const char* kForever = "echo ready; while :; do sleep 1000 & wait $!; done";

std::vector<std::string> arguments_of(const Behaviour& behaviour) {
  return {behaviour.out, behaviour.err, std::to_string(behaviour.exit_code)};
}

}  // namespace

api::ContainerCreateRequest ShellProfile::prints(const Behaviour& behaviour) { return shell(kPrint, arguments_of(behaviour)); }

api::ContainerCreateRequest ShellProfile::runs_forever() { return shell(std::string("trap 'exit 143' TERM; ") + kForever); }

api::ContainerCreateRequest ShellProfile::ignores_term() { return shell(std::string("trap '' TERM; ") + kForever); }

api::ContainerCreateRequest ShellProfile::copies_stdin() {
  auto request = shell("exec cat");
  request.open_stdin = true;
  request.stdin_once = true;
  return request;
}

api::ContainerCreateRequest ShellProfile::unknown_command() {
  auto request = shell("");
  request.cmd = std::vector<std::string>{"/no/such"};
  return request;
}

api::ContainerCreateRequest ShellProfile::not_executable() {
  auto request = shell("");
  request.cmd = std::vector<std::string>{"/etc/passwd"};
  return request;
}

api::ContainerCreateRequest ShellProfile::becomes_healthy() {
  auto request = runs_forever();
  auto& check = request.healthcheck.emplace();
  check.test = std::vector<std::string>{"CMD-SHELL", "test -e /tmp/ok || { touch /tmp/ok; exit 1; }"};
  check.interval = 10'000'000;
  check.retries = 5;
  return request;
}

api::ContainerCreateRequest ShellProfile::runs_execs(const Behaviour&) { return runs_forever(); }

std::vector<std::string> ShellProfile::exec_command(const Behaviour& behaviour) {
  std::vector<std::string> command{"sh", "-c", kPrint, "sh"};
  for (std::string& argument : arguments_of(behaviour)) command.push_back(std::move(argument));
  return command;
}

api::ContainerCreateRequest ShellProfile::runs_exec_copying_stdin() { return runs_forever(); }

}  // namespace sockerless::conformance
