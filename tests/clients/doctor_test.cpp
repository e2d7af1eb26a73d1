// `sockerless doctor` before a real daemon that is well, frozen, killed, gone, forbidden: the exit codes that scripts rely on.

#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"

namespace sockerless::clients {
namespace {

using support::Output;
using support::run_command;
using testing::AllOf;
using testing::HasSubstr;

class Doctor : public testing::Test {
 protected:
  Output examine(std::vector<std::string> flags = {}, const std::vector<std::string>& before = {}) const {
    std::vector<std::string> argv = before;
    argv.insert(argv.end(), {program_, "doctor"});
    argv.insert(argv.end(), flags.begin(), flags.end());
    return run_command(argv, {}, {"DOCKER_HOST=" + daemon_.host(), "DOCKER_API_VERSION="});
  }

  support::Daemon daemon_{"memory"};
  std::string program_ = (support::program_directory() / "sockerless").string();
};

TEST_F(Doctor, FindsTheDaemonWell) {
  const Output output = examine();
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_THAT(output.out, AllOf(HasSubstr(daemon_.host()), HasSubstr("DOCKER_HOST"), HasSubstr("reachable")));
}

TEST_F(Doctor, SaysItInJson) {
  EXPECT_THAT(examine({"--json"}).out, AllOf(testing::StartsWith(R"({"result":"reachable","exit_code":0,)"), testing::EndsWith("}\n")));
}

TEST_F(Doctor, DoesNotWaitForAFrozenDaemon) {
  ::kill(daemon_.pid(), SIGSTOP);
  const Output output = examine({"--timeout", "0.2"});
  ::kill(daemon_.pid(), SIGCONT);
  EXPECT_EQ(output.exit_code, 14) << output.out;
}

TEST_F(Doctor, TellsAKilledDaemonFromOneThatNeverWas) {
  daemon_.kill();
  EXPECT_EQ(examine().exit_code, 13);
  std::filesystem::remove(daemon_.socket());
  EXPECT_EQ(examine().exit_code, 12);
}

TEST_F(Doctor, TellsAnUnprivilegedUserWhatIsForbidden) {
  if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  support::TempDir folder;
  const std::string socket = folder.path() / "s.sock";
  std::filesystem::copy_file(program_, folder.path() / "sockerless");  // where another user may run it
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  program_ = folder.path() / "sockerless";
  std::filesystem::create_hard_link(daemon_.socket(), socket);
  ASSERT_EQ(::chown(socket.c_str(), 0, 2), 0);
  ASSERT_EQ(::chmod(socket.c_str(), 0660), 0);
  const std::vector<std::string> as_daemon = {"setpriv", "--reuid=1", "--regid=1", "--clear-groups"};
  const Output refused = examine({"--host", "unix://" + socket}, as_daemon);
  EXPECT_EQ(refused.exit_code, 11) << refused.out << refused.err;
  EXPECT_THAT(refused.out, AllOf(HasSubstr("not_in_group"), HasSubstr("bin (2)")));
  const std::vector<std::string> as_member = {"setpriv", "--reuid=1", "--regid=1", "--groups=2"};
  EXPECT_EQ(examine({"--host", "unix://" + socket}, as_member).exit_code, 0);
}

TEST_F(Doctor, NamesAVariableThatItCannotUse) {
  const Output output = run_command({program_, "doctor"}, {}, {"DOCKER_HOST=foo://x"});
  EXPECT_EQ(output.exit_code, 10);
  EXPECT_THAT(output.out, HasSubstr("DOCKER_HOST is \"foo://x\""));
}

TEST_F(Doctor, ListsItsExitCodes) {
  const Output output = run_command({program_, "doctor", "--help"});
  EXPECT_EQ(output.exit_code, 0);
  EXPECT_THAT(output.out, AllOf(HasSubstr("11  permission"), HasSubstr("20  ssh")));
}

}  // namespace
}  // namespace sockerless::clients
