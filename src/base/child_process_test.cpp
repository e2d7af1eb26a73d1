#include "base/child_process.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ChildProcess, GivesOutputErrorAndExitCode) {
  const auto result = blocking_run_program({find_program("ls"), "/proc/self/fd/0", "/no such file"}, seconds(20));
  EXPECT_EQ(result.output, "/proc/self/fd/0\n");
  EXPECT_THAT(result.error, testing::HasSubstr("/no such file"));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_FALSE(result.timed_out);
}

TEST(ChildProcess, TakesItsInputToTheEnd) {
  EXPECT_EQ(blocking_run_program({find_program("cat")}, seconds(20), "what it is told\n").output, "what it is told\n");
  const std::string full(4096, 'x');
  EXPECT_EQ(blocking_run_program({find_program("cat")}, seconds(20), full).output, full);
}

TEST(ChildProcess, DoesNotMindAChildThatReadsNoInput) {
  EXPECT_EQ(blocking_run_program({find_program("true")}, seconds(20), "nobody reads this").exit_code, 0);
}

TEST(ChildProcess, ReadsArgumentsAsTheyAre) {
  EXPECT_EQ(blocking_run_program({find_program("echo"), "$HOME; `id` > x"}, seconds(20)).output, "$HOME; `id` > x\n");
}

TEST(ChildProcess, KillsWhatTakesTooLong) {
  const auto result = blocking_run_program({find_program("sleep"), "1000"}, milliseconds(50));
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.exit_code, 128 + SIGKILL);
}

TEST(ChildProcess, SaysThatAProgramIsMissing) {
  try {
    blocking_run_program({"/no/such/program"}, seconds(1));
    FAIL() << "it ran";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_THAT(error.message(), testing::HasSubstr("/no/such/program"));
  }
}

TEST(ChildProcess, GivesTheChildItsThreeStreamsAndNothingElse) {
  const Pipe out = make_pipe();
  const UniqueFd open_by_mistake(::dup(out.read_end.get()));  // dup(2) clears close-on-exec
  const pid_t pid = blocking_spawn({find_program("ls"), "/proc/self/fd"}, ChildStreams{.output = out.write_end.get()});
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(exit_code_of(status), 0);
  char buffer[256];
  const ssize_t count = ::read(out.read_end.get(), buffer, sizeof buffer);
  ASSERT_GT(count, 0);
  EXPECT_EQ(std::string(buffer, static_cast<std::size_t>(count)), "0\n1\n2\n3\n") << "3 is the folder that ls reads";
}

TEST(ChildProcess, FindsProgramsInTheGivenFoldersOnly) {
  char name[] = "/tmp/sockerless-find-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  const std::filesystem::path folder(name);
  std::ofstream(folder / "tool") << "x";
  EXPECT_EQ(find_program("tool", folder.string()), "") << "not executable";
  std::filesystem::permissions(folder / "tool", std::filesystem::perms::owner_all);
  EXPECT_EQ(find_program("tool", "/nowhere:" + folder.string()), (folder / "tool").string());
  EXPECT_EQ(find_program("ls", folder.string()), "");
  EXPECT_EQ(find_program((folder / "tool").string(), ""), (folder / "tool").string());
  EXPECT_EQ(find_program("tool", ""), "");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sockerless
