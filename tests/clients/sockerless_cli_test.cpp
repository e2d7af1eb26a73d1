// The daemon's own command line, as a user without docker has it.

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/clients/docker.hpp"

namespace sockerless::clients {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

std::string program() { return (support::program_directory() / "sockerless").string(); }

class SockerlessCli : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    daemon_ = std::make_unique<support::Daemon>("local");
    const Output imported = call({"import", "-", "busybox:latest"}, support::busybox_rootfs());
    ASSERT_EQ(imported.exit_code, 0) << imported.err;
  }
  static void TearDownTestSuite() { daemon_.reset(); }

  static Output call(std::vector<std::string> arguments, std::string_view input = {}) {
    arguments.insert(arguments.begin(), {program(), "-H", daemon_->host()});
    return run_command(arguments, input);
  }
  static std::string get(std::vector<std::string> arguments, std::string_view input = {}) {
    Output output = call(std::move(arguments), input);
    EXPECT_EQ(output.exit_code, 0) << output.err;
    while (output.out.ends_with('\n')) output.out.pop_back();
    return output.out;
  }

  static inline std::unique_ptr<support::Daemon> daemon_;
};

TEST_F(SockerlessCli, RunsInTheForegroundWithInputAndExitCode) {
  EXPECT_EQ(get({"run", "--rm", "-i", "busybox", "cat"}, "in and out"), "in and out");
  EXPECT_EQ(call({"run", "--rm", "busybox", "sh", "-c", "exit 7"}).exit_code, 7);
  EXPECT_EQ(call({"run", "--rm", "busybox", "no-such-program"}).exit_code, 127);
  const Output missing = call({"run", "--rm", "nothing", "true"});
  EXPECT_EQ(missing.exit_code, 125);
  EXPECT_THAT(missing.err, HasSubstr("No such image: nothing"));
}

TEST_F(SockerlessCli, ContainersAreListedReadAndEntered) {
  const std::string id = get({"run", "-d", "--name", "one", "busybox", "sh", "-c", "echo written; sleep 1000"});
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{64}"));
  EXPECT_THAT(get({"ps"}), AllOf(StartsWith("CONTAINER ID"), HasSubstr("one"), HasSubstr("Up ")));
  EXPECT_EQ(get({"ps", "-q"}), id.substr(0, 12));
  EXPECT_EQ(get({"exec", "one", "echo", "inside"}), "inside");
  EXPECT_EQ(call({"exec", "one", "sh", "-c", "exit 3"}).exit_code, 3);
  const std::vector<std::string> follow{program(), "-H", daemon_->host(), "logs", "-f", "one"};
  ChildProcess logs(follow, Stdio::pipes);
  EXPECT_TRUE(logs.read_until("written\n"));
  EXPECT_EQ(get({"logs", "-n", "1", "one"}), "written");
}

TEST_F(SockerlessCli, ImagesAndVersionsAreTold) {
  EXPECT_THAT(get({"images"}), AllOf(StartsWith("REPOSITORY"), HasSubstr("busybox")));
  EXPECT_THAT(get({"version"}), HasSubstr("1.51"));
}

TEST_F(SockerlessCli, TheAddressMayStandBehindTheCommand) {
  EXPECT_EQ(run_command({program(), "images", "-q", "-H", daemon_->host()}).out.size(), 13U);
  const Output nobody = run_command({program(), "ps", "-H", "unix:///nowhere.sock"});
  EXPECT_EQ(nobody.exit_code, 1);
  EXPECT_THAT(nobody.err, HasSubstr("/nowhere.sock"));
}

TEST_F(SockerlessCli, AnUnknownCommandIsNamed) {
  const Output output = run_command({program(), "rnu"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("\"rnu\" is not a command"));
}

class ServeSettings : public testing::Test {
 protected:
  Output serve(const std::vector<std::string>& flags, const std::vector<std::string>& environment = {}) const {
    std::vector<std::string> argv{program(), "serve", "--backend", "memory", "--host", "unix://" + (folder_.path() / "s.sock").string()};
    argv.insert(argv.end(), flags.begin(), flags.end());
    return run_command(argv, {}, environment);
  }
  std::string write_config(std::string_view text) const {
    const std::string path = folder_.path() / "sockerless.yaml";
    std::ofstream(path) << text;
    return path;
  }

  support::TempDir folder_;
};

TEST_F(ServeSettings, AnUnknownKeyOfTheFileIsNamedWithItsLine) {
  const std::string path = write_config("log-level: info\nbakend: local\n");
  const Output output = serve({"--config", path});
  EXPECT_NE(output.exit_code, 0);
  EXPECT_THAT(output.err, HasSubstr(path + ":2: unknown key \"bakend\""));
}

// Each setting is one that the start refuses, so that the text tells which of them was taken.
TEST_F(ServeSettings, FlagsBeatTheEnvironmentAndThatTheFile) {
  const std::string path = write_config("api-version: '9.1'\n");
  EXPECT_THAT(serve({"--config", path}).err, HasSubstr("9.1"));
  EXPECT_THAT(serve({"--config", path}, {"SOCKERLESS_API_VERSION=9.2"}).err, HasSubstr("9.2"));
  EXPECT_THAT(serve({"--config", path, "--api-version", "9.3"}, {"SOCKERLESS_API_VERSION=9.2"}).err,
              HasSubstr("api-version: 9.3 is not between 1.24 and 1.51"));
}

}  // namespace
}  // namespace sockerless::clients
