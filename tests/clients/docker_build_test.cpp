// docker build against the local backend: steps that really run, what comes of them, and what is left when they do not end.

#include <csignal>
#include <fstream>

#include <gmock/gmock.h>

#include "tests/clients/fixture.hpp"
#include "tests/support/process.hpp"

namespace sockerless::clients {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

/// No DOCKER_BUILDKIT is set: neither command line has the BuildKit component here, and the daemon announces the classic builder.
class DockerBuild : public ClientTest {
 protected:
  /// A context with this Dockerfile in it.
  std::string context(const std::string& dockerfile) {
    write("Dockerfile", dockerfile);
    return folder_.path();
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_.path() / name) << text; }
  Output build(const std::string& dockerfile, std::vector<std::string> flags = {}) {
    flags.insert(flags.begin(), "build");
    flags.push_back(context(dockerfile));
    return run(flags);
  }

 private:
  support::TempDir folder_;
};
INSTANTIATE_TEST_SUITE_P(Clients, DockerBuild, testing::ValuesIn(pairings({"local"})), name_of_pairing);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DockerBuild);

TEST_P(DockerBuild, WhatIsBuiltRuns) {
  write("file", "from the context\n");
  const Output output = build("FROM busybox\nRUN echo made > /made\nCOPY file /file\nENV A=b\nCMD [\"cat\", \"/made\", \"/file\"]\n",
                              {"-t", "built", "-t", "built:v2", "--label", "where=here"});
  ASSERT_EQ(output.exit_code, 0) << output.out << output.err;
  EXPECT_THAT(output.out,
              AllOf(HasSubstr("Step 1/6 : FROM busybox\n"), HasSubstr("Step 2/6 : RUN echo made > /made\n"),
                    HasSubstr("Successfully built "), EndsWith("Successfully tagged built:latest\nSuccessfully tagged built:v2\n")));
  EXPECT_EQ(get({"run", "--rm", "built"}), "made\nfrom the context");
  EXPECT_EQ(get({"inspect", "--format", "{{.Config.Labels.where}} {{len .RootFS.Layers}}", "built:v2"}), "here 3");
  EXPECT_THAT(get({"history", "--no-trunc", "built"}), HasSubstr("/bin/sh -c echo made > /made"));
}

TEST_P(DockerBuild, StagesHandFilesOn) {
  const std::string dockerfile =
      "ARG BASE=none\nFROM $BASE AS one\nARG WORD\nRUN echo $WORD > /word\nFROM busybox\nCOPY --from=one /word /word\nCMD [\"cat\", "
      "\"/word\"]\n";
  ASSERT_EQ(build(dockerfile, {"-t", "two", "--build-arg", "BASE=busybox", "--build-arg", "WORD=told"}).exit_code, 0);
  EXPECT_EQ(get({"run", "--rm", "two"}), "told");
  const Output only_one = build(dockerfile, {"-q", "--target", "one", "--build-arg", "BASE=busybox", "--build-arg", "WORD=told"});
  ASSERT_EQ(only_one.exit_code, 0) << only_one.err;
  EXPECT_THAT(only_one.out, testing::MatchesRegex("sha256:[0-9a-f]+\n"));
}

TEST_P(DockerBuild, AStepThatWasDoneIsNotDoneAgain) {
  const std::string dockerfile = "FROM busybox\nRUN head -c 8 /dev/urandom | hexdump > /random\n";
  get({"build", "-q", "-t", "one", context(dockerfile)});
  const std::string id = get({"inspect", "--format", "{{.Id}}", "one"});
  EXPECT_THAT(build(dockerfile, {"-t", "two"}).out, HasSubstr(" ---> Using cache\n"));
  EXPECT_EQ(get({"inspect", "--format", "{{.Id}}", "two"}), id);
  EXPECT_THAT(build(dockerfile, {"--no-cache", "-t", "three"}).out, Not(HasSubstr("Using cache")));
  EXPECT_NE(get({"inspect", "--format", "{{.Id}}", "three"}), id);
  EXPECT_THAT(get({"builder", "prune", "-f"}), HasSubstr("Total reclaimed space: "));
  EXPECT_THAT(build(dockerfile, {"-t", "four"}).out, Not(HasSubstr("Using cache")));
  EXPECT_EQ(get({"inspect", "--format", "{{.Id}}", "one"}), id) << "pruning takes no images";
}

