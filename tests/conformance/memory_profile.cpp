#include "tests/conformance/memory_profile.hpp"

#include "backends/memory/memory_backend.hpp"

namespace sockerless::conformance {

namespace {

using Labels = std::map<std::string, std::string>;

api::ContainerCreateRequest scripted(const Labels& script) {
  api::ContainerCreateRequest request;
  request.cmd = std::vector<std::string>{"command"};
  request.labels.emplace();
  for (const auto& [key, value] : script) request.labels->emplace("sockerless.sim." + key, value);
  return request;
}

Labels labels_of(const Behaviour& behaviour, const std::string& prefix) {
  return {
      {prefix + "stdout", behaviour.out}, {prefix + "stderr", behaviour.err}, {prefix + "exit_code", std::to_string(behaviour.exit_code)}};
}

Labels forever() { return {{"stdout", "ready"}, {"run_time", "forever"}}; }

Labels forever_and(const Labels& more) {
  Labels labels = forever();
  labels.insert(more.begin(), more.end());
  return labels;
}

}  // namespace

std::unique_ptr<Backend> MemoryProfile::make_backend(Host& host, const std::filesystem::path&) {
  return make_memory_backend({.executor = host.executor(), .blocking_pool = host.blocking_pool()});
}

api::ContainerCreateRequest MemoryProfile::prints(const Behaviour& behaviour) { return scripted(labels_of(behaviour, "")); }

api::ContainerCreateRequest MemoryProfile::runs_forever() { return scripted(forever()); }

api::ContainerCreateRequest MemoryProfile::ignores_term() { return scripted(forever_and({{"ignore_signals", "SIGTERM"}})); }

api::ContainerCreateRequest MemoryProfile::copies_stdin() {
  auto request = scripted({{"stdin", "echo"}, {"stdout", ""}});
  request.open_stdin = true;
  request.stdin_once = true;
  return request;
}

api::ContainerCreateRequest MemoryProfile::unknown_command() {
  return scripted({{"start_error", "exec: \"/no/such\": stat /no/such: no such file or directory"}, {"start_exit_code", "127"}});
}

api::ContainerCreateRequest MemoryProfile::not_executable() {
  return scripted({{"start_error", "exec: \"/etc\": permission denied"}, {"start_exit_code", "126"}});
}

api::ContainerCreateRequest MemoryProfile::becomes_healthy() {
  auto request = scripted(forever_and({{"health", "unhealthy,healthy"}}));
  auto& check = request.healthcheck.emplace();
  check.test = std::vector<std::string>{"CMD", "check"};
  check.interval = 10'000'000;
  check.retries = 5;
  return request;
}

api::ContainerCreateRequest MemoryProfile::runs_execs(const Behaviour& behaviour) {
  return scripted(forever_and(labels_of(behaviour, "exec.")));
}

std::vector<std::string> MemoryProfile::exec_command(const Behaviour&) { return {"scripted"}; }

api::ContainerCreateRequest MemoryProfile::runs_exec_copying_stdin() {
  return scripted(forever_and({{"exec.stdin", "echo"}, {"exec.stdout", ""}}));
}

}  // namespace sockerless::conformance
