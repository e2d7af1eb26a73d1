#include "sockerless/credentials.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "base/secret.hpp"
#include "sdk/credential_lookup.hpp"
#include "sdk/fake_host_environment.hpp"
#include "sdk/fake_programs.hpp"

namespace sockerless {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kHub = "https://index.docker.io/v1/";

class Credentials : public testing::Test {
 protected:
  Credentials() { host.variables["PATH"] = programs.path(); }

  void configure(const std::string& json) { host.files["/home/me/.docker/config.json"] = json; }
  RegistryCredentials find(const std::string& key) const { return blocking_find_credentials(host, key); }
  std::string failure(const std::string& key) const {
    try {
      find(key);
    } catch (const Error& error) {
      return error.what();
    }
    return "no failure";
  }
  /// user:password, or the identity token in brackets.
  std::string who(const std::string& key) const { return shown(find(key)); }
  static std::string shown(const RegistryCredentials& found) {
    if (!found.identity_token.reveal().empty()) return "[" + found.identity_token.reveal() + "]";
    return found.is_anonymous() ? "anonymous" : found.username + ":" + found.password.reveal();
  }

  FakeHostEnvironment host;
  FakePrograms programs;
};

// ---- names of registries

TEST(RegistryKey, IsTheHostAndForDockerHubItsOldAddress) {
  for (const char* hub :
       {"", "docker.io", "index.docker.io", "https://index.docker.io/v1/", "https://index.docker.io/v2/", "docker.io/library/x"}) {
    EXPECT_EQ(registry_key(hub), kHub) << hub;
  }
  EXPECT_EQ(registry_key("ghcr.io"), "ghcr.io");
  EXPECT_EQ(registry_key("https://ghcr.io/v2/"), "ghcr.io");
  EXPECT_EQ(registry_key("http://localhost:5000"), "localhost:5000");
  EXPECT_EQ(registry_key("registry-1.docker.io"), "registry-1.docker.io");
}

TEST(RegistryKey, OfAnImageIsThatOfItsDomain) {
  EXPECT_EQ(registry_key_of_reference("nginx"), kHub);
  EXPECT_EQ(registry_key_of_reference("me/nginx:1"), kHub);
  EXPECT_EQ(registry_key_of_reference("docker.io/library/nginx"), kHub);
  EXPECT_EQ(registry_key_of_reference("ghcr.io/a/b:1"), "ghcr.io");
  EXPECT_EQ(registry_key_of_reference("localhost:5000/a"), "localhost:5000");
  EXPECT_THROW(registry_key_of_reference("UPPER/Case:"), Error);
}

// ---- the headers

TEST(RegistryAuth, IsJsonInUrlSafeBase64WithPadding) {
  EXPECT_EQ(encode_registry_auth({}).reveal(), "e30=");
  EXPECT_EQ(encode_registry_auth({.server_address = "ghcr.io"}).reveal(), "e30=") << "anonymous is anonymous anywhere";
  const RegistryCredentials both{.server_address = "ghcr.io", .username = "me", .password = Secret<std::string>("p\"w>?")};
  const std::string encoded = encode_registry_auth(both).reveal();
  EXPECT_EQ(decode_base64(encoded), R"({"username":"me","password":"p\"w\u003e?","serveraddress":"ghcr.io"})");
  EXPECT_EQ(encoded.size() % 4, 0);
  const RegistryCredentials tokens{
      .server_address = "r", .identity_token = Secret<std::string>("i"), .registry_token = Secret<std::string>("t")};
  EXPECT_EQ(decode_base64(encode_registry_auth(tokens).reveal()), R"({"serveraddress":"r","identitytoken":"i","registrytoken":"t"})");
  const RegistryCredentials awkward{.username = "u", .password = Secret<std::string>("\xc3\xbf\xc3\xbf\xc3\xbe~~~???")};
  EXPECT_THAT(encode_registry_auth(awkward).reveal(), Not(testing::ContainsRegex("[+/]")));
}

