// /internal/v1 as it is on the wire, for whoever speaks it without backend/remote.

#include "backend/internal_server.hpp"
#include "backend/remote.hpp"
#include "base/byte_stream.hpp"
#include "net/client.hpp"
#include "tests/conformance/memory_profile.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/http_probe.hpp"

namespace sockerless::conformance {
namespace {

using testing::HasSubstr;

class InternalApi : public testing::Test {
 protected:
  void SetUp() override {
    backend_ = MemoryProfile().make_backend(host_, {});
    host_.run(backend_->start());
    server_ = std::make_unique<net::HttpServer>(strands_of(host_.executor()), make_internal_server(*backend_));
    address_ = server_->listen(net::Address::unix_socket((directory_.path() / "backend.sock").string()));
    probe_ = std::make_unique<support::HttpProbe>(address_.path);
    upload("/images/import?fromSrc=-&repo=busybox&tag=latest", support::busybox_rootfs());
  }

  void TearDown() override {
    probe_.reset();
    host_.run(server_->stop(std::chrono::seconds(5)));
    host_.run(backend_->stop());
  }

  support::Reply call(std::string_view method, const std::string& path, std::string_view body = {}) {
    support::Reply reply = probe_->call(method, "/internal/v1" + path, body);
    if (reply.body.ends_with('\n')) reply.body.pop_back();  // errors end their line
    return reply;
  }
  void upload(const std::string& path, const std::string& body) { probe_->upload("/internal/v1" + path, body); }

  std::string create(const std::string& body, const std::string& name = "box") {
    const auto reply = call("POST", "/containers?name=" + name, body);
    EXPECT_EQ(reply.status, 201) << reply.body;
    return reply.body.substr(reply.body.find("\"Id\":\"") + 6, 64);
  }

  Host host_;
  support::TempDir directory_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<net::HttpServer> server_;
  net::Address address_;
  std::unique_ptr<support::HttpProbe> probe_;
};

TEST_F(InternalApi, CapabilitiesAreThoseOfTheDesign) {
  const auto reply = call("GET", "/capabilities");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, std::string(R"({"backend":"memory","version":")") + SOCKERLESS_VERSION +
                            R"(","capabilities":{"exec":true,"attach":true,"logs":true,"logs_follow":true,"volumes":true,"networks":true,)"
                            R"("health_checks":true,"image_pull":true,"image_load":true,"max_timeout_seconds":0,"agent_required":false}})");
}

TEST_F(InternalApi, AnUnknownRouteIsNotFound) {
  for (const auto& [method, path] : std::vector<std::pair<std::string, std::string>>{{"GET", "/nothing"},
                                                                                     {"GET", ""},
                                                                                     {"PUT", "/containers"},
                                                                                     {"POST", "/containers/a/b/start"},
                                                                                     {"POST", "/containers/a/nothing"},
                                                                                     {"GET", "/containers/"}}) {
    const auto reply = call(method, path);
    EXPECT_EQ(reply.status, 404) << method << " " << path;
    EXPECT_EQ(reply.body, R"({"message":"page not found"})") << method << " " << path;
  }
  EXPECT_EQ(probe_->call("GET", "/containers").status, 404) << "without the prefix";
  EXPECT_EQ(probe_->call("GET", "/v1.44/info").status, 404);
}

TEST_F(InternalApi, AContainersLife) {
  const std::string id = create(R"({"Image":"busybox","Cmd":["echo","hello"]})");
  EXPECT_EQ(call("POST", "/containers/box/start").status, 204);
  EXPECT_EQ(probe_->call("GET", "/internal/v1/containers/" + id + "/logs?stdout=1").body, std::string("\1\0\0\0\0\0\0\13echo hello\n", 19));
  const auto inspected = call("GET", "/containers/box");
  EXPECT_THAT(inspected.body, HasSubstr(R"("ExitCode":0)"));
  EXPECT_EQ(call("GET", "/containers?all=1").status, 200);
  EXPECT_EQ(call("DELETE", "/containers/box").status, 204);
  const auto gone = call("GET", "/containers/box");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.body, R"({"message":"No such container: box"})");
}

TEST_F(InternalApi, FailuresHaveDockersStatus) {
  EXPECT_EQ(call("POST", "/containers", R"({"Image":"nope"})").status, 404);
  EXPECT_EQ(call("POST", "/containers", R"({"Image":)").status, 400);
  EXPECT_EQ(call("POST", "/containers", R"({"Image":"busybox"} more)").status, 400);
  EXPECT_EQ(call("POST", "/containers", R"({"Image":7})").status, 400);
  create(R"({"Image":"busybox","Cmd":["x"],"Labels":{"sockerless.sim.run_time":"forever"}})");
  EXPECT_EQ(call("POST", "/containers?name=box", R"({"Image":"busybox","Cmd":["x"]})").status, 409);
  EXPECT_EQ(call("POST", "/containers/box/start").status, 204);
  EXPECT_EQ(call("POST", "/containers/box/start").status, 304);
  EXPECT_EQ(call("DELETE", "/containers/box").status, 409);
  EXPECT_EQ(call("GET", "/containers?filters=%7Bbad").status, 400);
  EXPECT_EQ(call("GET", "/containers?limit=x").status, 400);
  EXPECT_EQ(call("GET", "/containers/box/wait?condition=bored").status, 400);
  EXPECT_EQ(call("GET", "/containers/box/attach").status, 400) << "a WebSocket only";
  EXPECT_EQ(call("GET", "/containers/box/archive?path=/").status, 501);
  EXPECT_EQ(call("GET", "/exec/nobody").status, 404);
  EXPECT_EQ(call("POST", "/containers", R"({"Image":"busybox","Cmd":["x"],"Labels":{"sockerless.sim.nothing":"1"}})").status, 400);
}

