// The docker command line against every backend that this project builds in: what must be the same wherever containers run.

#include <chrono>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/clients/fixture.hpp"

namespace sockerless::clients {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class DockerCli : public ClientTest {};
INSTANTIATE_TEST_SUITE_P(Clients, DockerCli, testing::ValuesIn(pairings({"memory", "local"})), name_of_pairing);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DockerCli);

TEST(DockerBinaries, ThereIsAtLeastOneToTestWith) {
  EXPECT_THAT(docker_binaries(), Not(IsEmpty())) << "install docker.io or put a docker command line into /usr/local/bin";
}

TEST_P(DockerCli, VersionAndInfoSpeakToTheDaemon) {
  EXPECT_THAT(get({"version", "--format", "{{.Server.APIVersion}}"}), testing::StartsWith("1."));
  EXPECT_EQ(get({"info", "--format", "{{.OSType}}"}), "linux");
}

TEST_P(DockerCli, ImagesAreListedTaggedInspectedAndRemoved) {
  EXPECT_EQ(get({"images", "--format", "{{.Repository}}:{{.Tag}}"}), "busybox:latest");
  const std::string id = get({"inspect", "--type", "image", "--format", "{{.Id}}", "busybox"});
  EXPECT_THAT(id, testing::StartsWith("sha256:"));
  get({"tag", "busybox", "other/name:v1"});
  EXPECT_EQ(get({"inspect", "--type", "image", "--format", "{{.Id}}", "other/name:v1"}), id);
  EXPECT_THAT(get({"rmi", "other/name:v1"}), HasSubstr("Untagged: other/name:v1"));
  EXPECT_THAT(get({"rmi", "busybox"}), HasSubstr("Deleted: sha256:"));
  EXPECT_THAT(get({"images", "--quiet"}), IsEmpty());
}

TEST_P(DockerCli, AnUnknownImageIsToldInDockersWords) {
  const Output output = run({"rmi", "nobody/knows:this"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("No such image: nobody/knows:this"));
}

TEST_P(DockerCli, AnArchiveIsLoadedWithItsTag) {
  EXPECT_THAT(get({"load"}, busybox_docker_archive("loaded:v7")), HasSubstr("Loaded image: loaded:v7"));
  EXPECT_EQ(get({"inspect", "--type", "image", "--format", "{{index .Config.Env 1}}", "loaded:v7"}), "GREETING=hello");
}

TEST_P(DockerCli, SomethingThatIsNoArchiveIsRefused) {
  const Output output = run({"load"}, "this is no tar");
  EXPECT_NE(output.exit_code, 0);
}

TEST_P(DockerCli, CreateStartWaitAndRemoveGoTheirWay) {
  const std::string id = get({"create", "--name", "one", "busybox", "true"});
  EXPECT_EQ(id.size(), 64U);
  EXPECT_EQ(inspect("one", "{{.State.Status}}"), "created");
  get({"start", "one"});
  EXPECT_EQ(get({"wait", "one"}), "0");
  EXPECT_EQ(inspect(id.substr(0, 12), "{{.State.Status}} {{.State.ExitCode}}"), "exited 0");
  EXPECT_THAT(get({"ps", "--all", "--format", "{{.Names}} {{.Status}}"}), testing::StartsWith("one Exited (0)"));
  get({"rm", "one"});
  EXPECT_THAT(get({"ps", "--all", "--quiet"}), IsEmpty());
}

TEST_P(DockerCli, RunWithRmLeavesNothing) {
  EXPECT_EQ(run({"run", "--rm", "busybox", "true"}).exit_code, 0);
  EXPECT_THAT(get({"ps", "--all", "--quiet"}), IsEmpty());
}

TEST_P(DockerCli, ANameCannotBeTakenTwice) {
  const std::string id = get({"create", "--name", "one", "busybox", "true"});
  const Output output = run({"create", "--name", "one", "busybox", "true"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("The container name \"/one\" is already in use by container \"" + id + "\""));
}

TEST_P(DockerCli, ARenamedContainerAnswersToItsNewName) {
  const std::string id = get({"create", "--name", "one", "busybox", "true"});
  get({"rename", "one", "two"});
  EXPECT_EQ(inspect("two", "{{.Id}} {{.Name}}"), id + " /two");
  EXPECT_THAT(run({"inspect", "--type", "container", "one"}).err, HasSubstr("No such container: one"));
}

TEST_P(DockerCli, AnUnknownContainerIsToldInDockersWords) {
  for (const char* command : {"start", "stop", "kill", "rm", "logs", "wait", "attach", "pause"}) {
    const Output output = run({command, "nobody"});
    EXPECT_EQ(output.exit_code, 1) << command;
    EXPECT_THAT(output.err, HasSubstr("No such container: nobody")) << command;
  }
}

TEST_P(DockerCli, EventsTellTheLifeInOrder) {
  const std::unique_ptr<ChildProcess> live =
      docker().start({"events", "--filter", "type=container", "--format", "{{.Action}} {{.Actor.Attributes.name}}"});
  // The stream is open once the first event of a container made for this shows.
  for (int number = 0; number < 100 && !live->out().contains("create probe"); ++number) {
    get({"create", "--name", "probe" + std::to_string(number), "busybox", "true"});
    live->read_until("create probe", std::chrono::milliseconds(100));
  }
  get({"run", "--rm", "--name", "one", "busybox", "true"});
  ASSERT_TRUE(live->read_until("destroy one")) << live->out() << live->err();
  std::string seen = live->out().substr(live->out().find("create one"));
  EXPECT_EQ(seen, "create one\nattach one\nstart one\ndie one\ndestroy one\n");
}

TEST_P(DockerCli, PastEventsAreReadBack) {
  get({"create", "--name", "one", "--label", "colour=blue", "busybox", "true"});
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::string until = fmt::format("{}.{:09}", std::chrono::duration_cast<std::chrono::seconds>(now).count(),
                                        std::chrono::duration_cast<std::chrono::nanoseconds>(now).count() % 1'000'000'000);
  const std::string events = get({"events", "--since", "1h", "--until", until, "--filter", "label=colour=blue", "--format",
                                  "{{.Type}} {{.Action}} {{.Actor.Attributes.image}}"});
  EXPECT_EQ(events, "container create busybox");
}

TEST_P(DockerCli, ListsAreFilteredByLabelNameAndStatus) {
  const std::string one = get({"create", "--name", "one", "--label", "team=a", "busybox", "true"});
  get({"create", "--name", "two", "--label", "team=b", "busybox", "true"});
  EXPECT_EQ(get({"ps", "--all", "--no-trunc", "--quiet", "--filter", "label=team=a"}), one);
  EXPECT_EQ(get({"ps", "--all", "--no-trunc", "--quiet", "--filter", "name=^/one$"}), one);
  EXPECT_THAT(get({"ps", "--all", "--quiet", "--filter", "status=running"}), IsEmpty());
  const Output bad = run({"ps", "--filter", "nonsense=1"});
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.err, HasSubstr("nvalid filter 'nonsense'"));
}

TEST_P(DockerCli, RunOfAnImageThatNobodyHasFailsWith125) {
  if (GetParam().backend == "memory") {
    EXPECT_EQ(run({"run", "--pull", "never", "nobody/knows:this"}).exit_code, 125);
    return;
  }
  EXPECT_EQ(run({"run", "127.0.0.1:1/nobody:this"}).exit_code, 125);
}

TEST_P(DockerCli, SwarmIsRefusedWithTheWayOut) {
  const Output output = run({"swarm", "init"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("does not support Swarm"));
}

}  // namespace
}  // namespace sockerless::clients
