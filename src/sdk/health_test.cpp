#include "sdk/health.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sdk/connection_slots.hpp"
#include "sdk/failure.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using State = CircuitBreaker::State;

/// Time that a test moves, and chance that is always the same.
class FakeSources : public Clock, public Random {
 public:
  TimePoint now() override { return TimePoint(1000s) + (steady - CircuitBreaker::Instant{}); }
  void fill(std::span<std::byte> bytes) override { std::ranges::fill(bytes, std::byte{0}); }
  HealthSources sources() {
    return {.now = [this] { return steady; }, .wall = this, .random = this};
  }
  CircuitBreaker::Instant steady{};
};

class HealthTest : public testing::Test {
 protected:
  static DockerConfig config() {
    DockerConfig config;
    config.breaker_failures = 2;
    config.breaker_delay = 1000ms;
    config.max_breaker_delay = 8000ms;
    config.retry_delay = 100ms;
    config.max_retry_delay = 400ms;
    return config;
  }
  static DockerError down() { return {.type = DockerErrorType::connection, .code = 2, .message = "nobody there", .recoverable = true}; }
  void fail(int times) {
    for (int i = 0; i < times; ++i) health_.admit().failed(down());
  }
  std::optional<DockerError> refusal() {
    try {
      std::ignore = health_.admit();
      return std::nullopt;
    } catch (const Failure& failure) {
      return failure.error();
    }
  }

  FakeSources fake_;
  Health health_{config(), fake_.sources()};
};

TEST_F(HealthTest, RemembersWhatCallsLearnt) {
  EXPECT_FALSE(health_.state().is_connected);
  health_.admit().reached();
  EXPECT_TRUE(health_.state().is_connected);
  EXPECT_EQ(health_.state().last_successful_connection, std::chrono::system_clock::time_point(1000s));
  fail(1);
  const DockerConnectionState state = health_.state();
  EXPECT_FALSE(state.is_connected);
  EXPECT_EQ(state.last_error, down());
  EXPECT_EQ(state.retry_count, 1);
  EXPECT_FALSE(state.next_retry_at) << "the breaker is closed";
}

TEST_F(HealthTest, RefusesWithTheReasonAndTheTimeLeft) {
  fail(2);
  EXPECT_EQ(health_.breaker(), State::open);
  EXPECT_EQ(health_.state().next_retry_at, std::chrono::system_clock::time_point(1000s + 500ms));
  fake_.steady += 200ms;
  const auto error = refusal();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->type, DockerErrorType::connection);
  EXPECT_EQ(error->retry_after, 300ms);
  EXPECT_EQ(error->message, "the Docker daemon cannot be reached, next try in 300 ms: nobody there");
  fake_.steady += 300ms;
  EXPECT_FALSE(refusal()) << "half-open: a call may try, and this one said nothing";
  EXPECT_FALSE(refusal());
}

TEST_F(HealthTest, OnlyTheTrialOfAnOpenBreakerCounts) {
  Health::Permit early = health_.admit();
  Health::Permit late = health_.admit();
  fail(2);
  fake_.steady += 500ms;
  Health::Permit trial = health_.admit();
  EXPECT_TRUE(refusal()) << "one at a time";
  early.failed(down());
  EXPECT_EQ(health_.breaker(), State::half_open) << "it went before the breaker opened";
  { const Health::Permit gone = std::move(late); }
  EXPECT_TRUE(refusal()) << "nor does one that says nothing make room for another trial";
  trial.failed(down());
  EXPECT_EQ(health_.breaker(), State::open);
  EXPECT_EQ(refusal()->retry_after, 1000ms) << "twice as long as before, at the lowest chance";
}

TEST_F(HealthTest, APingGoesAlsoWhileTheBreakerIsOpen) {
  fail(2);
  health_.admit_ping().failed(down());
  EXPECT_EQ(refusal()->retry_after, 500ms) << "its failure prolongs nothing";
  health_.admit_ping().reached();
  EXPECT_EQ(health_.breaker(), State::closed);
  EXPECT_FALSE(refusal());
}

TEST_F(HealthTest, HopeLetsTheNextCallTry) {
  fail(2);
  health_.hope();
  EXPECT_FALSE(refusal());
}

TEST_F(HealthTest, RetriesWaitLongerEachTimeUpToTheirBound) {
  EXPECT_EQ(health_.retry_delay(1), 50ms);
  EXPECT_EQ(health_.retry_delay(2), 100ms);
  EXPECT_EQ(health_.retry_delay(3), 200ms);
  EXPECT_EQ(health_.retry_delay(30), 200ms);
}

// --- connection slots ------------------------------------------------------------------------------------------------------------------

Task<ConnectionSlots::Lease> acquire(ConnectionSlots& slots, Deadline deadline) { co_return co_await slots.acquire(deadline); }

TEST(ConnectionSlots, AreBoundedAndComeBack) {
  ConnectionSlots slots(2);
  ConnectionSlots::Lease one = run(acquire(slots, Deadline::never()));
  ConnectionSlots::Lease two = run(acquire(slots, Deadline::never()));
  EXPECT_EQ(slots.in_use(), 2U);
  try {
    std::ignore = run(acquire(slots, Deadline::in(10ms)));
    FAIL() << "there was a third one";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::deadline_exceeded);
    EXPECT_THAT(error.what(), testing::HasSubstr("one of 2 connections"));
  }
  EXPECT_EQ(slots.waiting(), 0U);
  one.release();
  one.release();
  EXPECT_EQ(slots.in_use(), 1U) << "given back once";
  two = run(acquire(slots, Deadline::never()));
  EXPECT_EQ(slots.in_use(), 1U) << "the lease that was overwritten came back";
}

TEST(ConnectionSlots, ManyThreadsTakeTurns) {
  ConnectionSlots slots(3);
  std::atomic<int> at_once = 0;
  std::atomic<int> most = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int turn = 0; turn < 200; ++turn) {
        const ConnectionSlots::Lease lease = run(acquire(slots, Deadline::in(30s)));
        const int now = ++at_once;
        int seen = most;
        while (seen < now && !most.compare_exchange_weak(seen, now)) {}
        --at_once;
      }
    });
  }
  threads.clear();
  EXPECT_LE(most, 3);
  EXPECT_EQ(slots.in_use(), 0U);
  EXPECT_EQ(slots.waiting(), 0U);
}

}  // namespace
}  // namespace sockerless
