#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/fake_host_environment.hpp"
#include "sockerless/credential_store.hpp"
#include "sockerless/discovery.hpp"

namespace sockerless {
namespace {

using testing::HasSubstr;

TEST(LocalResults, AreAnEndpointOrTheReason) {
  FakeHostEnvironment host;
  host.variables = {{"DOCKER_HOST", "tcp://h:1"}, {"DOCKER_API_VERSION", "1.44"}};
  const auto found = discover_endpoint(host).expected();
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->endpoint.str(), "tcp://h:1");
  EXPECT_EQ(found->api_version, "1.44");
  host.variables["DOCKER_HOST"] = "foo://h";
  const auto failed = discover_endpoint(host).expected();
  ASSERT_FALSE(failed.has_value());
  EXPECT_TRUE(failed.error().type == DockerErrorType::unknown);
  EXPECT_FALSE(failed.error().recoverable);
  EXPECT_THAT(failed.error().message, HasSubstr("DOCKER_HOST is \"foo://h\""));
  EXPECT_TRUE(parse_endpoint("ssh://me@h").has_value());
  EXPECT_FALSE(parse_endpoint("ssh://-h").has_value());
}

TEST(LocalResults, TellAFileThatMayNotBeReadFromOneThatIsWrong) {
  FakeHostEnvironment host;
  host.failures["/home/me/.docker/config.json"] = EACCES;
  const auto discovered = discover_endpoint(host).expected();
  ASSERT_FALSE(discovered.has_value());
  EXPECT_TRUE(discovered.error().type == DockerErrorType::permission);
  const auto credentials = CredentialStore(host).blocking_get("ghcr.io").expected();
  ASSERT_FALSE(credentials.has_value());
  EXPECT_TRUE(credentials.error().type == DockerErrorType::permission);
}

TEST(LocalResults, AreCredentialsByServerByImageAndAllOfThem) {
  FakeHostEnvironment host;
  host.files["/home/me/.docker/config.json"] =
      R"({"auths":{"https://index.docker.io/v1/":{"auth":"bWU6cGFzcw=="},"ghcr.io":{"auth":"dTpw"}}})";
  const CredentialStore store(host);
  const auto username = [](const Result<RegistryCredentials>& result) {
    return result.expected() ? result.expected()->username : "failed";
  };
  EXPECT_EQ(username(store.blocking_get("docker.io")), "me");
  EXPECT_EQ(username(store.blocking_get("https://ghcr.io/v2/")), "u");
  EXPECT_EQ(username(store.blocking_get_for_image("nginx:1")), "me");
  EXPECT_EQ(username(store.blocking_get_for_image("ghcr.io/a/b")), "u");
  EXPECT_EQ(username(store.blocking_get_for_image("Not An Image")), "failed");
  const auto all = store.blocking_get_all().expected();
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->size(), 2U);
  EXPECT_EQ(registry_key_of_image("ghcr.io/a/b").expected(), "ghcr.io");
  EXPECT_FALSE(registry_key_of_image("Not An Image").has_value());
}

}  // namespace
}  // namespace sockerless
