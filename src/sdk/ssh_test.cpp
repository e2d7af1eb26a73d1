#include <array>
#include <cerrno>

#include <boost/asio/this_coro.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "base/error.hpp"
#include "net/server.hpp"
#include "net/test_support.hpp"
#include "sdk/fake_host_environment.hpp"
#include "sdk/fake_programs.hpp"
#include "sdk/ssh_dial.hpp"
#include "sdk/ssh_target.hpp"

namespace sockerless {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// ---- addresses and command lines

TEST(SshAddress, HasUserHostPortAndPath) {
  const Endpoint all = parse_ssh_endpoint("ssh://me@host.example.com:2222/run/user/1000/docker.sock");
  EXPECT_EQ(all.user, "me");
  EXPECT_EQ(all.host, "host.example.com");
  EXPECT_EQ(all.port, 2222);
  EXPECT_EQ(all.path, "/run/user/1000/docker.sock");
  const Endpoint bare = parse_ssh_endpoint("ssh://h/");
  EXPECT_EQ(bare.user + bare.path, "");
  EXPECT_EQ(bare.port, 0);
  EXPECT_EQ(parse_ssh_endpoint("ssh://[fe80::1]:22").host, "fe80::1");
}

TEST(SshAddress, BecomesOneArgumentVector) {
  EXPECT_THAT(
      ssh_command("/usr/bin/ssh", parse_ssh_endpoint("ssh://h"), 30),
      ElementsAre("/usr/bin/ssh", "-o", "ConnectTimeout=30", "-o", "BatchMode=yes", "-T", "--", "h", "docker", "system", "dial-stdio"));
  EXPECT_THAT(ssh_command("/usr/bin/ssh", parse_ssh_endpoint("ssh://me@h:22/run/x.sock"), 5),
              ElementsAre("/usr/bin/ssh", "-o", "ConnectTimeout=5", "-o", "BatchMode=yes", "-T", "-l", "me", "-p", "22", "--", "h",
                          "docker", "--host", "unix:///run/x.sock", "system", "dial-stdio"));
}

TEST(SshAddress, LetsNothingBecomeAnOptionOrACommand) {
  for (const char* text : {
           "ssh://-oProxyCommand=x",
           "ssh://-oProxyCommand=x@h",
           "ssh://me@-h",
           "ssh://me@h:-p",
           "ssh://h;reboot",
           "ssh://`id`",
           "ssh://$(id)@h",
           "ssh://h/run/x sock",
           "ssh://h/run/x;reboot",
           "ssh://h/$(id)",
           "ssh://h/run/'x",
           "ssh://h/a\nb",
           "ssh://a b",
           "ssh://h%20x",
           "ssh://~h",
           "ssh://u:password@h",
           "ssh://h?x=1",
           "ssh://h#f",
           "ssh://",
           "ssh://me@",
           "ssh://h:0",
           "ssh://h:65536",
           "ssh://h:22x",
           "ssh://[::1",
           "ssh://[::1]22",
           "ssh://h/run/*",
           "ssh://me|x@h",
           "ssh://h/&x",
           "ssh://h/>x",
           "http://h",
           "",
       }) {
    EXPECT_THROW(parse_ssh_endpoint(text), Error) << text;
  }
}

TEST(SshAddress, DoesNotRepeatThePassword) {
  try {
    parse_ssh_endpoint("ssh://u:hush@h");
    FAIL() << "it was taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), AllOf(HasSubstr("password"), Not(HasSubstr("hush"))));
  }
}

TEST(SshAddress, IsCheckedAgainWhereItIsUsed) {
  Endpoint made_by_hand;
  made_by_hand.kind = Endpoint::Kind::ssh;
  made_by_hand.host = "-oProxyCommand=x";
  EXPECT_THROW(ssh_command("ssh", made_by_hand, 30), Error);
}

// ---- streams

class SshStreams : public testing::Test {
 public:
  SshStreams() {
    host.variables["PATH"] = programs.path();
    programs.add("ssh");
  }

  std::unique_ptr<ByteStream> open_on(const asio::any_io_executor& executor) const {
    return open_ssh_stream(executor, parse_ssh_endpoint("ssh://me@far:22"), host);
  }

  static Task<std::string> read_to_end(ByteStream& stream) {
    std::string text;
    std::array<std::byte, 4096> buffer{};
    while (const std::size_t count = co_await stream.read_some(buffer)) text += as_text(std::span(buffer).first(count));
    co_return text;
  }

  /// Sends, ends its side, and reads what comes.
  std::string talk(std::string request) const {
    return run([](const SshStreams* self, std::string text) -> Task<std::string> {
      const auto stream = self->open_on(co_await asio::this_coro::executor);
      co_await stream->write(as_bytes(text));
      co_await stream->close_write();
      co_return co_await read_to_end(*stream);
    }(this, std::move(request)));
  }