TEST_P(DockerBuild, FailuresAreToldInDockersWordsWithItsExitCodes) {
  const Output step = build("FROM busybox\nRUN exit 7\n");
  EXPECT_EQ(step.exit_code, 7);
  EXPECT_THAT(step.err, HasSubstr("The command '/bin/sh -c exit 7' returned a non-zero code: 7"));
  const Output file = build("FROM busybox\nCOPY nope /\n");
  EXPECT_EQ(file.exit_code, 1);
  EXPECT_THAT(file.err,
              HasSubstr("COPY failed: file not found in build context or excluded by .dockerignore: stat nope: file does not exist"));
  const Output syntax = build("FROM busybox\nFOO bar\n");
  EXPECT_EQ(syntax.exit_code, 1);
  EXPECT_THAT(syntax.err, HasSubstr("dockerfile parse error line 2: unknown instruction: FOO"));
  EXPECT_THAT(build("FROM busybox\n", {"--target", "nope"}).err, HasSubstr("failed to reach build target nope in Dockerfile"));
}

TEST_P(DockerBuild, TheContextAndTheDockerfileMayComeFromStandardInput) {
  EXPECT_THAT(run({"build", "-t", "alone", "-"}, "FROM busybox\nCMD [\"echo\", \"alone\"]\n").out,
              HasSubstr("Successfully tagged alone:latest"));
  EXPECT_EQ(get({"run", "--rm", "alone"}), "alone");
  write(".dockerignore", "secret\n");
  write("secret", "x");
  const Output beside =
      run({"build", "--no-cache", "-f", "-", context("FROM nope\n")}, "FROM busybox\nCOPY . /c\nRUN ls -A /c; echo end\n");
  EXPECT_EQ(beside.exit_code, 0) << beside.err;
  EXPECT_THAT(beside.out, AllOf(HasSubstr("end\n"), Not(HasSubstr("secret\n"))));
}

TEST_P(DockerBuild, WhatAClientAsksForReachesTheSteps) {
  const Output hosts =
      build("FROM busybox\nRUN grep 1.2.3.4 /etc/hosts; ulimit -n\n", {"--add-host", "named:1.2.3.4", "--ulimit", "nofile=123:123"});
  ASSERT_EQ(hosts.exit_code, 0) << hosts.out << hosts.err;
  EXPECT_THAT(hosts.out, AllOf(HasSubstr("named"), HasSubstr("\n123\n")));
  EXPECT_THAT(build("FROM busybox\nRUN ls /sys/class/net\n", {"--network", "none"}).out,
              HasSubstr("RUN ls /sys/class/net\nlo\nSuccessfully"));
  EXPECT_THAT(build("FROM busybox\n", {"--network", "of-mine"}).err, HasSubstr("of-mine"));
}

TEST_P(DockerBuild, ABuildEndsWithItsClient) {
  const std::string dockerfile = "FROM busybox\nRUN echo begun; sleep 100000\n";
  const std::unique_ptr<ChildProcess> client = docker().start({"build", context(dockerfile)});
  ASSERT_TRUE(client->read_until("begun")) << client->out() << client->err();
  client->send_signal(SIGTERM);
  ASSERT_TRUE(client->wait().has_value());
  // Pruning has the builder for itself: it waits for the end of the build.
  EXPECT_THAT(get({"builder", "prune", "-f"}), HasSubstr("Total reclaimed space: "));
  EXPECT_EQ(build("FROM busybox\nRUN echo next\n").exit_code, 0);
}

}  // namespace
}  // namespace sockerless::clients
