#include "sdk/doctor.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.hpp"
#include "net/server.hpp"
#include "net/test_support.hpp"
#include "sdk/fake_host_environment.hpp"
#include "sdk/fake_programs.hpp"

namespace sockerless {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::string_view kVersion = R"({"Version":"20.10.24","ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Arch":"amd64"})";

Task<void> answer_version(net::Exchange& exchange, std::string version) {
  const bool is_ping = exchange.request().path == "/_ping";
  co_await exchange.respond(200, {{"Api-Version", "1.41"}}, is_ping ? "OK" : std::move(version));
}

/// Answers /_ping with OK, and /version with this text.
net::Handler daemon_with(std::string version) {
  return [version](net::Exchange& exchange) { return answer_version(exchange, version); };
}

net::Handler always(int status, std::string body) {
  return [status, body](net::Exchange& exchange) { return exchange.respond(status, {}, body); };
}

Task<void> throw_away() {
  throw Error::internal("broken");
  co_return;
}

/// A socket that listens and never accepts.
class SilentSocket {
 public:
  explicit SilentSocket(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  void listen(int backlog) const { EXPECT_EQ(::listen(fd_.get(), backlog), 0); }

 private:
  UniqueFd fd_;
};

class Doctor : public testing::Test {
 protected:
  DoctorReport examine(std::chrono::milliseconds timeout = std::chrono::seconds(20)) const {
    return run(examine_daemon(host, {.discovery = {}, .timeout = timeout}));
  }
  DoctorReport examine_host(const std::string& docker_host, std::chrono::milliseconds timeout = std::chrono::seconds(20)) {
    host.variables["DOCKER_HOST"] = docker_host;
    return examine(timeout);
  }

