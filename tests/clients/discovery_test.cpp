// The library finds the daemon that the docker command finds: both are asked with the same variables, configuration and contexts, which the
// docker command itself has written.

#include "sdk/discovery.hpp"

#include <fstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "tests/clients/docker.hpp"
#include "tests/support/child_process.hpp"

namespace sockerless::clients {
namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;

/// These variables and the real files, but for the default socket, which is always there.
class GivenEnvironment final : public HostEnvironment {
 public:
  explicit GivenEnvironment(Variables variables) : variables_(std::move(variables)) {}

  std::optional<std::string> variable(const std::string& name) const override {
    for (const auto& [key, value] : variables_) {
      if (key == name) return value;
    }
    return std::nullopt;
  }
  std::expected<std::string, int> read_file(const std::string& path) const override { return process_host_environment().read_file(path); }
  std::expected<FileKind, int> kind_of(const std::string& path) const override {
    return path == kDefaultDockerSocket ? FileKind::socket : process_host_environment().kind_of(path);
  }
  uid_t user_id() const override { return 1000; }
  std::string home_directory() const override { return variable("HOME").value_or(""); }

 private:
  Variables variables_;
};

class DiscoveryLikeDocker : public testing::TestWithParam<std::string> {
 protected:
  DiscoveryLikeDocker() {
    docker({}, {"context", "create", "plain", "--docker", "host=tcp://plain:2375"});
    docker({}, {"context", "create", "skipping", "--docker", "host=tcp://skipping:2376,skip-tls-verify=true"});
    docker({}, {"context", "create", "remote", "--docker", "host=ssh://me@far:22"});
  }

  /// The address and whether certificates are not verified; "failed" where there is none.
  std::string dockers_answer(const Variables& variables) const {
    const Output output =
        docker(variables, {"context", "inspect", "--format", "{{.Endpoints.docker.Host}} {{.Endpoints.docker.SkipTLSVerify}}"});
    return output.exit_code == 0 ? output.out.substr(0, output.out.find('\n')) : "failed";
  }
  std::string our_answer(Variables variables) const {
    variables.emplace_back("HOME", home_.path().string());
    try {
      const Endpoint found = find_endpoint(GivenEnvironment(std::move(variables)), {}).endpoint;
      return fmt::format("{} {}", found.str(), found.kind == Endpoint::Kind::tls && !found.tls.verify);
    } catch (const Error&) {
      return "failed";
    }
  }
  std::string get_version() const { return docker({}, {"version", "--format", "{{.Client.Version}}"}).out; }
  void choose(const std::string& context) const {
    std::ofstream(home_.path() / ".docker/config.json") << (context.empty() ? "{}" : fmt::format(R"({{"currentContext":"{}"}})", context));
  }

 private:
  Output docker(const Variables& variables, const std::vector<std::string>& arguments) const {
    std::vector<std::string> argv = {"/usr/bin/env", "-i", "HOME=" + home_.path().string()};
    for (const auto& [name, value] : variables) argv.push_back(fmt::format("{}={}", name, value));
    argv.push_back(GetParam());
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return run_command(argv);
  }

  support::TempDir home_;
};

INSTANTIATE_TEST_SUITE_P(Clients, DiscoveryLikeDocker, testing::ValuesIn(docker_binaries()),
                         [](const auto& info) { return info.param == "/usr/bin/docker" ? "debian_cli" : "newer_cli"; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DiscoveryLikeDocker);

/// A variable's value; nothing: it is not set.
using Choice = std::optional<std::string>;

TEST_P(DiscoveryLikeDocker, TheSameDaemonIsFoundWhateverIsSet) {
  const std::vector<Choice> hosts = {std::nullopt, "", "tcp://h:1", "tcp://h", "tcp://:1234", "unix:///x.sock", "ssh://u@h:22", "foo://x"};
  const std::vector<Choice> contexts = {std::nullopt, "", "default", "plain", "skipping", "gone"};
  // Docker 20.10 takes an empty variable for a set one; later ones, and we, do not.
  const bool empty_is_set = get_version().starts_with("20.");
  for (const char* const current : {"", "default", "remote", "gone"}) {
    choose(current);
    for (const Choice& host : hosts) {
      for (const Choice& context : contexts) {
        if (empty_is_set && (host == "" || context == "")) continue;
        Variables variables;
        if (host) variables.emplace_back("DOCKER_HOST", *host);
        if (context) variables.emplace_back("DOCKER_CONTEXT", *context);
        EXPECT_EQ(our_answer(variables), dockers_answer(variables))
            << "DOCKER_HOST=" << host.value_or("(unset)") << " DOCKER_CONTEXT=" << context.value_or("(unset)")
            << " currentContext=" << current;
      }
    }
  }
}

TEST_P(DiscoveryLikeDocker, TlsWithoutItsCertificateAuthorityIsRefusedByBoth) {
  choose("");
  for (const char* const value : {"1", "0"}) {
    const Variables variables = {{"DOCKER_HOST", "tcp://h:2376"}, {"DOCKER_TLS_VERIFY", value}, {"DOCKER_CERT_PATH", "/nowhere"}};
    EXPECT_EQ(dockers_answer(variables), "failed");
    EXPECT_EQ(our_answer(variables), "failed");
  }
}

}  // namespace
}  // namespace sockerless::clients