TEST(RegistryAuth, OfABuildHasAllRegistries) {
  EXPECT_EQ(encode_registry_config({}).reveal(), "e30=");
  const RegistryCredentials me{.server_address = kHub, .username = "me", .password = Secret<std::string>("x")};
  EXPECT_EQ(decode_base64(encode_registry_config({{kHub, me}}).reveal()),
            R"({"https://index.docker.io/v1/":{"username":"me","password":"x","serveraddress":"https://index.docker.io/v1/"}})");
}

TEST(RegistryAuth, DoesNotPrint) {
  const Secret<std::string> secret("hush");
  std::ostringstream out;
  out << secret;
  EXPECT_EQ(out.str() + fmt::format("{}", secret), "<redacted><redacted>");
}

// ---- auths

TEST_F(Credentials, AreAnonymousWithoutAFile) {
  EXPECT_EQ(who("ghcr.io"), "anonymous");
  EXPECT_EQ(find("ghcr.io").server_address, "ghcr.io");
}

TEST_F(Credentials, AreReadFromAuths) {
  configure(R"({"auths":{"https://index.docker.io/v1/":{"auth":"bWU6cGE6c3M="},"ghcr.io":{"identitytoken":"tok"},)"
            R"("quay.io":{"username":"u","password":"p","email":"e"},"r":{"registrytoken":"rt"},"empty":{}},"HttpHeaders":{"X":"y"}})");
  EXPECT_EQ(who(kHub), "me:pa:ss");
  EXPECT_EQ(who("ghcr.io"), "[tok]");
  EXPECT_EQ(who("quay.io"), "u:p");
  EXPECT_EQ(find("r").registry_token.reveal(), "rt");
  EXPECT_EQ(who("empty"), "anonymous");
  EXPECT_EQ(who("other"), "anonymous");
}

TEST_F(Credentials, AreFoundUnderKeysThatOldCommandsWrote) {
  configure(R"({"auths":{"https://old.example.com/v1/":{"auth":"dTpw"},"http://port.example.com:5000":{"auth":"dTpw"}}})");
  EXPECT_EQ(who("old.example.com"), "u:p");
  EXPECT_EQ(who("port.example.com:5000"), "u:p");
  EXPECT_EQ(who("example.com"), "anonymous");
}

TEST_F(Credentials, LoseTheZerosThatOldCommandsPaddedWith) {
  configure(R"({"auths":{"r":{"auth":")" + encode_base64(std::string("u:p\0\0", 5)) + R"("}}})");
  EXPECT_EQ(who("r"), "u:p");
}

TEST_F(Credentials, AreNotShownWhenTheFileIsMalformed) {
  for (const std::string& text : {std::string("hush-no-colon"), std::string(":hush-no-user")}) {
    configure(R"({"auths":{"r":{"auth":")" + encode_base64(text) + R"("}}})");
    EXPECT_THAT(failure("r"), AllOf(HasSubstr("/home/me/.docker/config.json"), HasSubstr("\"r\""), Not(HasSubstr("hush")),
                                    Not(HasSubstr(encode_base64(text)))));
  }
  configure(R"({"auths":{"r":{"auth":"!hush!"}}})");
  EXPECT_THAT(failure("r"), AllOf(HasSubstr("base64"), Not(HasSubstr("hush"))));
  configure(R"({"auths":{"r":{"password":"hush"}},)");
  EXPECT_THAT(failure("r"), AllOf(HasSubstr("/home/me/.docker/config.json: invalid JSON"), Not(HasSubstr("hush"))));
}

TEST_F(Credentials, OfTheVariableBeatTheFile) {
  configure(R"({"auths":{"a":{"auth":"dTpw"},"b":{"auth":"dTpw"}}})");
  host.variables["DOCKER_AUTH_CONFIG"] = R"({"auths":{"a":{"auth":"eDp5"}}})";
  EXPECT_EQ(who("a"), "x:y");
  EXPECT_EQ(who("b"), "u:p");
  host.variables["DOCKER_AUTH_CONFIG"] = "{";
  EXPECT_THAT(failure("a"), HasSubstr("DOCKER_AUTH_CONFIG: invalid JSON"));
}

// ---- helpers

TEST_F(Credentials, ComeFromTheHelperOfTheRegistryElseTheStore) {
  programs.add("docker-credential-store");
  programs.add("docker-credential-own");
  programs.write("docker-credential-store.get",
                 "0\n"
                 R"({"ServerURL":"x","Username":"stored","Secret":"s"})");
  programs.write("docker-credential-own.get",
                 "0\n"
                 R"({"ServerURL":"x","Username":"<token>","Secret":"refresh"})");
  configure(R"({"credsStore":"store","credHelpers":{"ghcr.io":"own"},"auths":{"quay.io":{"auth":"dTpw"}}})");
  EXPECT_EQ(who("ghcr.io"), "[refresh]");
  EXPECT_EQ(find("ghcr.io").username, "");
  EXPECT_EQ(who(kHub), "stored:s");
  EXPECT_EQ(who("quay.io"), "stored:s") << "with a store, auths do not count";
  EXPECT_EQ(programs.read("docker-credential-own.log"), "get\n< ghcr.io\nget\n< ghcr.io\n");
  EXPECT_EQ(programs.read("docker-credential-store.log"), "get\n< https://index.docker.io/v1/\nget\n< quay.io\n");
}

TEST_F(Credentials, AreAnonymousWhenTheHelperDoesNotKnow) {
  programs.add("docker-credential-store");
  programs.write("docker-credential-store.get", "1\ncredentials not found in native keychain\n");
  configure(R"({"credsStore":"store"})");
  EXPECT_EQ(who("ghcr.io"), "anonymous");
}

TEST_F(Credentials, SayWhatIsWrongWithAHelper) {
  configure(R"({"credsStore":"gone"})");
  EXPECT_THAT(failure("r"), AllOf(HasSubstr("/home/me/.docker/config.json"), HasSubstr("docker-credential-gone"), HasSubstr("PATH")));
  programs.add("docker-credential-store");
  configure(R"({"credsStore":"store"})");
  programs.write("docker-credential-store.get", "3\nthe keychain is locked\nmore");
  EXPECT_THAT(failure("r"),
              AllOf(HasSubstr("docker-credential-store get failed with exit code 3: the keychain is locked"), Not(HasSubstr("more"))));
  programs.write("docker-credential-store.get", "0\nhush, no JSON");
  EXPECT_THAT(failure("r"), AllOf(HasSubstr("something else than credentials"), Not(HasSubstr("hush"))));
}

TEST_F(Credentials, RunNoProgramOfAnotherFolder) {
  for (const char* helper : {"../evil", "a/b", "x; reboot", "$(id)", "a b"}) {
    configure(fmt::format(R"({{"credsStore":"{}"}})", helper));
    EXPECT_THAT(failure("r"), HasSubstr("cannot be a program's name")) << helper;
  }
}

// ---- all of them

TEST_F(Credentials, AreListedForABuild) {
  configure(R"({"auths":{"a":{"auth":"dTpw"},"empty":{}}})");
  auto all = blocking_list_credentials(host);
  ASSERT_EQ(all.size(), 1);
  EXPECT_EQ(shown(all.at("a")), "u:p");
  programs.add("docker-credential-store");
  programs.add("docker-credential-own");
  programs.write("docker-credential-store.list",
                 "0\n"
                 R"({"a":"me","b":"me"})");
  programs.write("docker-credential-store.get.a",
                 "0\n"
                 R"({"Username":"sa","Secret":"1"})");
  programs.write("docker-credential-store.get.b",
                 "0\n"
                 R"({"Username":"sb","Secret":"2"})");
  programs.write("docker-credential-own.get.b",
                 "0\n"
                 R"({"Username":"own","Secret":"3"})");
  programs.write("docker-credential-own.get.c", "1\nlocked");
  host.variables["DOCKER_AUTH_CONFIG"] = R"({"auths":{"d":{"auth":"eDp5"}}})";
  configure(R"({"credsStore":"store","credHelpers":{"b":"own","c":"own"}})");
  std::vector<std::string> shown_all;
  for (const auto& [server, credentials] : blocking_list_credentials(host)) shown_all.push_back(server + " " + shown(credentials));
  EXPECT_THAT(shown_all, ElementsAre("a sa:1", "b own:3", "d x:y"));
}

TEST_F(Credentials, AreNoneWhenTheStoreListsNothing) {
  programs.add("docker-credential-store");
  configure(R"({"credsStore":"store"})");
  programs.write("docker-credential-store.list", "0\n\n");
  EXPECT_TRUE(blocking_list_credentials(host).empty());
  programs.write("docker-credential-store.list", "0\n[1]");
  EXPECT_THROW(blocking_list_credentials(host), Error);
}

}  // namespace
}  // namespace sockerless
