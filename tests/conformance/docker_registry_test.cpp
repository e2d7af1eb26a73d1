// The docker backend's way to a registry, in this process and over /internal/v1.

#include "backend/internal_server.hpp"
#include "backend/remote.hpp"
#include "backends/docker/docker_backend.hpp"
#include "base/byte_stream.hpp"
#include "net/test_support.hpp"
#include "tests/conformance/harness.hpp"
#include "tests/support/dockerd.hpp"
#include "tests/support/registry.hpp"

namespace sockerless::conformance {
namespace {

using testing::HasSubstr;
using testing::Not;

class DockerRegistry : public testing::TestWithParam<Path> {
 protected:
  static void SetUpTestSuite() { real() = std::make_unique<Real>(); }
  static void TearDownTestSuite() { real().reset(); }

  struct Real {
    support::Dockerd dockerd;
    support::Registry registry;
  };
  static std::unique_ptr<Real>& real() {
    static std::unique_ptr<Real> one;
    return one;
  }

  void SetUp() override {
    real()->dockerd.clear();
    real()->dockerd.import_busybox();
    host_.run(docker_->start());
    if (GetParam() == Path::direct) return;
    server_ = std::make_unique<net::HttpServer>(strands_of(host_.executor()), make_internal_server(*docker_));
    const auto address = server_->listen(net::Address::unix_socket((directory_.path() / "backend.sock").string()));
    remote_ = make_remote_backend({.address = address});
    host_.run(remote_->start());
  }

  void TearDown() override {
    if (remote_) host_.run(remote_->stop());
    if (server_) host_.run(server_->stop(std::chrono::seconds(5)));
    host_.run(docker_->stop());
  }

  RegistryRole& registry() { return *(remote_ ? *remote_ : *docker_).registry(); }
  ImageRole& images() { return *(remote_ ? *remote_ : *docker_).images(); }
  std::string image() const { return real()->registry.host() + "/team/busybox"; }

  static api::AuthConfig user(std::string password = support::Registry::kPassword) {
    api::AuthConfig who;
    who.username = support::Registry::kUser;
    who.password = std::move(password);
    who.serveraddress = real()->registry.host();
    return who;
  }

  std::string read(Task<ProgressStream> opening) {
    const auto all = [](Task<ProgressStream> open) -> Task<std::string> {
      const ProgressStream progress = co_await std::move(open);
      co_return co_await read_all(*progress, 1024UL * 1024);
    };
    return host_.run(all(std::move(opening)));
  }

  Host host_;
  support::TempDir directory_;
  std::unique_ptr<Backend> docker_ = make_docker_backend({.daemon = docker_config_of(real()->dockerd.socket())});
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<Backend> remote_;
};

TEST_P(DockerRegistry, AnImageGoesUpAndComesBackTheSame) {
  const std::string id = host_.run(images().inspect({"busybox:latest"})).id.value();
  host_.run(images().tag({"busybox:latest"}, image(), "v1"));
  const std::string pushed = read(registry().push({.image = {image()}, .tag = "v1", .auth = user()}));
  EXPECT_THAT(pushed, HasSubstr(R"("status":"v1: digest: sha256:)"));
  const api::DistributionInspect facts = host_.run(registry().inspect_distribution(image() + ":v1", user()));
  EXPECT_THAT(pushed, HasSubstr(facts.descriptor.digest.value()));

  real()->dockerd.clear();
  const std::string pulled = read(registry().pull({.image = image(), .tag = "v1", .platform = {}, .auth = user()}));
  EXPECT_THAT(pulled, HasSubstr("Status: Downloaded newer image for " + image() + ":v1"));
  EXPECT_EQ(host_.run(images().inspect({image() + ":v1"})).id, id);
}

TEST_P(DockerRegistry, WhoeverIsNotKnownIsToldSo) {
  EXPECT_EQ(host_.run(registry().auth(user())).status, "Login Succeeded");
  const Error refused = error_from([&] { host_.run(registry().auth(user("guessed"))); });
  EXPECT_THAT(refused.message(), HasSubstr("401 Unauthorized"));
  EXPECT_THAT(refused.message(), Not(HasSubstr("guessed")));
  host_.run(images().tag({"busybox:latest"}, image(), "v2"));
  EXPECT_THAT(error_from([&] { read(registry().push({.image = {image()}, .tag = "v2", .auth = user("guessed")})); }).message(),
              HasSubstr("unauthorized: authentication required"));
  EXPECT_THAT(error_from([&] { read(registry().pull({.image = image(), .tag = "none", .platform = {}, .auth = user()})); }).message(),
              HasSubstr("not found"));
}

/// Debian's registry knows no search: this one knows nothing else.
TEST_P(DockerRegistry, ASearchFindsWhatTheRegistryNames) {
  const net::TestServer index([](net::Exchange& exchange) -> Task<void> {
    const bool is_search = exchange.request().path == "/v1/search" && exchange.request().query.contains("q=busy");
    return exchange.respond(
        is_search || exchange.request().path == "/v1/_ping" ? 200 : 404, {{"Content-Type", "application/json"}},
        is_search ? R"({"num_results":1,"results":[{"name":"team/busybox","description":"small","star_count":3}]})" : "{}");
  });
  const std::string host = "127.0.0.1:" + std::to_string(index.tcp_address().port);
  const auto found = host_.run(registry().search({.term = host + "/busy", .limit = {}, .filters = {}}));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().name, "team/busybox");
  EXPECT_EQ(found.front().star_count, 3);
}

TEST_P(DockerRegistry, ASearchThatTheRegistryDoesNotKnowFailsInTheDaemonsWords) {
  EXPECT_THAT(error_from([&] { host_.run(registry().search({.term = image(), .limit = {}, .filters = {}})); }).message(),
              HasSubstr("Unexpected status code 404"));
}

INSTANTIATE_TEST_SUITE_P(Paths, DockerRegistry, testing::Values(Path::direct, Path::remote),
                         [](const auto& info) { return info.param == Path::direct ? "Docker" : "DockerRemote"; });

}  // namespace
}  // namespace sockerless::conformance
