#include "base/byte_stream.hpp"
#include "tests/conformance/harness.hpp"

namespace sockerless::conformance {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

// ---- logs

TEST_P(BackendConformance, LogsAreOfTheStreamsThatWereAskedFor) {
  const std::string id = create(profile().prints({.out = "a\nb\nc\n", .err = "x\ny\n"}));
  run_to_end(id);
  const Outcome whole = logs(id, {.show_stdout = true, .show_stderr = true});
  EXPECT_EQ(whole.out, "a\nb\nc\n");
  EXPECT_EQ(whole.err, "x\ny\n");
  const Outcome errors = logs(id, {.show_stderr = true});
  EXPECT_EQ(errors.out, "");
  EXPECT_EQ(errors.err, "x\ny\n");
}

TEST_P(BackendConformance, LogsCanBeTheLastLines) {
  const std::string id = create(profile().prints({.out = "1\n2\n3\n4\n"}));
  run_to_end(id);
  EXPECT_EQ(logs(id, {.show_stdout = true, .tail = 2}).out, "3\n4\n");
  EXPECT_EQ(logs(id, {.show_stdout = true, .tail = 0}).out, "");
  EXPECT_EQ(logs(id, {.show_stdout = true, .tail = 100}).out, "1\n2\n3\n4\n");
}

TEST_P(BackendConformance, LogsCanBeStampedAndBoundedByTime) {
  const TimePoint before = system_clock().now();
  const std::string id = create(profile().prints({.out = "line\n"}));
  run_to_end(id);
  const TimePoint after = system_clock().now();
  EXPECT_THAT(logs(id, {.show_stdout = true, .timestamps = true}).out,
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{9}Z line\n"));
  EXPECT_EQ(logs(id, {.show_stdout = true, .since = before, .until = after}).out, "line\n");
  EXPECT_EQ(logs(id, {.show_stdout = true, .since = after}).out, "");
  EXPECT_EQ(logs(id, {.show_stdout = true, .until = before}).out, "");
}

Task<void> read_until(ByteSource& source, std::string text, std::string* seen) {
  while (seen->find(text) == std::string::npos) {
    const auto bytes = co_await source.next();
    if (bytes.empty()) throw Error::internal("the stream ended without \"{}\"", text);
    *seen += as_text(bytes);
  }
}

Task<std::string> follow_and_kill(ContainerRole& containers, std::string id) {
  const OutputStream output = co_await containers.logs({id}, {.follow = true, .show_stdout = true, .show_stderr = true});
  std::string seen;
  co_await read_until(*output.bytes, "ready\n", &seen);
  co_await containers.kill({id}, "KILL");
  co_return seen + co_await read_all(*output.bytes, 1024);
}

TEST_P(BackendConformance, FollowedLogsEndWithTheContainer) {
  const std::string id = start(profile().runs_forever());
  EXPECT_EQ(split_frames(run(follow_and_kill(containers(), id))).out, "ready\n");
  EXPECT_EQ(logs(id, {.follow = true, .show_stdout = true}).out, "ready\n") << "it runs no more: what is there, then the end";
}

TEST_P(BackendConformance, LogsOfNobodyAreNotFound) {
  EXPECT_THAT(error_from([&] { logs("nobody", {.show_stdout = true}); }), FailsWith(ErrorCode::not_found, "No such container: nobody"));
  EXPECT_THAT(error_from([&] { logs("nobody", {.follow = true, .show_stdout = true}); }),
              FailsWith(ErrorCode::not_found, "No such container: nobody"));
}

// ---- attach

TEST_P(BackendConformance, InputReachesTheContainerAndItsEndToo) {
  const std::string id = create(profile().copies_stdin());
  const Outcome outcome = run_to_end(id, "some input\nand more\n");
  EXPECT_EQ(outcome.out, "some input\nand more\n");
  EXPECT_EQ(outcome.exit_code, 0);
}

TEST_P(BackendConformance, MuchInputComesBackWhole) {
  const std::string id = create(profile().copies_stdin());
  std::string input;
  for (int i = 0; input.size() < 3UL * 1024 * 1024; ++i) input += std::to_string(i) + "\n";
  EXPECT_TRUE(run_to_end(id, input).out == input);
}

Task<std::string> attach_with_logs(ContainerRole& containers, std::string id) {
  const auto session = co_await containers.attach({id}, {.logs = true, .stream = true, .use_stdout = true, .use_stderr = true});
  std::string seen;
  co_await read_until(session->output(), "ready\n", &seen);
  co_return seen;
}

TEST_P(BackendConformance, AttachingLateCanShowWhatWasWrittenBefore) {
  const std::string id = start_ready(profile().runs_forever());
  EXPECT_EQ(split_frames(run(attach_with_logs(containers(), id))).out, "ready\n");
  EXPECT_EQ(status(id), "running") << "the session is gone, the container goes on";
}

TEST_P(BackendConformance, ASessionThatIsDroppedLeavesNothingBehind) {
  const std::string id = start(profile().copies_stdin());
  for (int i = 0; i < 20; ++i) {
    run(containers().attach({id}, {.logs = true, .stream = true, .use_stdin = false, .use_stdout = true, .use_stderr = true}));
    run(containers().logs({id}, {.follow = true, .show_stdout = true}));
    run(containers().wait({id}, WaitCondition::next_exit));
  }
  events();
  EXPECT_EQ(status(id), "running");
}

TEST_P(BackendConformance, AttachingToNobodyIsNotFound) {
  EXPECT_THAT(error_from([&] { run(containers().attach({"nobody"}, {.stream = true, .use_stdout = true})); }),
              FailsWith(ErrorCode::not_found, "No such container: nobody"));
}

// ---- exec

TEST_P(BackendConformance, AnExecGivesItsOutputAndItsExitCode) {
  const Behaviour behaviour{.out = "from inside\n", .err = "complaint\n", .exit_code = 9};
  const std::string id = start(profile().runs_execs(behaviour));
  const std::string exec = create_exec(id, profile().exec_command(behaviour));
  EXPECT_THAT(exec, MatchesRegex("[0-9a-f]{64}"));
  const Outcome outcome = run_exec(exec);
  EXPECT_EQ(outcome.out, behaviour.out);
  EXPECT_EQ(outcome.err, behaviour.err);
  EXPECT_EQ(outcome.exit_code, 9);
  EXPECT_EQ(status(id), "running");
}

TEST_P(BackendConformance, AnExecTakesInput) {
  const std::string id = start(profile().runs_exec_copying_stdin());
  const Outcome outcome = run_exec(create_exec(id, {"cat"}, true), "through the exec\n");
  EXPECT_EQ(outcome.out, "through the exec\n");
  EXPECT_EQ(outcome.exit_code, 0);
}

TEST_P(BackendConformance, AnExecNeedsARunningContainer) {
  const std::string id = create(profile().prints({}), "still");
  EXPECT_THAT(error_from([&] { create_exec(id, {"true"}); }), FailsWith(ErrorCode::conflict, "is not running"));
  EXPECT_THAT(error_from([&] { create_exec("nobody", {"true"}); }), FailsWith(ErrorCode::not_found, "No such container: nobody"));
  EXPECT_EQ(error_from([&] { create_exec(start(profile().runs_forever()), {}); }).code(), ErrorCode::invalid_argument);
}

TEST_P(BackendConformance, AnExecRunsOnce) {
  const std::string id = start(profile().runs_execs({.out = "once\n"}));
  const std::string exec = create_exec(id, profile().exec_command({.out = "once\n"}));
  run_exec(exec);
  if (profile().is_dockerd()) {
    // It has taken the connection over by the time it looks: its refusal is in the stream.
    EXPECT_THAT(run_exec(exec).out, HasSubstr("has already run"));
  } else {
    EXPECT_EQ(error_from([&] { run_exec(exec); }).code(), ErrorCode::conflict);
  }
  EXPECT_THAT(error_from([&] { run(execs().inspect({"nobody"})); }), FailsWith(ErrorCode::not_found, "No such exec instance: nobody"));
  EXPECT_THAT(error_from([&] { run_exec("nobody"); }), FailsWith(ErrorCode::not_found, "No such exec instance: nobody"));
}

TEST_P(BackendConformance, ADetachedExecHasNoSession) {
  const std::string id = start(profile().runs_execs({.out = {}, .err = {}, .exit_code = 6}));
  const auto stream = events();
  const std::string exec = create_exec(id, profile().exec_command({.out = {}, .err = {}, .exit_code = 6}));
  EXPECT_EQ(run(execs().start({exec}, {.detach = true})), nullptr);
  next_event(*stream, "exec_die");
  EXPECT_EQ(run(execs().inspect({exec})).exit_code, 6);
}

}  // namespace
}  // namespace sockerless::conformance
