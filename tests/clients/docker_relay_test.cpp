// The docker command lines through `serve --backend docker` to a real dockerd: what needs a registry, and a dockerd behind TLS.

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/test_support.hpp"
#include "tests/clients/docker.hpp"
#include "tests/support/dockerd.hpp"
#include "tests/support/registry.hpp"

namespace sockerless::clients {
namespace {

using support::Registry;
using testing::HasSubstr;

class DockerThroughTheRelay : public testing::TestWithParam<std::string> {
 protected:
  void expect_containers_run(const support::Daemon& daemon) const {
    const Docker docker(GetParam(), daemon);
    docker.get({"import", "-", "busybox:latest"}, support::busybox_rootfs());
    const Output output = docker.run({"run", "--rm", "-i", "--network=none", "busybox", "cat"}, "through and back\n");
    EXPECT_EQ(output.exit_code, 0) << output.err;
    EXPECT_EQ(output.out, "through and back\n");
    EXPECT_EQ(docker.run({"run", "--rm", "--network=none", "busybox", "sh", "-c", "exit 7"}).exit_code, 7);
  }
};

TEST_P(DockerThroughTheRelay, AnImageGoesToARegistryAndComesBack) {
  support::Dockerd dockerd;
  const Registry registry;
  const support::Daemon daemon("docker", {"--docker-host", dockerd.host()});
  const Docker docker(GetParam(), daemon);
  const std::string image = registry.host() + "/team/busybox:v1";
  const std::string id = docker.get({"import", "-", image}, support::busybox_rootfs());

  EXPECT_NE(docker.run({"push", image}).exit_code, 0) << "nobody has logged in";
  const Output refused = docker.run({"login", "--username", Registry::kUser, "--password-stdin", registry.host()}, "guessed");
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("401 Unauthorized"));
  EXPECT_THAT(docker.get({"login", "--username", Registry::kUser, "--password-stdin", registry.host()}, Registry::kPassword),
              HasSubstr("Login Succeeded"));

  EXPECT_THAT(docker.get({"push", image}), HasSubstr("v1: digest: sha256:"));
  docker.get({"rmi", image});
  EXPECT_THAT(docker.get({"pull", image}), HasSubstr("Status: Downloaded newer image for " + image));
  EXPECT_EQ(docker.get({"image", "inspect", "--format", "{{.Id}}", image}), id);
  const Output none = docker.run({"pull", registry.host() + "/team/none"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, HasSubstr("not found"));
  EXPECT_NE(docker.run({"search", registry.host() + "/busybox"}).exit_code, 0) << "this registry knows no search";
}

TEST_P(DockerThroughTheRelay, ADockerdBehindTls) {
  const net::TestCertificates certificates;
  const std::string address = "tcp://127.0.0.1:" + std::to_string(support::free_port());
  const support::Dockerd dockerd({"--host", address, "--tlsverify", "--tlscacert", certificates.server.ca_file, "--tlscert",
                                  certificates.server.certificate_file, "--tlskey", certificates.server.key_file});
  const net::TemporaryDirectory material;
  std::filesystem::copy_file(certificates.client.ca_file, material.file("ca.pem"));
  std::filesystem::copy_file(certificates.client.certificate_file, material.file("cert.pem"));
  std::filesystem::copy_file(certificates.client.key_file, material.file("key.pem"));
  ::setenv("DOCKER_CERT_PATH", material.file("").c_str(), 1);  // as whoever starts the daemon would
  ::setenv("DOCKER_TLS_VERIFY", "1", 1);
  const support::Daemon daemon("docker", {"--docker-host", address});
  ::unsetenv("DOCKER_CERT_PATH");
  ::unsetenv("DOCKER_TLS_VERIFY");
  expect_containers_run(daemon);
}

/// BuildKit talks to the daemon over /session and /grpc, both HTTP/2 inside an upgraded connection. Debian's command line has it built in.
TEST(BuildKitThroughTheRelay, AnImageIsBuiltFromFilesThatTheDaemonFetches) {
  support::Dockerd dockerd;
  dockerd.import_busybox();
  const support::Daemon daemon("docker", {"--docker-host", dockerd.host()});
  const Docker docker(std::string(kDebianDocker), daemon, {"DOCKER_BUILDKIT=1"});
  const support::TempDir context;
  std::ofstream(context.path() / "Dockerfile") << "FROM busybox\nCOPY words /words\nRUN echo built >> /words\nCMD [\"cat\", \"/words\"]\n";
  std::ofstream(context.path() / "words") << "copied\n";
  const Output built = docker.run({"build", "--progress=plain", "--network=none", "--tag=made", context.path()});
  ASSERT_EQ(built.exit_code, 0) << built.err;
  EXPECT_THAT(built.err, HasSubstr("#1 [internal] load build definition from Dockerfile"));
  EXPECT_EQ(docker.get({"run", "--rm", "--network=none", "made"}), "copied\nbuilt");
  std::ofstream(context.path() / "Dockerfile") << "FROM busybox\nRUN exit 3\n";
  const Output failed = docker.run({"build", "--progress=plain", "--network=none", context.path()});
  EXPECT_NE(failed.exit_code, 0);
  EXPECT_THAT(failed.err, HasSubstr("exit code: 3"));
}

INSTANTIATE_TEST_SUITE_P(CommandLines, DockerThroughTheRelay, testing::ValuesIn(docker_binaries()),
                         [](const auto& info) { return info.param == kDebianDocker ? "debian_cli" : "newer_cli"; });

}  // namespace
}  // namespace sockerless::clients