TEST_F(InternalApi, ImageNamesMayHoldSlashes) {
  EXPECT_EQ(call("POST", "/images/pull?fromImage=registry.example.com/deep/image&tag=v1").status, 200);
  for (const char* name : {"registry.example.com/deep/image:v1", "registry.example.com%2Fdeep%2Fimage%3Av1"}) {
    EXPECT_EQ(call("GET", std::string("/images/") + name).status, 200) << name;
    EXPECT_EQ(call("GET", std::string("/images/") + name + "/history").status, 200) << name;
  }
  EXPECT_EQ(call("POST", "/images/registry.example.com/deep/image:v1/tag?repo=short&tag=v2").status, 201);
  EXPECT_EQ(call("DELETE", "/images/short:v2").status, 200);
}

TEST_F(InternalApi, AFailureAfterTheFirstLineIsTheLastLine) {
  const auto reply = probe_->call("POST", "/internal/v1/images/load", "no archive", "application/x-tar");
  EXPECT_EQ(reply.status, 400) << "nothing was sent before";
  EXPECT_THAT(reply.body, HasSubstr(R"({"message":")"));
}

Task<std::string> wait_over_websocket(net::HttpClient& client, ContainerRole& containers) {
  const auto socket =
      co_await client.websocket("/internal/v1/containers/box/wait?condition=next-exit", {}, Deadline::in(std::chrono::seconds(10)));
  co_await containers.start({"box"});
  const auto message = co_await socket->read();
  co_return message ? message->data : "closed";
}

TEST_F(InternalApi, AWaitIsRegisteredWithTheHandshake) {
  create(R"({"Image":"busybox","Cmd":["x"],"Labels":{"sockerless.sim.exit_code":"3"}})");
  net::HttpClient client(address_);
  EXPECT_THAT(host_.run(wait_over_websocket(client, backend_->containers())), HasSubstr(R"("StatusCode":3)"));
}

Task<std::string> exec_over_websocket(net::HttpClient& client, std::string exec) {
  const auto socket = co_await client.websocket("/internal/v1/exec/" + exec + "/start", {}, Deadline::in(std::chrono::seconds(10)));
  std::string text;
  while (const auto message = co_await socket->read()) text += message->data + "|";
  co_return text;
}

TEST_F(InternalApi, AnExecIsAWebSocket) {
  create(R"({"Image":"busybox","Cmd":["x"],"Labels":{"sockerless.sim.run_time":"forever"}})");
  call("POST", "/containers/box/start");
  const auto made = call("POST", "/containers/box/exec", R"({"Cmd":["echo","hello"],"AttachStdout":true})");
  ASSERT_EQ(made.status, 201) << made.body;
  net::HttpClient client(address_);
  EXPECT_EQ(host_.run(exec_over_websocket(client, made.body.substr(made.body.find("\"Id\":\"") + 6, 64))),
            std::string("{\"framing\":\"multiplexed\"}|") + std::string("\1\0\0\0\0\0\0\13echo hello\n", 19) + "|");
}

TEST_F(InternalApi, ABackendThatIsGoneIsUnavailable) {
  const auto remote = make_remote_backend({.address = net::Address::unix_socket((directory_.path() / "nobody.sock").string())});
  EXPECT_EQ(error_from([&] { host_.run(remote->start()); }).code(), ErrorCode::unavailable);
  EXPECT_EQ(remote->exec(), nullptr) << "nothing is promised before start() succeeded";
}

TEST_F(InternalApi, ARemoteBackendHasTheRolesOfTheOther) {
  const auto remote = make_remote_backend({.address = address_});
  host_.run(remote->start());
  EXPECT_EQ(remote->capabilities(), backend_->capabilities());
  const auto roles = [](Backend& b) {
    return std::vector<bool>{b.stats() != nullptr,     b.files() != nullptr,    b.exec() != nullptr,
                             b.images() != nullptr,    b.registry() != nullptr, b.builder() != nullptr,
                             b.committer() != nullptr, b.networks() != nullptr, b.volumes() != nullptr};
  };
  EXPECT_EQ(roles(*remote), roles(*backend_));
}

}  // namespace
}  // namespace sockerless::conformance
