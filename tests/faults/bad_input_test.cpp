// What a client does wrong, over the wire, and Docker's answer to it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/daemon.hpp"

namespace sockerless::support {
namespace {

using testing::HasSubstr;

class BadInput : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    daemon_ = std::make_unique<Daemon>("memory");
    daemon_->api().must("POST", "/images/create?fromImage=busybox&tag=latest");
  }
  static void TearDownTestSuite() { daemon_.reset(); }

  static HttpProbe& api() { return daemon_->api(); }
  static std::string message_of(const Reply& reply) { return std::string(boost::json::parse(reply.body).at("message").as_string()); }
  static std::string create(const std::string& name, const std::string& label = "forever") {
    const std::string body = fmt::format(R"({{"Image":"busybox","Cmd":["sleep"],"Labels":{{"sockerless.sim.run_time":"{}"}}}})", label);
    return std::string(boost::json::parse(api().must("POST", "/containers/create?name=" + name, body)).at("Id").as_string());
  }

  static inline std::unique_ptr<Daemon> daemon_;
};

TEST_F(BadInput, UnknownObjectsAreNotFoundInDockersWords) {
  const Reply container = api().call("GET", "/containers/nothing/json");
  EXPECT_EQ(container.status, 404);
  EXPECT_EQ(message_of(container), "No such container: nothing");
  const Reply image = api().call("GET", "/images/nothing/json");
  EXPECT_EQ(image.status, 404);
  EXPECT_EQ(message_of(image), "No such image: nothing:latest");
  const Reply exec = api().call("GET", "/exec/nothing/json");
  EXPECT_EQ(exec.status, 404);
  EXPECT_EQ(message_of(exec), "No such exec instance: nothing");
  const Reply path = api().call("GET", "/nothing");
  EXPECT_EQ(path.status, 404);
  EXPECT_EQ(message_of(path), "page not found");
}

TEST_F(BadInput, ANameThatIsTakenIsAConflict) {
  const std::string id = create("taken");
  const Reply reply = api().call("POST", "/containers/create?name=taken", R"({"Image":"busybox","Cmd":["true"]})");
  EXPECT_EQ(reply.status, 409);
  EXPECT_EQ(message_of(reply), "Conflict. The container name \"/taken\" is already in use by container \"" + id +
                                   "\". You have to remove (or rename) that container to be able to reuse that name.");
}

TEST_F(BadInput, StartingAndStoppingTwiceIsNotModified) {
  const std::string path = "/containers/" + create("twice");
  EXPECT_EQ(api().call("POST", path + "/start").status, 204);
  EXPECT_EQ(api().call("POST", path + "/start").status, 304);
  EXPECT_EQ(api().call("POST", path + "/stop?t=0").status, 204);
  EXPECT_EQ(api().call("POST", path + "/stop?t=0").status, 304);
}

TEST_F(BadInput, MalformedBodiesAreRefused) {
  EXPECT_EQ(api().call("POST", "/containers/create", "{").status, 400);
  EXPECT_EQ(api().call("POST", "/containers/create", R"({"Image":"busybox"} trailing)").status, 400);
  EXPECT_EQ(api().call("POST", "/containers/create", R"({"Image":7})").status, 400);
  EXPECT_EQ(api().call("POST", "/containers/create", "[]").status, 400);
}

TEST_F(BadInput, AWrongContentTypeIsRefused) {
  const Reply reply = api().call("POST", "/containers/create", R"({"Image":"busybox"})", "text/plain");
  EXPECT_EQ(reply.status, 400);
  EXPECT_THAT(message_of(reply), HasSubstr("application/json"));
}

TEST_F(BadInput, UnknownConditionsAndFiltersAreRefused) {
  const std::string path = "/containers/" + create("conditions");
  EXPECT_EQ(api().call("POST", path + "/wait?condition=whenever").status, 400);
  EXPECT_EQ(api().call("GET", "/containers/json?filters=%7B%22colour%22%3A%5B%22red%22%5D%7D").status, 400);
  EXPECT_EQ(api().call("GET", "/containers/json?filters=nonsense").status, 400);
  EXPECT_EQ(api().call("GET", "/containers/json?filters=%7B%22status%22%3A%5B%22asleep%22%5D%7D").status, 400);
}

TEST_F(BadInput, AnImageThatIsNotThereIsNotFoundAtCreate) {
  const Reply reply = api().call("POST", "/containers/create", R"({"Image":"absent:1","Cmd":["true"]})");
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(message_of(reply), "No such image: absent:1");
}

TEST_F(BadInput, VersionsOutsideTheRangeAreRefusedInDockersWords) {
  const Reply old = api().call("GET", "/v1.12/containers/json");
  EXPECT_EQ(old.status, 400);
  EXPECT_THAT(message_of(old), HasSubstr("client version 1.12 is too old. Minimum supported API version is 1.24"));
  const Reply young = api().call("GET", "/v1.99/containers/json");
  EXPECT_EQ(young.status, 400);
  EXPECT_THAT(message_of(young), HasSubstr("client version 1.99 is too new. Maximum supported API version is 1.51"));
}

TEST(BadCommand, UnknownIsBadRequestAndExit127NotExecutableIs126) {
  Daemon daemon("local");
  daemon.import_busybox();
  const auto exit_of = [&daemon](const std::string& command) {
    const std::string body = fmt::format(R"({{"Image":"busybox","Cmd":["{}"],"HostConfig":{{"NetworkMode":"none"}}}})", command);
    const std::string id(boost::json::parse(daemon.api().must("POST", "/containers/create", body)).at("Id").as_string());
    const Reply start = daemon.api().call("POST", "/containers/" + id + "/start");
    EXPECT_EQ(start.status, 400) << start.body;
    return boost::json::parse(daemon.api().must("GET", "/containers/" + id + "/json")).at("State").at("ExitCode").as_int64();
  };
  EXPECT_EQ(exit_of("no-such-command"), 127);
  EXPECT_EQ(exit_of("/etc/passwd"), 126);
}

}  // namespace
}  // namespace sockerless::support
