#include "sdk/discovery.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "oci/digest.hpp"
#include "sdk/fake_host_environment.hpp"

namespace sockerless {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Discovery : public testing::Test {
 protected:
  DiscoveredEndpoint find(const DiscoveryOptions& options = {}) const { return find_endpoint(host, options); }
  std::string address(const DiscoveryOptions& options = {}) const { return find(options).endpoint.str(); }

  std::string failure(const DiscoveryOptions& options = {}) const {
    try {
      return "no failure but " + address(options);
    } catch (const Error& error) {
      return error.message();
    }
  }

  static std::string id_of(std::string_view context) { return oci::Digest::of(context).hex(); }
  std::string meta_path(std::string_view context) const { return config + "/contexts/meta/" + id_of(context) + "/meta.json"; }
  std::string tls_path(std::string_view context, std::string_view file) const {
    return config + "/contexts/tls/" + id_of(context) + "/docker/" + std::string(file);
  }
  void add_context(const std::string& name, const std::string& docker_host, const std::string& skip_verify = "false") {
    host.files[meta_path(name)] = fmt::format(
        R"({{"Name":"{}","Metadata":{{"Description":"x"}},"Endpoints":{{"kubernetes":{{}},"docker":{{"Host":"{}","SkipTLSVerify":{}}}}}}})",
        name, docker_host, skip_verify);
  }

