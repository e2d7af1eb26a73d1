// The suite for the local backend: real containers of busybox through an OCI runtime. Needs root, crun or runc, and busybox-static.

#include "backends/local/local_backend.hpp"
#include "tests/conformance/harness.hpp"

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

class LocalProfile final : public Profile {
 public:
  std::string name() const override { return "Local"; }

  std::unique_ptr<Backend> make_backend(Host& host, const std::filesystem::path& directory) override {
    return make_local_backend({.executor = host.executor(), .blocking_pool = host.blocking_pool(), .state_directory = directory.string()});
  }

  api::ContainerCreateRequest prints(const Behaviour& behaviour) override { return shell(kPrint, arguments_of(behaviour)); }
  api::ContainerCreateRequest runs_forever() override { return shell(std::string("trap 'exit 143' TERM; ") + kForever); }
  api::ContainerCreateRequest ignores_term() override { return shell(std::string("trap '' TERM; ") + kForever); }

  api::ContainerCreateRequest copies_stdin() override {
    auto request = shell("exec cat");
    request.open_stdin = true;
    request.stdin_once = true;
    return request;
  }

  api::ContainerCreateRequest unknown_command() override {
    auto request = shell("");
    request.cmd = std::vector<std::string>{"/no/such"};
    return request;
  }

  api::ContainerCreateRequest not_executable() override {
    auto request = shell("");
    request.cmd = std::vector<std::string>{"/etc/passwd"};
    return request;
  }

  api::ContainerCreateRequest becomes_healthy() override {
    auto request = runs_forever();
    auto& check = request.healthcheck.emplace();
    check.test = std::vector<std::string>{"CMD-SHELL", "test -e /tmp/ok || { touch /tmp/ok; exit 1; }"};
    check.interval = 10'000'000;
    check.retries = 5;
    return request;
  }

  api::ContainerCreateRequest runs_execs(const Behaviour&) override { return runs_forever(); }
  std::vector<std::string> exec_command(const Behaviour& behaviour) override {
    std::vector<std::string> command{"sh", "-c", kPrint, "sh"};
    for (std::string& argument : arguments_of(behaviour)) command.push_back(std::move(argument));
    return command;
  }
  api::ContainerCreateRequest runs_exec_copying_stdin() override { return runs_forever(); }
  bool has_user_networks() const override { return false; }
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(Local, BackendConformance,
                         testing::Values(Implementation{std::make_shared<LocalProfile>(), Path::direct},
                                         Implementation{std::make_shared<LocalProfile>(), Path::remote}),
                         name_of);

}  // namespace sockerless::conformance
