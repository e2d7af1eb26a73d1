#include "engine/container_state.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart = TimePoint(std::chrono::seconds(1'700'000'000));
const std::string kId(64, 'a');

template <typename F>
void expect_error(F action, ErrorCode code, std::string_view message) {
  try {
    action();
    ADD_FAILURE() << "did not fail: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_EQ(error.message(), message);
  }
}

ContainerState running() {
  ContainerState state;
  state.started(42, kStart);
  return state;
}

TEST(ContainerState, ANewContainerIsCreatedAndCanStart) {
  const ContainerState state;
  EXPECT_EQ(state.status(), ContainerStatus::created);
  EXPECT_EQ(state.started_at(), kNever);
  EXPECT_EQ(state.describe(kStart), "Created");
  EXPECT_NO_THROW(state.check_can_start(kId));
}

TEST(ContainerState, ARunEndsWithItsCodeAndCanStartAgain) {
  ContainerState state = running();
  EXPECT_TRUE(state.is_running());
  EXPECT_EQ(state.describe(kStart + 5min), "Up 5 minutes");
  state.ended(3, true, "", kStart + 1min, false);
  EXPECT_EQ(state.status(), ContainerStatus::exited);
  EXPECT_EQ(state.exit_code(), 3);
  EXPECT_TRUE(state.oom_killed());
  EXPECT_EQ(state.describe(kStart + 1min + 2h), "Exited (3) 2 hours ago");
  EXPECT_EQ(state.run(), state.ended_runs());
  state.started(43, kStart + 3h);
  EXPECT_EQ(state.exit_code(), 0);
  EXPECT_EQ(state.last_exit_code(), 3) << "a slow wait still hears of the first run";
  EXPECT_FALSE(state.oom_killed());
}

TEST(ContainerState, AStartOfWhatRunsIsNotModified) {
  ContainerState state = running();
  expect_error([&] { state.check_can_start(kId); }, ErrorCode::not_modified, "container " + kId + " is already running");
  state.pause(kId);
  expect_error([&] { state.check_can_start(kId); }, ErrorCode::conflict, "cannot start a paused container, try unpause instead");
}

TEST(ContainerState, PauseAndUnpauseRefuseWhatDoesNotFit) {
  ContainerState state;
  expect_error([&] { state.pause(kId); }, ErrorCode::conflict, "container " + kId + " is not running");
  expect_error([&] { state.unpause(kId); }, ErrorCode::conflict, "container " + kId + " is not paused");
  state = running();
  state.pause(kId);
  EXPECT_TRUE(state.is_running()) << "State.Running stays true while paused";
  EXPECT_EQ(state.describe(kStart + 2min), "Up 2 minutes (Paused)");
  expect_error([&] { state.pause(kId); }, ErrorCode::conflict, "container " + kId + " is already paused");
  state.unpause(kId);
  EXPECT_EQ(state.status(), ContainerStatus::running);
}

TEST(ContainerState, AFailedStartLeavesANewContainerCreatedWithItsReason) {
  ContainerState state;
  state.start_failed(127, "no such command", kStart);
  EXPECT_EQ(state.status(), ContainerStatus::created);
  EXPECT_EQ(state.exit_code(), 127);
  EXPECT_EQ(state.error(), "no such command");
  EXPECT_EQ(state.ended_runs(), 1U) << "it counts as a run that ended: attach goes on";
  state = running();
  state.ended(0, false, "", kStart, false);
  state.start_failed(126, "not executable", kStart + 1s);
  EXPECT_EQ(state.status(), ContainerStatus::exited);
}

TEST(ContainerState, BetweenTwoPolicyRunsItIsRestarting) {
  ContainerState state = running();
  state.ended(1, false, "", kStart, true);
  EXPECT_TRUE(state.is_restarting());
  EXPECT_TRUE(state.is_running());
  EXPECT_FALSE(state.has_process());
  EXPECT_EQ(state.describe(kStart + 3s), "Restarting (1) 3 seconds ago");
  expect_error([&] { state.pause(kId); }, ErrorCode::conflict, "container " + kId + " is restarting, wait until the container is running");
  state.restart_cancelled();
  EXPECT_EQ(state.status(), ContainerStatus::exited);
}

TEST(ContainerState, WhatIsBeingRemovedCannotBeRemovedOrStarted) {
  ContainerState state;
  state.begin_removal(kId);
  EXPECT_EQ(state.describe(kStart), "Removal In Progress");
  expect_error([&] { state.begin_removal(kId); }, ErrorCode::conflict, "removal of container " + kId + " is already in progress");
  expect_error([&] { state.check_can_start(kId); }, ErrorCode::conflict, "container is marked for removal and cannot be started");
  state.mark_dead();
  EXPECT_EQ(state.describe(kStart), "Dead");
  EXPECT_NO_THROW(state.begin_removal(kId)) << "a removal that failed can be tried again";
}

TEST(ContainerState, HealthIsPartOfTheWordsAndKeepsFiveProbes) {
  ContainerState state = running();
  state.reset_health(HealthStatus::starting);
  EXPECT_EQ(state.describe(kStart + 1s), "Up 1 second (health: starting)");
  EXPECT_TRUE(state.add_probe({kStart, kStart, 0, "ok"}, HealthStatus::healthy, 0));
  EXPECT_EQ(state.describe(kStart + 1s), "Up 1 second (healthy)");
  for (int i = 0; i < 7; ++i) EXPECT_FALSE(state.add_probe({kStart, kStart, i, ""}, HealthStatus::healthy, 0));
  EXPECT_EQ(state.health().log.size(), 5U);
  EXPECT_EQ(state.health().log.back().exit_code, 6);
}

TEST(ContainerState, TheDocumentBringsEverythingBack) {
  ContainerState state = running();
  state.reset_health(HealthStatus::starting);
  state.add_probe({kStart, kStart + 1s, 1, "no\n\"yes\""}, HealthStatus::unhealthy, 3);
  state.count_restart();
  state.set_manually_stopped(true);
  state.ended(9, true, "why", kStart + 1min, false);
  const ContainerState read = ContainerState::from_json(state.to_json());
  EXPECT_EQ(read.to_json(), state.to_json());
  EXPECT_EQ(read.error(), "why");
  EXPECT_EQ(read.restart_count(), 1);
  EXPECT_EQ(read.health().failing_streak, 3);
  EXPECT_EQ(ContainerState::from_json(ContainerState().to_json()).started_at(), kNever);
  EXPECT_THROW(ContainerState::from_json("{}"), Error);
  EXPECT_THROW(ContainerState::from_json("nonsense"), Error);
}

}  // namespace
}  // namespace sockerless