  FakeHostEnvironment host;
  std::string config = "/home/me/.docker";
};

// ---- what an address may be

struct AddressCase {
  std::string_view text;
  std::string_view address;
};

class Addresses : public testing::TestWithParam<AddressCase> {};

TEST_P(Addresses, AreReadAsTheDockerCommandReadsThem) { EXPECT_EQ(endpoint_of_text(GetParam().text).str(), GetParam().address); }

INSTANTIATE_TEST_SUITE_P(All, Addresses,
                         testing::Values(AddressCase{"unix:///run/x.sock", "unix:///run/x.sock"},
                                         AddressCase{"unix://", "unix:///var/run/docker.sock"},
                                         AddressCase{"unix://relative.sock", "unix://relative.sock"},
                                         AddressCase{"/run/x.sock", "unix:///run/x.sock"}, AddressCase{"  tcp://h:1 \n", "tcp://h:1"},
                                         AddressCase{"tcp://h", "tcp://h:2375"}, AddressCase{"tcp://:1234", "tcp://localhost:1234"},
                                         AddressCase{"tcp://", "tcp://localhost:2375"}, AddressCase{"1.2.3.4:1234", "tcp://1.2.3.4:1234"},
                                         AddressCase{"tcp://[::1]:2376", "tcp://[::1]:2376"}, AddressCase{"http://h:5", "tcp://h:5"},
                                         AddressCase{"https://h", "tcp://h:2376"}, AddressCase{"https://[::1]", "tcp://[::1]:2376"},
                                         AddressCase{"https://h:443", "tcp://h:443"},
                                         AddressCase{"ssh://me@h:22/run/x.sock", "ssh://me@h:22/run/x.sock"}));

TEST(Address, OfHttpsIsTls) {
  EXPECT_EQ(endpoint_of_text("https://h").kind, Endpoint::Kind::tls);
  EXPECT_EQ(endpoint_of_text("http://h").kind, Endpoint::Kind::tcp);
  EXPECT_TRUE(endpoint_of_text("https://h").tls.verify);
}

TEST(Address, ThatLeadsNowhereIsRefused) {
  for (const char* text : {"npipe:////./pipe/docker", "fd://3", "foo://h", "", "tcp://h:1/path", "tcp://h:0", "tcp://h:99999",
                           "tcp://u@h:1", "tcp://a\r\nX-Evil: y:1", "tcp://a]b:1", "tcp://[::1"}) {
    EXPECT_THROW(endpoint_of_text(text), Error) << text;
  }
}

// ---- the order

TEST_F(Discovery, TakesTheDefaultSocketWhenNothingIsSaid) {
  host.sockets = {"/var/run/docker.sock", "/run/user/1000/docker.sock"};
  EXPECT_EQ(address(), "unix:///var/run/docker.sock");
  EXPECT_EQ(find().source, EndpointSource::default_socket);
  EXPECT_EQ(find().api_version, std::nullopt);
}

TEST_F(Discovery, LetsTheCallerBeatDockerHostBeatDockerContextBeatCurrentContext) {
  add_context("current", "unix:///current");
  add_context("variable", "unix:///variable");
  add_context("option", "unix:///option");
  host.files[config + "/config.json"] = R"({"auths":{},"CurrentContext":"current"})";
  EXPECT_EQ(address(), "unix:///current");
  EXPECT_EQ(find().source, EndpointSource::current_context);
  EXPECT_EQ(find().context, "current");
  EXPECT_THAT(find().origin, AllOf(HasSubstr("\"current\""), HasSubstr("/home/me/.docker/config.json")));
  host.variables["DOCKER_CONTEXT"] = "variable";
  EXPECT_EQ(address(), "unix:///variable");
  EXPECT_EQ(find().source, EndpointSource::docker_context);
  host.variables["DOCKER_HOST"] = "unix:///host";
  EXPECT_EQ(address(), "unix:///host");
  EXPECT_EQ(find().source, EndpointSource::docker_host);
  EXPECT_EQ(find().context, "");
  EXPECT_EQ(address({.host = {}, .context = "option"}), "unix:///option");
  EXPECT_EQ(find({.host = {}, .context = "option"}).source, EndpointSource::caller);
  EXPECT_EQ(address({.host = "unix:///given", .context = {}}), "unix:///given");
  EXPECT_THAT(failure({.host = "unix:///given", .context = "option"}), HasSubstr("cannot both"));
}

TEST_F(Discovery, TreatsTheContextNamedDefaultAsNone) {
  add_context("default", "unix:///never");
  host.sockets = {"/var/run/docker.sock"};
  host.files[config + "/config.json"] = R"({"currentContext":"default"})";
  EXPECT_EQ(address(), "unix:///var/run/docker.sock");
  add_context("current", "unix:///current");
  host.files[config + "/config.json"] = R"({"currentContext":"current"})";
  host.variables["DOCKER_CONTEXT"] = "default";
  EXPECT_EQ(address(), "unix:///var/run/docker.sock");
  host.variables["DOCKER_CONTEXT"] = "current";
  EXPECT_EQ(address({.host = {}, .context = "default"}), "unix:///var/run/docker.sock");
  host.variables["DOCKER_HOST"] = "unix:///host";
  EXPECT_EQ(address({.host = {}, .context = "default"}), "unix:///host") << "the default context is what DOCKER_HOST says";
}

TEST_F(Discovery, DoesNotReadTheConfigurationThatDoesNotCount) {
  host.files[config + "/config.json"] = "{broken";
  host.variables["DOCKER_HOST"] = "unix:///host";
  EXPECT_EQ(address(), "unix:///host");
}

TEST_F(Discovery, HearsADockerHostOfSpacesAsSetAndEmpty) {
  host.files[config + "/config.json"] = R"({"currentContext":"current"})";
  host.sockets = {"/var/run/docker.sock"};
  host.variables["DOCKER_HOST"] = "  ";
  EXPECT_EQ(address(), "unix:///var/run/docker.sock");
}

TEST_F(Discovery, NamesTheVariableThatItCannotUse) {
  host.variables["DOCKER_HOST"] = "foo://h";
  EXPECT_THAT(failure(), AllOf(HasSubstr("DOCKER_HOST is \"foo://h\""), HasSubstr("unix://")));
  host.variables["DOCKER_HOST"] = "ssh://-oProxyCommand=x";
  EXPECT_THAT(failure(), AllOf(HasSubstr("DOCKER_HOST"), HasSubstr("dash")));
  host.variables["DOCKER_HOST"] = "unix:///x";
  host.variables["DOCKER_API_VERSION"] = "latest";
  EXPECT_THAT(failure(), HasSubstr("DOCKER_API_VERSION is \"latest\""));
}

TEST_F(Discovery, PinsTheApiVersion) {
  host.variables["DOCKER_API_VERSION"] = "1.43";
  EXPECT_EQ(find().api_version, "1.43");
  host.variables["DOCKER_API_VERSION"] = "v1.40";
  EXPECT_EQ(find().api_version, "1.40");
  host.variables["DOCKER_API_VERSION"] = "";
  EXPECT_EQ(find().api_version, std::nullopt);
}

// ---- where the configuration is

TEST_F(Discovery, LooksWhereDockerConfigSays) {
  config = "/etc/mine";
  host.variables["DOCKER_CONFIG"] = config;
  add_context("remote", "tcp://h:1");
  host.files["/etc/mine/config.json"] = R"({"currentContext":"remote"})";
  host.files["/home/me/.docker/config.json"] = R"({"currentContext":"other"})";
  EXPECT_EQ(address(), "tcp://h:1");
}

TEST_F(Discovery, NeedsNoHome) {
  host.home.clear();
  host.sockets = {"/var/run/docker.sock"};
  EXPECT_EQ(address(), "unix:///var/run/docker.sock");
}

TEST_F(Discovery, SaysWhichFileIsBroken) {
  host.files[config + "/config.json"] = R"({"currentContext":)";
  EXPECT_THAT(failure(), HasSubstr("/home/me/.docker/config.json: invalid JSON"));
  host.files[config + "/config.json"] = R"({"currentContext":5})";
  EXPECT_THAT(failure(), HasSubstr("/home/me/.docker/config.json: "));
  host.failures[config + "/config.json"] = EACCES;
  EXPECT_THAT(failure(), AllOf(HasSubstr("/home/me/.docker/config.json"), HasSubstr("Permission denied")));
  host.failures.clear();
  host.files[config + "/config.json"] = " \n";
  EXPECT_EQ(address(), "unix:///var/run/docker.sock") << "an empty file says nothing";
}

// ---- contexts

TEST_F(Discovery, SaysThatAContextDoesNotExist) {
  host.files[config + "/config.json"] = R"({"currentContext":"gone"})";
  EXPECT_THAT(failure(), AllOf(HasSubstr("\"gone\""), HasSubstr("does not exist"), HasSubstr(meta_path("gone")),
                               HasSubstr("currentContext in /home/me/.docker/config.json")));
  host.variables["DOCKER_CONTEXT"] = "../x";
  EXPECT_THAT(failure(), AllOf(HasSubstr("DOCKER_CONTEXT"), HasSubstr(meta_path("../x"))));
}

TEST_F(Discovery, SaysThatAContextIsBroken) {
  host.variables["DOCKER_CONTEXT"] = "c";
  host.files[meta_path("c")] = "{bad";
  EXPECT_THAT(failure(), AllOf(HasSubstr(meta_path("c")), HasSubstr("invalid JSON")));
  host.files[meta_path("c")] = R"({"Name":"c","Endpoints":{"kubernetes":{"Host":"https://k"}}})";
  EXPECT_THAT(failure(), HasSubstr("no endpoint named \"docker\""));
  host.files[meta_path("c")] = R"({"Name":"c","Endpoints":null})";
  EXPECT_THAT(failure(), HasSubstr("no endpoint named \"docker\""));
  add_context("c", "foo://h");
  EXPECT_THAT(failure(), AllOf(HasSubstr(meta_path("c")), HasSubstr("foo://")));
  host.failures[meta_path("c")] = EACCES;
  EXPECT_THAT(failure(), AllOf(HasSubstr(meta_path("c")), HasSubstr("Permission denied"), HasSubstr("DOCKER_CONTEXT")));
}

TEST_F(Discovery, TakesTheTlsMaterialOfAContext) {
  host.variables["DOCKER_CONTEXT"] = "remote";
  add_context("remote", "tcp://h:2376");
  EXPECT_EQ(find().endpoint.kind, Endpoint::Kind::tcp) << "without material there is no TLS";
  for (const char* file : {"ca.pem", "cert.pem", "key.pem"}) host.files[tls_path("remote", file)] = "x";
  const Endpoint endpoint = find().endpoint;
  EXPECT_EQ(endpoint.kind, Endpoint::Kind::tls);
  EXPECT_EQ(endpoint.tls, (TlsFiles{.ca_file = tls_path("remote", "ca.pem"),
                                    .certificate_file = tls_path("remote", "cert.pem"),
                                    .key_file = tls_path("remote", "key.pem"),
                                    .verify = true}));
  host.files.erase(tls_path("remote", "key.pem"));
  EXPECT_THAT(failure(), HasSubstr("one of cert.pem and key.pem"));
}

TEST_F(Discovery, DoesNotVerifyWhereTheContextSaysSo) {
  host.variables["DOCKER_CONTEXT"] = "remote";
  add_context("remote", "tcp://h:2376", "true");
  EXPECT_EQ(find().endpoint.kind, Endpoint::Kind::tls);
  EXPECT_FALSE(find().endpoint.tls.verify);
  EXPECT_EQ(find().endpoint.tls.ca_file, "");
}

TEST_F(Discovery, LeavesDockerTlsVerifyToWhereNoContextCounts) {
  host.variables = {{"DOCKER_CONTEXT", "remote"}, {"DOCKER_TLS_VERIFY", "1"}};
  add_context("remote", "tcp://h:2375");
  EXPECT_EQ(find().endpoint.kind, Endpoint::Kind::tcp);
}

// ---- TLS by variables

TEST_F(Discovery, TakesTheTlsMaterialOfDockerCertPath) {
  host.variables = {{"DOCKER_HOST", "tcp://h:2376"}, {"DOCKER_TLS_VERIFY", "0"}, {"DOCKER_CERT_PATH", "/certs"}};
  EXPECT_THAT(failure(),
              AllOf(HasSubstr("DOCKER_TLS_VERIFY"), HasSubstr("/certs/ca.pem"), HasSubstr("DOCKER_CERT_PATH"), HasSubstr("No such file")));
  host.files["/certs/ca.pem"] = "x";
  EXPECT_EQ(find().endpoint.kind, Endpoint::Kind::tls) << "any text switches it on, as it does for docker";
  EXPECT_EQ(find().endpoint.tls, (TlsFiles{.ca_file = "/certs/ca.pem", .certificate_file = "", .key_file = "", .verify = true}));
  host.files["/certs/cert.pem"] = "x";
  EXPECT_THAT(failure(), AllOf(HasSubstr("/certs"), HasSubstr("one of cert.pem and key.pem")));
  host.files["/certs/key.pem"] = "x";
  EXPECT_EQ(find().endpoint.tls.key_file, "/certs/key.pem");
  host.variables["DOCKER_TLS_VERIFY"] = "";
  EXPECT_EQ(find().endpoint.kind, Endpoint::Kind::tcp);
  host.variables["DOCKER_TLS"] = "1";
  EXPECT_FALSE(find().endpoint.tls.verify);
}

TEST_F(Discovery, LooksForTlsMaterialBesideTheConfiguration) {
  host.variables = {{"DOCKER_TLS_VERIFY", "1"}};
  EXPECT_THAT(failure(), AllOf(HasSubstr("/home/me/.docker/ca.pem"), HasSubstr("DOCKER_CERT_PATH is not set")));
  host.files["/home/me/.docker/ca.pem"] = "x";
  EXPECT_EQ(address(), "tcp://localhost:2376") << "with TLS and without a host docker means TCP";
  EXPECT_EQ(find().endpoint.kind, Endpoint::Kind::tls);
}

TEST_F(Discovery, SpeaksNoTlsOverSocketsAndSsh) {
  host.variables = {{"DOCKER_TLS_VERIFY", "1"}, {"DOCKER_CERT_PATH", "/certs"}, {"DOCKER_HOST", "unix:///x"}};
  EXPECT_EQ(find().endpoint.kind, Endpoint::Kind::unix_socket) << "not even the files are wanted";
  host.files["/certs/ca.pem"] = "x";
  host.variables["DOCKER_HOST"] = "ssh://h";
  EXPECT_EQ(find().endpoint.kind, Endpoint::Kind::ssh);
}

// ---- the usual places

TEST_F(Discovery, FallsBackToTheUsualSockets) {
  EXPECT_EQ(address(), "unix:///var/run/docker.sock") << "nothing is anywhere: the default is what an error names";
  host.sockets = {"/run/user/1000/podman/podman.sock"};
  EXPECT_EQ(address(), "unix:///run/user/1000/podman/podman.sock");
  EXPECT_EQ(find().source, EndpointSource::usual_socket);
  host.sockets.insert("/home/me/.colima/default/docker.sock");
  EXPECT_EQ(address(), "unix:///home/me/.colima/default/docker.sock");
  host.sockets.insert("/home/me/.docker/run/docker.sock");
  EXPECT_EQ(address(), "unix:///home/me/.docker/run/docker.sock");
  host.sockets.insert("/run/user/1000/docker.sock");
  EXPECT_EQ(address(), "unix:///run/user/1000/docker.sock");
  host.variables["XDG_RUNTIME_DIR"] = "/my/run";
  host.sockets.insert("/my/run/docker.sock");
  EXPECT_EQ(address(), "unix:///my/run/docker.sock");
}

TEST_F(Discovery, DoesNotFallBackFromASocketThatIsThere) {
  host.sockets = {"/run/user/1000/docker.sock"};
  host.failures["/var/run/docker.sock"] = EACCES;
  EXPECT_EQ(address(), "unix:///var/run/docker.sock") << "docker would not either; the diagnosis tells of the other one";
  host.failures.clear();
  host.files["/run/user/1000/docker.sock"] = "a file";
  host.sockets = {};
  EXPECT_EQ(address(), "unix:///var/run/docker.sock") << "only a socket counts";
}

TEST_F(Discovery, KnowsRootsPodman) {
  host.user = 0;
  host.home = "/root";
  host.sockets = {"/run/podman/podman.sock"};
  EXPECT_EQ(address(), "unix:///run/podman/podman.sock");
}

}  // namespace
}  // namespace sockerless
