#include "tests/conformance/harness.hpp"

namespace sockerless::conformance {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

TEST_P(BackendConformance, CapabilitiesNameTheBackend) {
  EXPECT_FALSE(backend().capabilities().backend.empty());
  EXPECT_EQ(backend().capabilities().version, SOCKERLESS_VERSION);
  EXPECT_TRUE(backend().capabilities().exec);
}

TEST_P(BackendConformance, AContainerIsMadeOfAnImageThatExists) {
  api::ContainerCreateRequest request = profile().prints({});
  request.image = "no-such-image";
  EXPECT_THAT(error_from([&] { create(request); }), FailsWith(ErrorCode::not_found, "No such image: no-such-image:latest"));
  EXPECT_TRUE(list().empty());
}

TEST_P(BackendConformance, ACreatedContainerHasAnIdAndAName) {
  const std::string id = create(profile().prints({}));
  EXPECT_THAT(id, MatchesRegex("[0-9a-f]{64}"));
  const auto container = inspect(id);
  EXPECT_EQ(container.id, id);
  EXPECT_THAT(*container.name, MatchesRegex("/[a-z]+_[a-z]+"));
  EXPECT_EQ(status(id), "created");
  EXPECT_EQ(container.state->exit_code, 0);
  EXPECT_EQ(container.config->image, kImage);
}

TEST_P(BackendConformance, ANameIsTakenOnce) {
  const std::string first = create(profile().prints({}), "taken");
  const Error error = error_from([&] { create(profile().prints({}), "taken"); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_EQ(error.message(), "Conflict. The container name \"/taken\" is already in use by container \"" + first +
                                 "\". You have to remove (or rename) that container to be able to reuse that name.");
  force_remove(first);
  EXPECT_NE(create(profile().prints({}), "taken"), first);
}

TEST_P(BackendConformance, ANameIsMadeOfFewCharacters) {
  EXPECT_THAT(error_from([&] { create(profile().prints({}), "a b"); }),
              FailsWith(ErrorCode::invalid_argument, "Invalid container name (a b)"));
}

TEST_P(BackendConformance, AContainerIsFoundByIdPrefixAndName) {
  const std::string id = create(profile().prints({}), "found");
  EXPECT_EQ(inspect(id.substr(0, 12)).id, id);
  EXPECT_EQ(inspect("found").id, id);
  EXPECT_EQ(inspect("/found").id, id);
  EXPECT_THAT(error_from([&] { inspect("nobody"); }), FailsWith(ErrorCode::not_found, "No such container: nobody"));
}

TEST_P(BackendConformance, ARunGivesItsOutputAndItsExitCode) {
  const std::string id = create(profile().prints({.out = "some\noutput\n", .err = "an error\n", .exit_code = 3}));
  const Outcome outcome = run_to_end(id);
  EXPECT_EQ(outcome.out, "some\noutput\n");
  EXPECT_EQ(outcome.err, "an error\n");
  EXPECT_EQ(outcome.exit_code, 3);
  const auto state = *inspect(id).state;
  EXPECT_EQ(state.status->str(), "exited");
  EXPECT_EQ(state.running, false);
  EXPECT_EQ(state.exit_code, 3);
  EXPECT_NE(state.finished_at, "0001-01-01T00:00:00Z");
}

TEST_P(BackendConformance, ARunIsRepeatable) {
  const std::string id = create(profile().prints({.out = "again\n"}));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(run_to_end(id).out, "again\n");
  EXPECT_EQ(logs(id, {.show_stdout = true}).out, "again\nagain\nagain\n");
}

TEST_P(BackendConformance, StartingTwiceIsNotModified) {
  const std::string id = start(profile().runs_forever());
  EXPECT_EQ(status(id), "running");
  EXPECT_EQ(error_from([&] { start_again(id); }).code(), ErrorCode::not_modified);
}

TEST_P(BackendConformance, StoppingTwiceIsNotModified) {
  const std::string id = start_ready(profile().runs_forever());
  run(containers().stop({id}, {.timeout_seconds = 30}));
  EXPECT_EQ(status(id), "exited");
  EXPECT_EQ(inspect(id).state->exit_code, 143);
  EXPECT_EQ(error_from([&] { run(containers().stop({id}, {})); }).code(), ErrorCode::not_modified);
}

TEST_P(BackendConformance, StoppingKillsWhatDoesNotListen) {
  const std::string id = start_ready(profile().ignores_term());
  run(containers().stop({id}, {.timeout_seconds = 0}));
  EXPECT_EQ(inspect(id).state->exit_code, 137);
}

TEST_P(BackendConformance, KillingSendsTheSignal) {
  const std::string id = start_ready(profile().runs_forever());
  EXPECT_THAT(error_from([&] { run(containers().kill({id}, "SIGNOTHING")); }), FailsWith(ErrorCode::invalid_argument, "signal"));
  run(containers().kill({id}, ""));
  EXPECT_EQ(wait(id), 137);
  EXPECT_THAT(error_from([&] { run(containers().kill({id}, "TERM")); }), FailsWith(ErrorCode::conflict, "is not running"));
  start_again(id);
  wait_until_ready(id, 2);
  run(containers().kill({id}, "15"));
  EXPECT_EQ(wait(id), 143);
}

TEST_P(BackendConformance, RestartingBeginsANewRun) {
  const std::string id = start_ready(profile().runs_forever());
  const auto before = inspect(id).state->started_at;
  run(containers().restart({id}, {.timeout_seconds = 30}));
  EXPECT_EQ(status(id), "running");
  EXPECT_NE(inspect(id).state->started_at, before);
  run(containers().stop({id}, {.timeout_seconds = 0}));
  run(containers().restart({id}, {}));
  EXPECT_EQ(status(id), "running");
}

TEST_P(BackendConformance, PausingStopsTheWorldOfAContainer) {
  const std::string id = start(profile().runs_forever());
  EXPECT_THAT(error_from([&] { run(containers().unpause({id})); }).code(), refusal(ErrorCode::conflict));
  run(containers().pause({id}));
  EXPECT_EQ(status(id), "paused");
  EXPECT_EQ(inspect(id).state->paused, true);
  EXPECT_THAT(error_from([&] { run(containers().pause({id})); }), FailsWith(ErrorCode::conflict, "is already paused"));
  EXPECT_THAT(error_from([&] { create_exec(id, {"true"}); }), FailsWith(ErrorCode::conflict, "is paused"));
  run(containers().unpause({id}));
  EXPECT_EQ(status(id), "running");
}

TEST_P(BackendConformance, APausedContainerCanBeStopped) {
  const std::string id = start(profile().runs_forever());
  run(containers().pause({id}));
  run(containers().stop({id}, {.timeout_seconds = 1}));
  EXPECT_EQ(status(id), "exited");
}

TEST_P(BackendConformance, RenamingMovesTheName) {
  const std::string id = create(profile().prints({}), "old");
  create(profile().prints({}), "other");
  run(containers().rename({"old"}, "new"));
  EXPECT_EQ(inspect("new").id, id);
  EXPECT_THAT(error_from([&] { inspect("old"); }), FailsWith(ErrorCode::not_found, "No such container: old"));
  EXPECT_THAT(error_from([&] { run(containers().rename({"new"}, "other")); }), FailsWith(ErrorCode::conflict, "already in use"));
  EXPECT_EQ(error_from([&] { run(containers().rename({"new"}, "")); }).code(), ErrorCode::invalid_argument);
}

TEST_P(BackendConformance, UpdatingChangesTheRestartPolicy) {
  const std::string id = create(profile().prints({}));
  api::ContainerUpdateRequest request;
  request.restart_policy.emplace().name = api::RestartPolicyName("on-failure");
  request.restart_policy->maximum_retry_count = 5;
  run(containers().update({id}, request));
  const auto policy = *inspect(id).host_config->restart_policy;
  EXPECT_EQ(policy.name->str(), "on-failure");
  EXPECT_EQ(policy.maximum_retry_count, 5);
}

TEST_P(BackendConformance, ARunningContainerIsRemovedByForceOnly) {
  const std::string id = start(profile().runs_forever(), "busy");
  EXPECT_THAT(error_from([&] { run(containers().remove({id}, {})); }),
              FailsWith(ErrorCode::conflict, profile().is_dockerd() ? "running container" : "container is running"));
  EXPECT_EQ(status(id), "running");
  force_remove(id);
  EXPECT_THAT(error_from([&] { inspect(id); }), FailsWith(ErrorCode::not_found, "No such container: " + id));
  EXPECT_THAT(error_from([&] { run(containers().remove({"busy"}, {})); }), FailsWith(ErrorCode::not_found, "No such container: busy"));
}

TEST_P(BackendConformance, AutoRemoveKeepsTheExitCodeForWhoeverWaits) {
  api::ContainerCreateRequest request = profile().prints({.out = "bye\n", .err = {}, .exit_code = 7});
  request.host_config.emplace().auto_remove = true;
  const std::string id = create(request, "brief");
  const auto removed = run(containers().wait({id}, WaitCondition::removed));
  const Outcome outcome = run_to_end(id);
  EXPECT_EQ(outcome.out, "bye\n");
  EXPECT_EQ(outcome.exit_code, 7);
  EXPECT_EQ(run(removed->result()).status_code, 7);
  EXPECT_EQ(error_from([&] { inspect(id); }).code(), ErrorCode::not_found);
}

TEST_P(BackendConformance, WaitingKnowsThreeConditions) {
  const std::string id = create(profile().runs_forever());
  EXPECT_EQ(wait(id, WaitCondition::not_running), 0) << "it was never started";
  const auto next = run(containers().wait({id}, WaitCondition::next_exit));
  const auto removed = run(containers().wait({id}, WaitCondition::removed));
  start_again(id);
  const auto not_running = run(containers().wait({id}, WaitCondition::not_running));
  run(containers().kill({id}, "KILL"));
  EXPECT_EQ(run(next->result()).status_code, 137);
  EXPECT_EQ(run(not_running->result()).status_code, 137);
  run(containers().remove({id}, {}));
  EXPECT_EQ(run(removed->result()).status_code, 137);
  EXPECT_THAT(error_from([&] { wait("nobody"); }), FailsWith(ErrorCode::not_found, "No such container: nobody"));
}

TEST_P(BackendConformance, ACommandThatIsNotThereIs127) {
  const std::string id = create(profile().unknown_command());
  const Error error = error_from([&] { start_again(id); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.message(), HasSubstr("no such file or directory"));
  EXPECT_EQ(inspect(id).state->exit_code, 127);
  EXPECT_EQ(inspect(id).state->running, false);
}

TEST_P(BackendConformance, ACommandThatCannotBeExecutedIs126) {
  const std::string id = create(profile().not_executable());
  const Error error = error_from([&] { start_again(id); });
  EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  EXPECT_THAT(error.message(), HasSubstr("ermission denied"));
  EXPECT_EQ(inspect(id).state->exit_code, 126);
}

TEST_P(BackendConformance, OnFailureStartsAgainAsOftenAsAsked) {
  api::ContainerCreateRequest request = profile().prints({.out = "try\n", .err = {}, .exit_code = 4});
  auto& policy = request.host_config.emplace().restart_policy.emplace();
  policy.name = api::RestartPolicyName("on-failure");
  policy.maximum_retry_count = 2;
  const std::string id = create(request);
  api::Filters dies;
  dies.add("event", "die");
  const auto stream = events(dies);
  start_again(id);
  for (int i = 0; i < 3; ++i) next_event(*stream, "die");
  EXPECT_EQ(wait(id), 4);
  EXPECT_EQ(inspect(id).restart_count, 2);
  EXPECT_EQ(status(id), "exited");
  EXPECT_EQ(logs(id, {.show_stdout = true}).out, "try\ntry\ntry\n");
}

TEST_P(BackendConformance, AHealthCheckFindsOutHowAContainerIs) {
  const std::string id = create(profile().becomes_healthy());
  const auto stream = events();
  start_again(id);
  next_event(*stream, "health_status: healthy");
  const auto health = *inspect(id).state->health;
  EXPECT_EQ(health.status->str(), "healthy");
  EXPECT_EQ(health.failing_streak, 0);
  ASSERT_GE(health.log->size(), 2U);
  EXPECT_EQ(health.log->at(0).exit_code, 1);
}

TEST_P(BackendConformance, PruningTakesWhatDoesNotRun) {
  const std::string running = start(profile().runs_forever());
  const std::string ended = create(profile().prints({}));
  run_to_end(ended);
  const std::string never = create(profile().prints({}));
  const auto pruned = run(containers().prune({}));
  EXPECT_THAT(*pruned.containers_deleted, testing::UnorderedElementsAre(ended, never));
  EXPECT_EQ(list().size(), 1U);
  EXPECT_EQ(list().front().id, running);
}

TEST_P(BackendConformance, TopListsTheProcesses) {
  const std::string id = start(profile().runs_forever());
  const auto top = run(containers().top({id}, ""));
  EXPECT_THAT(*top.titles, testing::Contains("PID"));
  EXPECT_GE(top.processes->size(), 1U);
  run(containers().kill({id}, ""));
  wait(id);
  EXPECT_THAT(error_from([&] { run(containers().top({id}, "")); }), FailsWith(ErrorCode::conflict, "is not running"));
}

TEST_P(BackendConformance, InfoCountsTheContainers) {
  start(profile().runs_forever());
  create(profile().prints({}));
  const auto info = run(backend().system().info());
  EXPECT_EQ(info.containers, 2);
  EXPECT_EQ(info.containers_running, 1);
  EXPECT_EQ(info.containers_stopped, 1);
  EXPECT_EQ(info.images, 1);
  EXPECT_EQ(info.os_type, "linux");
  EXPECT_EQ(run(backend().system().version()).os, "linux");
  EXPECT_EQ(run(backend().system().disk_usage({})).containers->size(), 2U);
}

}  // namespace
}  // namespace sockerless::conformance
