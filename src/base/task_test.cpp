#include "base/task.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <gtest/gtest.h>

#include "base/byte_stream.hpp"
#include "base/error.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;

Task<void> wait_forever(Signal& signal) { co_await signal.wait_changed(signal.version()); }
Task<void> fail() {
  throw Error::conflict("expected");
  co_return;
}
Task<void> done() { co_return; }

TEST(Task, BlockingWorkRunsElsewhereAndItsFailureComesBack) {
  BlockingPool pool(1);
  const auto here = std::this_thread::get_id();
  EXPECT_NE(run(run_blocking(pool, [] { return std::this_thread::get_id(); })), here);
  EXPECT_THROW(run(run_blocking(pool, []() -> int { throw Error::conflict("x"); })), Error);
}

struct Gate {
  std::promise<void> begun;
  std::promise<void> opened;
};

Task<void> block_at(BlockingPool& pool, std::shared_ptr<Gate> gate) {
  co_await run_blocking(pool, [gate] {
    gate->begun.set_value();
    gate->opened.get_future().wait();
  });
}

/// Ends once the other blocks; opens the gate a little later, when the race has cancelled the other.
Task<void> win(BlockingPool& pool, std::shared_ptr<Gate> gate) {
  co_await run_blocking(pool, [gate] { gate->begun.get_future().wait(); });
  asio::post(pool.executor(), [gate] {
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    gate->opened.set_value();
  });
}

TEST(Task, ACancelledCallerDoesNotDisturbItsBlockingWork) {
  for (int i = 0; i < 20; ++i) {
    BlockingPool pool(4);
    const auto gate = std::make_shared<Gate>();
    EXPECT_EQ(run(race(block_at(pool, gate), win(pool, gate))), First::other);
  }
}

TEST(Task, TheLoserOfARaceIsCancelled) {
  Signal signal;
  EXPECT_EQ(run(race(wait_forever(signal), done())), First::other);
  EXPECT_THROW(run(race(fail(), wait_forever(signal))), Error);
}

TEST(Task, ADeadlineCancelsAndSaysWhat) {
  Signal signal;
  try {
    run(with_deadline(wait_forever(signal), Deadline::in(1ms), "waiting"));
    FAIL() << "no deadline";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::deadline_exceeded);
    EXPECT_EQ(error.message(), "waiting took too long");
  }
}

TEST(Task, ASignalWakesEveryWaiterOnEveryThread) {
  asio::io_context context;
  Signal signal;
  std::atomic<int> woken{0};
  TaskGroup group;
  const std::uint64_t seen = signal.version();
  for (int i = 0; i < 64; ++i) {
    group.spawn("waiter", asio::make_strand(context), [](Signal& s, std::uint64_t v, std::atomic<int>& n) -> Task<void> {
      co_await s.wait_changed(v);
      ++n;
    }(signal, seen, woken));
  }
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&context] { context.run(); });
  signal.notify();
  threads.clear();
  EXPECT_EQ(woken, 64);
  EXPECT_EQ(group.size(), 0U);
}

TEST(Task, AGroupStopsTasksThatWaitForever) {
  Signal signal;
  TaskGroup group;
  run([](TaskGroup& tasks, Signal& s) -> Task<void> {
    tasks.spawn("stuck", co_await asio::this_coro::executor, wait_forever(s));
    co_await tasks.stop(1ms);
  }(group, signal));
  EXPECT_EQ(group.size(), 0U);
}

TEST(ByteStream, APairCarriesBytesAndHalfClosesEachWay) {
  run([]() -> Task<void> {
    auto [one, other] = make_stream_pair(4);
    co_await both(
        [](ByteStream& s) -> Task<void> {
          co_await s.write(as_bytes("more than four bytes"));
          co_await s.close_write();
          std::array<std::byte, 8> buffer{};
          EXPECT_EQ(co_await s.read_some(buffer), 2U);
        }(*one),
        [](ByteStream& s) -> Task<void> {
          std::string got;
          std::array<std::byte, 8> buffer{};
          while (const std::size_t count = co_await s.read_some(buffer)) got += as_text(std::span(buffer).first(count));
          EXPECT_EQ(got, "more than four bytes");
          co_await s.write(as_bytes("ok"));
        }(*other));
  }());
}

}  // namespace
}  // namespace sockerless
