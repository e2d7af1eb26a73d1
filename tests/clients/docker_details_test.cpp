// Details in which a container differs from a plain process, each as dockerd has it and each something that some image or script looks at.

#include <gmock/gmock.h>

#include "tests/clients/fixture.hpp"

namespace sockerless::clients {
namespace {

using testing::HasSubstr;

class DockerDetails : public ClientTest {};
INSTANTIATE_TEST_SUITE_P(Clients, DockerDetails, testing::ValuesIn(pairings({"local"})), name_of_pairing);

TEST_P(DockerDetails, InspectSaysThatThereIsNoSuchObject) {
  const Output output = run({"inspect", "nothing"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("o such object: nothing"));
}

TEST_P(DockerDetails, SystemPruneGoesThrough) { EXPECT_THAT(get({"system", "prune", "--force"}), HasSubstr("Total reclaimed space")); }

TEST_P(DockerDetails, AFailedStartIsSaidOnce) {
  for (const std::vector<std::string>& more : {std::vector<std::string>{"--rm"}, std::vector<std::string>{}}) {
    std::vector<std::string> command{"run", "busybox", "no-such-program"};
    command.insert(command.begin() + 1, more.begin(), more.end());
    const Output output = run(command);
    EXPECT_EQ(output.exit_code, 127);
    const std::size_t at = output.err.find("no-such-program");
    EXPECT_NE(at, std::string::npos) << output.err;
    EXPECT_EQ(output.err.find("no-such-program", at + 1), std::string::npos) << output.err;
  }
}

TEST_P(DockerDetails, NamespacesAreSharedByName) {
  get({"run", "-d", "--name", "one", "--ipc", "shareable", "busybox", "sleep", "1000"});
  get({"exec", "one", "touch", "/dev/shm/from-one"});
  EXPECT_EQ(get({"run", "--rm", "--ipc", "container:one", "busybox", "ls", "/dev/shm"}), "from-one");
  get({"run", "-d", "--name", "private", "busybox", "sleep", "1000"});
  EXPECT_THAT(run({"run", "--rm", "--ipc", "container:private", "busybox", "true"}).err, HasSubstr("not shareable"));
  EXPECT_THAT(get({"run", "--rm", "--pid", "container:one", "busybox", "ps"}), HasSubstr("sleep 1000"));
  EXPECT_EQ(get({"run", "--rm", "--network", "container:one", "busybox", "echo", "shared"}), "shared");
  const Output output = run({"run", "--rm", "--pid", "container:nobody", "busybox", "true"});
  EXPECT_EQ(output.exit_code, 125);
  EXPECT_THAT(output.err, HasSubstr("No such container: nobody"));
}

TEST_P(DockerDetails, ThePrimaryGroupIsASupplementaryOneToo) {
  EXPECT_THAT(get({"run", "--rm", "--user", "1000:1001", "busybox", "id"}), HasSubstr("groups=1001"));
  EXPECT_EQ(get({"run", "--rm", "--group-add", "55", "busybox", "id", "-G"}), "0 55");
  get({"run", "-d", "--name", "one", "--group-add", "55", "busybox", "sleep", "1000"});
  EXPECT_EQ(get({"exec", "one", "id", "-G"}), "0 55");
}

TEST_P(DockerDetails, AVolumeAtEtcDoesNotHideTheNetworkFiles) {
  EXPECT_THAT(get({"run", "--rm", "-v", "settings:/etc", "busybox", "cat", "/etc/hosts"}), HasSubstr("localhost"));
  EXPECT_EQ(get({"run", "--rm", "-v", "settings:/etc", "--hostname", "box", "busybox", "cat", "/etc/hostname"}), "box");
}

TEST_P(DockerDetails, AHostNameWithADomainHasAShortNameToo) {
  EXPECT_THAT(get({"run", "--rm", "--hostname", "web.example.com", "busybox", "cat", "/etc/hosts"}), HasSubstr("web.example.com web"));
}

TEST_P(DockerDetails, AContainerCanTellThatItIsOne) {
  EXPECT_EQ(run({"run", "--rm", "busybox", "test", "-f", "/.dockerenv"}).exit_code, 0);
  EXPECT_EQ(run({"run", "--rm", "--read-only", "busybox", "test", "-f", "/.dockerenv"}).exit_code, 0);
}

TEST_P(DockerDetails, AnImageThatLostItsNameIsShownByItsId) {
  get({"tag", "busybox", "moving:1"});
  get({"create", "--name", "one", "moving:1", "true"});
  EXPECT_EQ(get({"ps", "--all", "--format", "{{.Image}}"}), "moving:1");
  get({"load"}, busybox_docker_archive("moving:1"));
  const std::string id = get({"images", "--quiet", "busybox"});
  EXPECT_EQ(get({"ps", "--all", "--format", "{{.Image}}"}), id);
}

TEST_P(DockerDetails, AProbeThatHangsIsEndedAndTold) {
  get({"run", "-d", "--name", "one", "--health-cmd", "exec sleep 1000", "--health-interval", "100ms", "--health-retries", "1",
       "--health-timeout", "200ms", "busybox", "sleep", "2000"});
  const std::unique_ptr<ChildProcess> events =
      docker().start({"events", "--since", "1h", "--filter", "event=exec_die", "--format", "died"});
  ASSERT_TRUE(events->read_until("died\ndied\ndied\n"));
  EXPECT_EQ(inspect("one", "{{.State.Health.Status}}"), "unhealthy");
  EXPECT_THAT(inspect("one", "{{range .State.Health.Log}}{{.ExitCode}} {{.Output}};{{end}}"),
              HasSubstr("-1 Health check exceeded timeout (200ms);"));
  const std::string processes = get({"top", "one"});
  std::size_t probes = 0;
  for (std::size_t at = processes.find("sleep 1000"); at != std::string::npos; at = processes.find("sleep 1000", at + 1)) ++probes;
  EXPECT_LE(probes, 2U) << processes;
  get({"stop", "--time", "0", "one"});
  EXPECT_EQ(inspect("one", "{{.State.Health.Status}}"), "unhealthy");
}

TEST_P(DockerDetails, AWorkingDirectoryThatIsNotThereFailsTheExec) {
  get({"run", "-d", "--name", "one", "busybox", "sleep", "1000"});
  EXPECT_EQ(run({"exec", "--workdir", "/nowhere", "one", "pwd"}).exit_code, 127);
}

TEST_P(DockerDetails, WithoutALogThereIsNothingToRead) {
  EXPECT_EQ(get({"run", "--name", "one", "--log-driver", "none", "busybox", "echo", "seen"}), "seen");
  const Output output = run({"logs", "one"});
  EXPECT_EQ(output.exit_code, 1);
  EXPECT_THAT(output.err, HasSubstr("configured logging driver does not support reading"));
}

}  // namespace
}  // namespace sockerless::clients
