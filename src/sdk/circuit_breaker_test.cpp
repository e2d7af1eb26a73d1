#include "sdk/circuit_breaker.hpp"

#include <gtest/gtest.h>

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using State = CircuitBreaker::State;

constexpr CircuitBreaker::Instant kStart{};

CircuitBreaker make_breaker() { return {3, {.first = 100ms, .longest = 1000ms}}; }

CircuitBreaker make_open_breaker() {
  CircuitBreaker breaker = make_breaker();
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(breaker.admit(kStart));
    breaker.failed(kStart, 0.999);
  }
  return breaker;
}

TEST(Backoff, DoublesUpToItsBoundAndSpreadsOverTheUpperHalf) {
  const Backoff backoff{.first = 100ms, .longest = 1000ms};
  EXPECT_EQ(backoff.delay(1, 0), 50ms);
  EXPECT_EQ(backoff.delay(1, 0.5), 75ms);
  EXPECT_EQ(backoff.delay(2, 0), 100ms);
  EXPECT_EQ(backoff.delay(3, 0.999), 399ms);
  EXPECT_EQ(backoff.delay(5, 0), 500ms);
  EXPECT_EQ(backoff.delay(1000000, 0), 500ms);
  EXPECT_EQ((Backoff{.first = 5000ms, .longest = 1000ms}.delay(1, 0)), 500ms) << "the bound holds from the first";
  EXPECT_EQ((Backoff{.first = 0ms, .longest = 0ms}.delay(7, 0.5)), 0ms);
}

TEST(CircuitBreaker, OpensAfterFailuresInARowOnly) {
  CircuitBreaker breaker = make_breaker();
  for (int i = 0; i < 10; ++i) {
    breaker.failed(kStart, 0);
    breaker.failed(kStart, 0);
    breaker.succeeded();
  }
  EXPECT_EQ(breaker.state(kStart), State::closed);
  EXPECT_FALSE(breaker.next_try());
  breaker = make_open_breaker();
  EXPECT_EQ(breaker.state(kStart), State::open);
  EXPECT_EQ(breaker.next_try(), kStart + 99ms);
  EXPECT_FALSE(breaker.admit(kStart + 98ms));
}

TEST(CircuitBreaker, LetsOneCallTryAndClosesOnItsSuccess) {
  CircuitBreaker breaker = make_open_breaker();
  EXPECT_EQ(breaker.state(kStart + 100ms), State::half_open);
  EXPECT_TRUE(breaker.admit(kStart + 100ms));
  EXPECT_FALSE(breaker.admit(kStart + 100ms)) << "one at a time";
  EXPECT_FALSE(breaker.admit(kStart + 100h)) << "however long it takes";
  breaker.succeeded();
  EXPECT_EQ(breaker.state(kStart + 100ms), State::closed);
  EXPECT_TRUE(breaker.admit(kStart + 100ms));
  EXPECT_TRUE(breaker.admit(kStart + 100ms));
  EXPECT_EQ(breaker.failures(), 0);
}

TEST(CircuitBreaker, StaysOpenLongerWithEachFailedTry) {
  CircuitBreaker breaker = make_open_breaker();
  CircuitBreaker::Instant now = kStart;
  for (const auto delay : {200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    now += 2s;
    ASSERT_TRUE(breaker.admit(now));
    breaker.failed(now, 0);
    EXPECT_EQ(breaker.next_try(), now + delay / 2);
    EXPECT_EQ(breaker.state(now), State::open);
  }
}

TEST(CircuitBreaker, ATryThatWasAbandonedLeavesItsPlaceToTheNext) {
  CircuitBreaker breaker = make_open_breaker();
  ASSERT_TRUE(breaker.admit(kStart + 1s));
  breaker.abandoned();
  EXPECT_TRUE(breaker.admit(kStart + 1s));
}

TEST(CircuitBreaker, LateFailuresOfEarlierCallsDoNotProlongIt) {
  CircuitBreaker breaker = make_open_breaker();
  for (int i = 0; i < 60; ++i) breaker.failed(kStart + 50ms, 0.999);
  EXPECT_EQ(breaker.next_try(), kStart + 99ms);
  EXPECT_EQ(breaker.failures(), 3);
}

TEST(CircuitBreaker, ANewSocketIsTriedAtOnce) {
  CircuitBreaker breaker = make_open_breaker();
  breaker.reset_delay(kStart + 10ms);
  EXPECT_TRUE(breaker.admit(kStart + 10ms));
}

}  // namespace
}  // namespace sockerless