  std::string failure() const {
    try {
      return "no failure: " + run([](const SshStreams* self) -> Task<std::string> {
               const auto stream = self->open_on(co_await asio::this_coro::executor);
               co_return co_await read_to_end(*stream);
             }(this));
    } catch (const Error& error) {
      return std::string(name_of(error.code())) + ": " + error.what();
    }
  }

  FakeHostEnvironment host;
  FakePrograms programs;
};

constexpr std::string_view kPing = "GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Answers after the request's body has ended, with its length.
Task<void> answer_length(net::Exchange& exchange) {
  std::array<std::byte, 4096> buffer{};
  std::size_t length = 0;
  while (const std::size_t count = co_await exchange.body().read_some(buffer)) length += count;
  co_await exchange.respond(200, {{"X-Target", exchange.request().target}}, std::to_string(length));
}

TEST_F(SshStreams, ReachTheDaemonBehindSsh) {
  const net::TestServer server(answer_length);
  programs.write("ssh.mode", "proxy " + server.unix_address().path);
  EXPECT_THAT(talk(std::string(kPing)), AllOf(HasSubstr("HTTP/1.1 200"), HasSubstr("X-Target: /_ping")));
  EXPECT_EQ(programs.read("ssh.log"),
            "-o\nConnectTimeout=30\n-o\nBatchMode=yes\n-T\n-l\nme\n-p\n22\n--\nfar\ndocker\nsystem\ndial-stdio\n");
}

TEST_F(SshStreams, CarryMuchInBothDirections) {
  const net::TestServer server(answer_length);
  programs.write("ssh.mode", "proxy " + server.unix_address().path);
  const std::string body(5UL * 1024 * 1024, 'b');
  EXPECT_THAT(talk(fmt::format("POST /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}", body.size(), body)),
              HasSubstr("5242880"));
}

TEST_F(SshStreams, AreNotHeldUpByATalkativeSsh) {
  const net::TestServer server(answer_length);
  programs.write("ssh.mode", "chatter " + server.unix_address().path);
  EXPECT_THAT(talk(std::string(kPing)), HasSubstr("HTTP/1.1 200"));
}

TEST_F(SshStreams, SayWhatSshSaid) {
  programs.write("ssh.mode", "fail 255 ssh: connect to host far port 22: Connection refused\r\nmore\n");
  EXPECT_EQ(failure(),
            "unavailable: cannot connect to ssh://me@far:22: ssh ended with exit code 255: ssh: connect to host far port 22: Connection "
            "refused; more");
  programs.write("ssh.mode", "fail 127 sh: docker: not found\n");
  EXPECT_THAT(failure(), HasSubstr("is the docker command installed on the far side?"));
}

TEST_F(SshStreams, TakeAnEndWithoutAFailureAsAnEnd) {
  programs.write("ssh.mode", "end");
  EXPECT_EQ(failure(), "no failure: ");
}

TEST_F(SshStreams, FailToWriteWithoutASignalWhenSshHasGone) {
  const auto write_to_the_gone = [this] {
    return run([](const SshStreams* self) -> Task<std::string> {
      const auto stream = self->open_on(co_await asio::this_coro::executor);
      std::string words = "written";
      try {
        for (;;) co_await stream->write(as_bytes("x"));  // until ssh has gone
      } catch (const Error& error) {
        words = error.what();
      }
      co_return words;
    }(this));
  };
  programs.write("ssh.mode", "fail 255 no route to host\n");
  EXPECT_EQ(write_to_the_gone(), "cannot connect to ssh://me@far:22: ssh ended with exit code 255: no route to host");
  programs.write("ssh.mode", "end");
  EXPECT_EQ(write_to_the_gone(), "ssh://me@far:22: ssh has closed the connection");
}

TEST_F(SshStreams, EndSshWhenTheyGo) {
  const net::TestServer server(answer_length);
  programs.write("ssh.mode", "proxy " + server.unix_address().path);
  run([](const SshStreams* self) -> Task<void> { const auto stream = self->open_on(co_await asio::this_coro::executor); }(this));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(SshStreams, EndAPendingReadWhenClosed) {
  const net::TestServer server(answer_length);
  programs.write("ssh.mode", "proxy " + server.unix_address().path);
  const ErrorCode code = run([](const SshStreams* self) -> Task<ErrorCode> {
    const auto executor = co_await asio::this_coro::executor;
    const auto stream = self->open_on(executor);
    TaskGroup closer;
    closer.spawn("close", executor, [](ByteStream& closed) -> Task<void> {
      closed.close();
      co_return;
    }(*stream));
    ErrorCode ended = ErrorCode::internal;
    try {
      std::array<std::byte, 16> buffer{};
      co_await stream->read_some(buffer);
    } catch (const Error& error) {
      ended = error.code();
    }
    co_await closer.join();
    co_return ended;
  }(this));
  EXPECT_EQ(code, ErrorCode::cancelled);
}

TEST_F(SshStreams, NeedAnSshClient) {
  host.variables["PATH"] = "/nowhere";
  EXPECT_THAT(failure(), AllOf(HasSubstr("not_found"), HasSubstr("no ssh in PATH")));
}

}  // namespace
}  // namespace sockerless