  net::TemporaryDirectory folder;
  FakeHostEnvironment host;
};

TEST(DoctorResults, HaveTheNumbersThatScriptsRelyOn) {
  std::string all;
  for (const auto& row : doctor_results()) {
    all += fmt::format("{} {}\n", static_cast<int>(row.result), row.name);
    EXPECT_FALSE(row.meaning.empty());
  }
  EXPECT_EQ(all,
            "0 reachable\n1 failed\n10 bad_configuration\n11 permission\n12 not_found\n13 not_listening\n14 timeout\n15 version_mismatch\n"
            "16 wrong_context\n17 tls\n18 unreachable_host\n19 not_docker\n20 ssh\n");
}

TEST_F(Doctor, FindsADaemonWell) {
  const net::TestServer server(daemon_with(std::string(kVersion)));
  for (const net::Address& address : {server.unix_address(), server.tcp_address()}) {
    const DoctorReport report = examine_host(address.str());
    EXPECT_EQ(report.result, DoctorResult::reachable) << report.problem;
    EXPECT_EQ(report.api_version, "1.41");
    EXPECT_TRUE(report.answered_after);
    EXPECT_THAT(doctor_text(report), AllOf(HasSubstr("address      " + address.str() + "\n"), HasSubstr("chosen by    DOCKER_HOST\n"),
                                           HasSubstr("daemon       20.10.24, linux/amd64, API 1.12 to 1.41\n"),
                                           HasSubstr("API version  1.41\n"), HasSubstr("result       reachable (exit code 0)\n")));
    EXPECT_EQ(doctor_json(report),
              R"({"result":"reachable","exit_code":0,"address":")" + address.str() +
                  R"(","origin":"DOCKER_HOST","daemon":{"version":"20.10.24","api_version":"1.41","min_api_version":"1.12",)"
                  R"("platform":"linux/amd64"},"api_version":"1.41"})");
  }
}

TEST_F(Doctor, NamesTheConfigurationThatCannotBeUsed) {
  const DoctorReport report = examine_host("foo://x");
  EXPECT_EQ(report.result, DoctorResult::bad_configuration);
  EXPECT_THAT(report.problem, HasSubstr("DOCKER_HOST is \"foo://x\""));
  EXPECT_EQ(examine_host("unix:///" + std::string(200, 'x')).result, DoctorResult::bad_configuration);
}

TEST_F(Doctor, SaysThatThereIsNoSocket) {
  const DoctorReport report = examine_host("unix://" + folder.file("none.sock"));
  EXPECT_EQ(report.result, DoctorResult::not_found);
  EXPECT_EQ(report.connect_problem, ConnectProblem::no_such_file);
  EXPECT_THAT(doctor_text(report),
              AllOf(HasSubstr("diagnosis    no_such_file\n"), HasSubstr("problem      there is no " + folder.file("none.sock")),
                    HasSubstr("way out      "), HasSubstr("result       not_found (exit code 12)\n")));
  EXPECT_THAT(doctor_json(report), AllOf(HasSubstr(R"("connect_problem":"no_such_file")"), HasSubstr(R"("ways_out":[")")));
}

TEST_F(Doctor, SaysThatNobodyListens) {
  const SilentSocket socket(folder.file("dead.sock"));
  EXPECT_EQ(examine_host("unix://" + folder.file("dead.sock")).result, DoctorResult::not_listening);
  net::Address address;
  {
    const net::TestServer server(daemon_with(""));
    address = server.tcp_address();
  }
  const DoctorReport report = examine_host(address.str());
  EXPECT_EQ(report.result, DoctorResult::not_listening) << report.problem;
  EXPECT_THAT(report.problem, HasSubstr(address.str()));
}

TEST_F(Doctor, SaysThatTheChosenAddressIsDeadWhileAnotherAnswers) {
  const net::TestServer server(daemon_with(std::string(kVersion)));
  host.home = folder.file("home");
  std::filesystem::create_directories(host.home + "/.docker/run");
  std::filesystem::create_symlink(server.unix_address().path, host.home + "/.docker/run/docker.sock");
  const DoctorReport report = examine_host("unix://" + folder.file("none.sock"));
  EXPECT_EQ(report.result, DoctorResult::wrong_context);
  EXPECT_THAT(report.ways_out.front(), HasSubstr("/.docker/run/docker.sock"));
}

TEST_F(Doctor, DoesNotWaitForADaemonThatHangs) {
  const SilentSocket socket(folder.file("hung.sock"));
  socket.listen(16);
  const DoctorReport report = examine_host("unix://" + folder.file("hung.sock"), std::chrono::milliseconds(50));
  EXPECT_EQ(report.result, DoctorResult::timeout);
  EXPECT_THAT(report.problem, HasSubstr("does not answer"));
}

TEST_F(Doctor, DoesNotWaitForADaemonWhoseQueueIsFull) {
  const SilentSocket socket(folder.file("full.sock"));
  socket.listen(0);
  for (int i = 0; i < 3; ++i) {
    const DoctorReport report = examine_host("unix://" + folder.file("full.sock"));
    EXPECT_EQ(report.result, DoctorResult::timeout);
    EXPECT_THAT(report.problem, HasSubstr("queue is full"));
  }
}

TEST_F(Doctor, KnowsAHostWithoutAnAddress) { EXPECT_EQ(examine_host("tcp://name.invalid:1").result, DoctorResult::unreachable_host); }

TEST_F(Doctor, KnowsWhatIsNoDaemon) {
  const net::TestServer web(always(404, "no such page"));
  EXPECT_EQ(examine_host(web.unix_address().str()).result, DoctorResult::not_docker);
  const net::TestServer page(always(200, "<html>"));
  EXPECT_EQ(examine_host(page.unix_address().str()).result, DoctorResult::not_docker);
  const net::TestServer other(daemon_with(R"({"Version":"1"})"));
  EXPECT_EQ(examine_host(other.unix_address().str()).result, DoctorResult::not_docker);
  const net::TestServer odd(daemon_with(R"({"ApiVersion":"new"})"));
  EXPECT_EQ(examine_host(odd.unix_address().str()).result, DoctorResult::not_docker);
}

TEST_F(Doctor, TellsABrokenDaemonFromNone) {
  const net::TestServer silent([](net::Exchange&) { return throw_away(); });
  EXPECT_EQ(examine_host(silent.unix_address().str()).result, DoctorResult::failed) << "an answer of 500";
  FakePrograms programs;
  programs.add("ssh");
  programs.write("ssh.mode", "fail 0 nothing");
  host.variables["PATH"] = programs.path();
  EXPECT_EQ(examine_host("ssh://far").result, DoctorResult::not_docker);
}

TEST_F(Doctor, NamesACertificateThatIsNone) {
  const net::TestServer server(daemon_with(std::string(kVersion)));
  std::ofstream(folder.file("ca.pem")) << "no certificate";
  host.files[folder.file("ca.pem")] = "there";
  const std::string path = folder.file("ca.pem");
  host.variables = {{"DOCKER_TLS_VERIFY", "1"}, {"DOCKER_CERT_PATH", path.substr(0, path.rfind('/'))}};
  const DoctorReport report = examine_host(server.tcp_address().str());
  EXPECT_EQ(report.result, DoctorResult::bad_configuration);
  EXPECT_THAT(report.problem, HasSubstr(path));
}

TEST_F(Doctor, PointsFromAUsualSocketThatIsGoneToOneThatAnswers) {
  const net::TestServer server(daemon_with(std::string(kVersion)));
  host.home = folder.file("home");
  std::filesystem::create_directories(host.home + "/.docker/run");
  std::filesystem::create_symlink(server.unix_address().path, host.home + "/.docker/run/docker.sock");
  host.sockets = {"/run/user/1000/docker.sock"};  // gone by the time it is connected to
  const DoctorReport report = examine();
  EXPECT_EQ(report.result, DoctorResult::not_found);
  EXPECT_EQ(report.connect_problem, ConnectProblem::rootless_elsewhere);
}

TEST_F(Doctor, HearsADaemonThatRefuses) {
  const net::TestServer forbidding(always(403, R"({"message":"authorization denied by plugin"})"));
  EXPECT_EQ(examine_host(forbidding.unix_address().str()).result, DoctorResult::permission);
  const net::TestServer degraded(always(503, R"({"message":"starting"})"));
  const DoctorReport report = examine_host(degraded.unix_address().str());
  EXPECT_EQ(report.result, DoctorResult::failed);
  EXPECT_THAT(report.problem, HasSubstr("status 503: {\"message\":\"starting\"}"));
}

TEST_F(Doctor, ComparesVersions) {
  const net::TestServer server(daemon_with(std::string(kVersion)));
  host.variables["DOCKER_API_VERSION"] = "1.40";
  EXPECT_EQ(examine_host(server.unix_address().str()).api_version, "1.40");
  host.variables["DOCKER_API_VERSION"] = "1.44";
  const DoctorReport pinned = examine_host(server.unix_address().str());
  EXPECT_EQ(pinned.result, DoctorResult::version_mismatch);
  EXPECT_THAT(pinned.problem, HasSubstr("pins 1.44, and the daemon speaks 1.12 to 1.41"));
  host.variables.erase("DOCKER_API_VERSION");
  const net::TestServer ancient(daemon_with(R"({"Version":"1.8","ApiVersion":"1.20"})"));
  const net::TestServer coming(daemon_with(R"({"Version":"90","ApiVersion":"1.99","MinAPIVersion":"1.98"})"));
  const net::TestServer newer(daemon_with(R"({"Version":"60","ApiVersion":"1.99","MinAPIVersion":"1.44"})"));
  EXPECT_EQ(examine_host(ancient.unix_address().str()).ways_out.front(), "update the daemon");
  EXPECT_EQ(examine_host(coming.unix_address().str()).ways_out.front(), "update this client");
  EXPECT_EQ(examine_host(newer.unix_address().str()).api_version, "1.51");
}

TEST_F(Doctor, SpeaksTlsAndSaysWhyItCannot) {
  const net::TestCertificates certificates;
  net::TestServer server(daemon_with(std::string(kVersion)));
  const net::Address address = server.listen_tls(certificates.server);
  const auto use = [&](const net::TlsConfig& config) {
    const std::string cert_path = folder.file("certs");
    std::filesystem::remove_all(cert_path);
    std::filesystem::create_directories(cert_path);
    const auto offer = [&](const std::string& from, const char* name) {
      if (from.empty()) return;
      std::filesystem::copy(from, cert_path + "/" + name);
      host.files[cert_path + "/" + name] = "there";
    };
    offer(config.ca_file, "ca.pem");
    offer(config.certificate_file, "cert.pem");
    offer(config.key_file, "key.pem");
    host.variables["DOCKER_CERT_PATH"] = cert_path;
    host.variables["DOCKER_TLS_VERIFY"] = "1";
  };
  use(certificates.client);
  EXPECT_EQ(examine_host(fmt::format("tcp://localhost:{}", address.port)).result, DoctorResult::reachable);
  use(certificates.stranger);
  const DoctorReport stranger = examine_host(fmt::format("tcp://localhost:{}", address.port));
  EXPECT_EQ(stranger.result, DoctorResult::tls) << stranger.problem;
  host.variables.erase("DOCKER_TLS_VERIFY");
  const net::TestServer demanding(always(400, "Client sent an HTTP request to an HTTPS server.\n"));
  const DoctorReport plain = examine_host(demanding.tcp_address().str());
  EXPECT_EQ(plain.result, DoctorResult::tls);
  EXPECT_THAT(plain.ways_out.front(), HasSubstr("DOCKER_TLS_VERIFY=1"));
}

TEST_F(Doctor, GoesBySsh) {
  FakePrograms programs;
  programs.add("ssh");
  host.variables["PATH"] = programs.path();
  const net::TestServer server(daemon_with(std::string(kVersion)));
  programs.write("ssh.mode", "proxy " + server.unix_address().path);
  EXPECT_EQ(examine_host("ssh://me@far").result, DoctorResult::reachable);
  programs.write("ssh.mode", "fail 255 Permission denied (publickey).\n");
  const DoctorReport report = examine_host("ssh://me@far");
  EXPECT_EQ(report.result, DoctorResult::ssh);
  EXPECT_THAT(report.problem, HasSubstr("Permission denied (publickey)"));
  EXPECT_THAT(report.ways_out.front(), HasSubstr("`ssh me@far docker version`"));
  programs.write("ssh.mode", "end");
  EXPECT_EQ(examine_host("ssh://me@far").result, DoctorResult::not_docker);
  const SilentSocket socket(folder.file("hung.sock"));
  socket.listen(16);
  programs.write("ssh.mode", "proxy " + folder.file("hung.sock"));
  EXPECT_EQ(examine_host("ssh://me@far", std::chrono::milliseconds(300)).result, DoctorResult::timeout);
}

}  // namespace
}  // namespace sockerless
