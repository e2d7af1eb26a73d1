// The docker command lines, the local backend and a real registry: no dockerd in between.

#include <gmock/gmock.h>

#include "net/test_support.hpp"
#include "tests/clients/fixture.hpp"
#include "tests/support/registry.hpp"

namespace sockerless::clients {
namespace {

using support::Registry;
using testing::HasSubstr;
using testing::Not;

class DockerLocalRegistry : public ClientTest {
 protected:
  std::string image(const std::string& tag) const { return registry_.host() + "/team/busybox:" + tag; }
  void log_in() {
    EXPECT_THAT(get({"login", "--username", Registry::kUser, "--password-stdin", registry_.host()}, Registry::kPassword),
                HasSubstr("Login Succeeded"));
  }
  Registry registry_;
};
INSTANTIATE_TEST_SUITE_P(Clients, DockerLocalRegistry, testing::ValuesIn(pairings({"local"})), name_of_pairing);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DockerLocalRegistry);

TEST_P(DockerLocalRegistry, AnImageGoesUpComesBackAndRuns) {
  get({"tag", "busybox", image("v1")});
  const std::string id = get({"image", "inspect", "--format", "{{.Id}}", image("v1")});
  log_in();
  const std::string pushed = get({"push", image("v1")});
  EXPECT_THAT(pushed, HasSubstr("The push refers to repository [" + registry_.host() + "/team/busybox]"));
  EXPECT_THAT(pushed, HasSubstr(": Pushed"));
  EXPECT_THAT(pushed, HasSubstr("v1: digest: sha256:"));
  EXPECT_THAT(get({"push", image("v1")}), HasSubstr("Layer already exists"));
  const std::string digests = get({"image", "inspect", "--format", "{{.RepoDigests}}", image("v1")});
  EXPECT_THAT(digests, HasSubstr(registry_.host() + "/team/busybox@sha256:"));

  get({"rmi", image("v1")});
  get({"rmi", "busybox:latest"});
  const std::string pulled = get({"pull", image("v1")});
  EXPECT_THAT(pulled, HasSubstr("v1: Pulling from team/busybox"));
  EXPECT_THAT(pulled, HasSubstr("Pull complete"));
  EXPECT_THAT(pulled, HasSubstr("Status: Downloaded newer image for " + image("v1")));
  EXPECT_EQ(get({"image", "inspect", "--format", "{{.Id}}", image("v1")}), id);
  EXPECT_EQ(get({"image", "inspect", "--format", "{{.RepoDigests}}", image("v1")}), digests);
  EXPECT_THAT(get({"pull", image("v1")}), HasSubstr("Status: Image is up to date for " + image("v1")));

  get({"rmi", image("v1")});
  EXPECT_THAT(get({"run", "--rm", "--network=none", image("v1"), "echo", "pulled by itself"}), HasSubstr("pulled by itself"));
}

TEST_P(DockerLocalRegistry, WhoIsNotKnownAndWhatIsNotThere) {
  get({"tag", "busybox", image("v1")});
  EXPECT_THAT(run({"pull", image("v1")}).err, HasSubstr("no basic auth credentials"));
  EXPECT_NE(run({"push", image("v1")}).exit_code, 0);
  const Output refused = run({"login", "--username", Registry::kUser, "--password-stdin", registry_.host()}, "guessed");
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("401 Unauthorized"));
  EXPECT_THAT(refused.err, Not(HasSubstr("guessed")));
  log_in();
  EXPECT_THAT(run({"pull", image("none")}).err, HasSubstr("manifest for " + image("none") + " not found: manifest unknown"));
  EXPECT_THAT(run({"pull", "127.0.0.1:1/nobody"}).err, HasSubstr("connection refused"));
}

/// A registry that answers the same to everything that is not its root.
std::string answer_of_pull(const Docker& docker, int status, std::string type, std::string body) {
  const net::TestServer registry([status, type, body](net::Exchange& exchange) -> Task<void> {
    if (exchange.request().path == "/v2/") return exchange.respond(200, {}, "{}");
    return exchange.respond(status, {{"Content-Type", type}}, body);
  });
  const Output output = docker.run({"pull", "127.0.0.1:" + std::to_string(registry.tcp_address().port) + "/x:y"});
  EXPECT_NE(output.exit_code, 0);
  return output.err;
}

TEST_P(DockerLocalRegistry, RefusalsAreToldApartAndNonsenseIsRefused) {
  EXPECT_THAT(
      answer_of_pull(docker(), 401, "application/json", R"({"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]})"),
      HasSubstr("unauthorized: authentication required"));
  EXPECT_THAT(answer_of_pull(docker(), 403, "application/json", R"({"errors":[{"code":"DENIED","message":"not yours"}]})"),
              HasSubstr("repository does not exist or may require 'docker login': denied: not yours"));
  EXPECT_THAT(answer_of_pull(docker(), 429, "application/json", R"({"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]})"),
              HasSubstr("toomanyrequests: slow down"));
  EXPECT_THAT(answer_of_pull(docker(), 200, "text/html", "<html>hello</html>"), HasSubstr("text/html"));
  EXPECT_THAT(answer_of_pull(docker(), 200, "application/vnd.docker.distribution.manifest.v2+json", "{}"), HasSubstr("invalid manifest"));
}

TEST_P(DockerLocalRegistry, ASearchFindsWhatTheRegistryNames) {
  const net::TestServer index([](net::Exchange& exchange) -> Task<void> {
    const bool is_search = exchange.request().path == "/v1/search" && exchange.request().query.contains("q=busy");
    return exchange.respond(is_search ? 200 : 404, {{"Content-Type", "application/json"}},
                            R"({"results":[{"name":"team/found-it","description":"small","star_count":3}]})");
  });
  EXPECT_THAT(get({"search", "127.0.0.1:" + std::to_string(index.tcp_address().port) + "/busy"}), HasSubstr("team/found-it"));
  EXPECT_THAT(run({"search", registry_.host() + "/busy"}).err, HasSubstr("Unexpected status code"));
}

}  // namespace
}  // namespace sockerless::clients
