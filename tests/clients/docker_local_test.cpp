// The docker command line against real containers: what only a process that really runs can show.

#include <chrono>
#include <csignal>

#include <gmock/gmock.h>

#include "tests/clients/fixture.hpp"

namespace sockerless::clients {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class DockerLocal : public ClientTest {};
INSTANTIATE_TEST_SUITE_P(Clients, DockerLocal, testing::ValuesIn(pairings({"local"})), name_of_pairing);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DockerLocal);

TEST_P(DockerLocal, OutputArrivesWhenTheInputIsEmptyAndTheProcessShort) {
  for (int i = 0; i < 20; ++i) {
    const std::string name = "short-" + std::to_string(i);
    get({"create", "-i", "--rm", "--name", name, "busybox", "echo", "once"});
    EXPECT_EQ(get({"start", "-a", "-i", name}), "once");
  }
}

TEST_P(DockerLocal, RunPipesStandardInputThrough) {
  std::string input;
  for (int line = 0; line < 20'000; ++line) input += "line " + std::to_string(line) + " of a text that comes back as it went in\n";
  const Output output = run({"run", "--rm", "-i", "busybox", "cat"}, input);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_TRUE(output.out == input) << "came back: " << output.out.size() << " of " << input.size() << " bytes; " << output.err;
}

TEST_P(DockerLocal, RunKeepsTheTwoOutputsApart) {
  const Output output = run({"run", "--rm", "busybox", "sh", "-c", "echo to-out; echo to-err >&2"});
  EXPECT_EQ(output.out, "to-out\n");
  EXPECT_THAT(output.err, HasSubstr("to-err\n"));
}

TEST_P(DockerLocal, RunEndsWithTheProcesssExitCode) {
  EXPECT_EQ(run({"run", "--rm", "busybox", "sh", "-c", "exit 3"}).exit_code, 3);
  EXPECT_EQ(run({"run", "--rm", "busybox", "sh", "-c", "kill -9 $$; sleep 1; exit 0"}).exit_code, 0) << "pid 1 cannot kill itself";
  EXPECT_EQ(run({"run", "--rm", "--init", "busybox", "sh", "-c", "kill -9 $$"}).exit_code, 137);
}

TEST_P(DockerLocal, RunTellsUnknownAndUnusableCommandsApart) {
  const Output unknown = run({"run", "--rm", "busybox", "no-such-program"});
  EXPECT_EQ(unknown.exit_code, 127) << unknown.err;
  EXPECT_THAT(unknown.err, HasSubstr("no-such-program"));
  const Output unusable = run({"run", "--rm", "busybox", "/etc/passwd"});
  EXPECT_EQ(unusable.exit_code, 126) << unusable.err;
}

TEST_P(DockerLocal, LogsFollowUntilTheContainerEnds) {
  get({"run", "-d", "-i", "--name", "one", "busybox", "sh", "-c", "echo first; read line; echo $line; echo last >&2"});
  const std::unique_ptr<ChildProcess> logs = docker().start({"logs", "--follow", "one"});
  ASSERT_TRUE(logs->read_until("first"));
  EXPECT_FALSE(logs->has_ended());
  const std::unique_ptr<ChildProcess> attached = docker().start({"attach", "one"});
  attached->write("typed\n");
  const std::optional<Output> output = logs->wait();
  ASSERT_TRUE(output.has_value());
  EXPECT_EQ(output->exit_code, 0);
  EXPECT_EQ(output->out, "first\ntyped\n");
  EXPECT_EQ(output->err, "last\n");
  EXPECT_EQ(get({"logs", "--tail", "1", "one"}), "") << "the last line went to standard error";
  EXPECT_TRUE(attached->wait().has_value());
}

TEST_P(DockerLocal, RunOnATerminalIsInteractive) {
  const std::unique_ptr<ChildProcess> shell = docker().start({"run", "--rm", "-it", "busybox", "sh"}, Stdio::terminal);
  shell->write("echo $((40 + 2))\n");
  ASSERT_TRUE(shell->read_until("42")) << shell->out();
  shell->write("test -t 0 && echo has-a-ter'minal'\n");
  ASSERT_TRUE(shell->read_until("has-a-terminal")) << shell->out();
  shell->write("exit 7\n");
  const std::optional<Output> output = shell->wait();
  ASSERT_TRUE(output.has_value());
  EXPECT_EQ(output->exit_code, 7);
}

TEST_P(DockerLocal, TheTerminalsSizeFollowsTheClients) {
  // The client sets the size once at the start, whatever it is: the script waits for the one that the test chooses.
  const std::string script = "echo rea'dy'; while [ \"$(stty size)\" != '41 101' ]; do sleep 0.05; done; echo gr'own'";
  const std::unique_ptr<ChildProcess> shell = docker().start({"run", "--rm", "-it", "busybox", "sh", "-c", script}, Stdio::terminal);
  ASSERT_TRUE(shell->read_until("ready")) << shell->out();
  // The client begins to listen for changes some time after the start, so one change could be lost.
  bool grown = false;
  for (int attempt = 0; attempt < 100 && !grown; ++attempt) {
    shell->resize_terminal(30, 90);
    shell->resize_terminal(41, 101);
    grown = shell->read_until("grown", std::chrono::milliseconds(300));
  }
  EXPECT_TRUE(grown) << shell->out();
  EXPECT_TRUE(shell->wait().has_value());
}

TEST_P(DockerLocal, ExecRunsInsideAndReportsItsExitCode) {
  get({"run", "-d", "--name", "one", "-e", "COLOUR=blue", "busybox", "sleep", "1000"});
  EXPECT_EQ(get({"exec", "one", "sh", "-c", "echo $COLOUR"}), "blue");
  EXPECT_EQ(get({"exec", "-i", "one", "cat"}, "piped"), "piped");
  EXPECT_EQ(run({"exec", "one", "sh", "-c", "exit 5"}).exit_code, 5);
  EXPECT_EQ(run({"exec", "one", "no-such-program"}).exit_code, 127);
  EXPECT_EQ(run({"exec", "one", "/etc/passwd"}).exit_code, 126);
  EXPECT_EQ(get({"exec", "-d", "one", "touch", "/tmp/detached"}), "");
}

TEST_P(DockerLocal, ExecOnATerminalIsInteractive) {
  get({"run", "-d", "--name", "one", "busybox", "sleep", "1000"});
  const std::unique_ptr<ChildProcess> shell = docker().start({"exec", "-it", "one", "sh"}, Stdio::terminal);
  shell->write("echo $((20 + 3))\n");
  ASSERT_TRUE(shell->read_until("23")) << shell->out();
  shell->write("exit 9\n");
  const std::optional<Output> output = shell->wait();
  ASSERT_TRUE(output.has_value());
  EXPECT_EQ(output->exit_code, 9);
}

TEST_P(DockerLocal, AttachSpeaksToARunningContainer) {
  get({"run", "-d", "-i", "--name", "one", "busybox", "cat"});
  const std::unique_ptr<ChildProcess> attached = docker().start({"attach", "one"});
  attached->write("hello\n");
  ASSERT_TRUE(attached->read_until("hello")) << attached->err();
  get({"kill", "one"});
  const std::optional<Output> output = attached->wait();
  ASSERT_TRUE(output.has_value());
  EXPECT_EQ(output->exit_code, 137);
}

TEST_P(DockerLocal, TheDetachKeysLeaveTheContainerRunning) {
  get({"run", "-d", "-it", "--name", "one", "busybox", "sh"});
  const std::unique_ptr<ChildProcess> attached = docker().start({"attach", "one"}, Stdio::terminal);
  attached->write("echo at'tached'\n");
  ASSERT_TRUE(attached->read_until("attached\r\n")) << attached->out();
  attached->write("\x10\x11");
  ASSERT_TRUE(attached->wait().has_value()) << attached->out();
  EXPECT_EQ(inspect("one", "{{.State.Running}}"), "true");
}

TEST_P(DockerLocal, StopSendsTheSignalAndWaitTellsTheExitCode) {
  get({"run", "-d", "--name", "one", "busybox", "sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done"});
  ASSERT_TRUE(docker().start({"logs", "-f", "one"})->read_until("ready"));
  const std::unique_ptr<ChildProcess> waiting = docker().start({"wait", "one"});
  get({"stop", "one"});
  const std::optional<Output> output = waiting->wait();
  ASSERT_TRUE(output.has_value());
  EXPECT_EQ(output->out, "9\n");
  EXPECT_EQ(inspect("one", "{{.State.Status}} {{.State.ExitCode}}"), "exited 9");
}

TEST_P(DockerLocal, StopKillsWhatDoesNotListen) {
  get({"run", "-d", "--name", "one", "busybox", "sleep", "1000"});
  get({"stop", "--time", "1", "one"});
  EXPECT_EQ(inspect("one", "{{.State.Status}} {{.State.ExitCode}}"), "exited 137");
}

TEST_P(DockerLocal, KillEndsWith128PlusTheSignal) {
  get({"run", "-d", "--name", "one", "busybox", "sleep", "1000"});
  get({"kill", "one"});
  EXPECT_EQ(get({"wait", "one"}), "137");
}

TEST_P(DockerLocal, SignalsToTheClientReachTheContainer) {
  const std::unique_ptr<ChildProcess> client =
      docker().start({"run", "--rm", "busybox", "sh", "-c", "trap 'echo caught; exit 4' TERM; echo ready; while :; do sleep 0.1; done"});
  ASSERT_TRUE(client->read_until("ready")) << client->err();
  client->send_signal(SIGTERM);
  const std::optional<Output> output = client->wait();
  ASSERT_TRUE(output.has_value());
  EXPECT_THAT(output->out, HasSubstr("caught"));
  EXPECT_EQ(output->exit_code, 4);
}

TEST_P(DockerLocal, ARunningContainerIsRemovedOnlyByForce) {
  get({"run", "-d", "--name", "one", "busybox", "sleep", "1000"});
  const Output refused = run({"rm", "one"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("ontainer"));
  EXPECT_THAT(get({"ps", "--format", "{{.Names}} {{.Status}}"}), testing::StartsWith("one Up"));
  get({"rm", "--force", "one"});
  EXPECT_THAT(get({"ps", "--all", "--quiet"}), IsEmpty());
}

TEST_P(DockerLocal, ALoadedImageRunsItsOwnCommand) {
  get({"load"}, busybox_docker_archive("loaded:v7"));
  EXPECT_EQ(get({"run", "--rm", "loaded:v7"}), "hello");
}

TEST_P(DockerLocal, AContainerIsStartedAgainWithItsFiles) {
  get({"run", "--name", "one", "busybox", "sh", "-c", "echo again >> /tmp/count; cat /tmp/count"});
  EXPECT_EQ(get({"start", "--attach", "one"}), "again\nagain");
}

TEST_P(DockerLocal, TopListsTheProcesses) {
  get({"run", "-d", "--name", "one", "busybox", "sleep", "1234"});
  EXPECT_THAT(get({"top", "one"}), HasSubstr("sleep 1234"));
}

TEST_P(DockerLocal, APausedContainerGoesOnWhereItStood) {
  get({"run", "-d", "--name", "one", "busybox", "sleep", "1000"});
  get({"pause", "one"});
  EXPECT_EQ(inspect("one", "{{.State.Status}}"), "paused");
  get({"unpause", "one"});
  EXPECT_EQ(inspect("one", "{{.State.Status}}"), "running");
}

TEST_P(DockerLocal, AClientThatDiesWhileFollowingLeavesTheDaemonWell) {
  get({"run", "-d", "--name", "one", "busybox", "sh", "-c", "while :; do echo tick; sleep 0.05; done"});
  const std::unique_ptr<ChildProcess> logs = docker().start({"logs", "--follow", "one"});
  const std::unique_ptr<ChildProcess> attached = docker().start({"attach", "--no-stdin", "one"});
  ASSERT_TRUE(logs->read_until("tick"));
  ASSERT_TRUE(attached->read_until("tick"));
  logs->send_signal(SIGKILL);
  attached->send_signal(SIGKILL);
  EXPECT_EQ(inspect("one", "{{.State.Running}}"), "true");
  get({"rm", "--force", "one"});
}

}  // namespace
}  // namespace sockerless::clients
