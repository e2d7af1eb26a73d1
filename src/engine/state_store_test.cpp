#include "engine/state_store.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless {
namespace {

using Documents = std::vector<std::pair<std::string, std::string>>;

/// A directory of the test's own.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "store-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no directory");
    path_ = pattern;
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  std::string file() const { return (path_ / "state.db").string(); }

 private:
  std::filesystem::path path_;
};

struct StateStoreTest : testing::TestWithParam<bool> {
  Scratch scratch;
  BlockingPool pool{3};
  std::unique_ptr<StateStore> store = GetParam() ? blocking_open_sqlite_store(scratch.file(), pool) : make_memory_store();
};

TEST_P(StateStoreTest, ADocumentIsReplacedAndErased) {
  run(store->put(StateKind::container, "b", "1"));
  run(store->put(StateKind::container, "a", "2"));
  run(store->put(StateKind::container, "b", "3"));
  run(store->put(StateKind::volume, "b", "4"));
  EXPECT_EQ(run(store->load_all(StateKind::container)), (Documents{{"a", "2"}, {"b", "3"}}));
  run(store->erase(StateKind::container, "a"));
  run(store->erase(StateKind::container, "a"));
  EXPECT_EQ(run(store->load_all(StateKind::container)), (Documents{{"b", "3"}}));
  EXPECT_EQ(run(store->load_all(StateKind::volume)), (Documents{{"b", "4"}}));
  EXPECT_TRUE(run(store->load_all(StateKind::network)).empty());
}

TEST_P(StateStoreTest, ManyWritersLoseNothing) {
  asio::io_context context;
  TaskGroup group;
  for (int writer = 0; writer < 32; ++writer) {
    group.spawn("writer", asio::make_strand(context), [](StateStore& to, int number) -> Task<void> {
      for (int i = 0; i < 20; ++i) co_await to.put(StateKind::container, fmt::format("{:03}-{:03}", number, i), std::to_string(i));
      co_await to.put(StateKind::network, std::to_string(number), "first");
      co_await to.put(StateKind::network, std::to_string(number), "last");
    }(*store, writer));
  }
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) threads.emplace_back([&] { context.run(); });
  }
  EXPECT_EQ(run(store->load_all(StateKind::container)).size(), 640U);
  for (const auto& [id, json] : run(store->load_all(StateKind::network))) EXPECT_EQ(json, "last") << id;
}

INSTANTIATE_TEST_SUITE_P(Memory, StateStoreTest, testing::Values(false));
INSTANTIATE_TEST_SUITE_P(Sqlite, StateStoreTest, testing::Values(true));

TEST(SqliteStore, WhatWasConfirmedIsThereAfterAKill) {
  const Scratch scratch;
  std::array<int, 2> confirmed{};
  ASSERT_EQ(pipe(confirmed.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    BlockingPool pool(1);
    const auto store = blocking_open_sqlite_store(scratch.file(), pool);
    for (std::uint32_t i = 0;; ++i) {
      run(store->put(StateKind::container, fmt::format("{:08}", i), std::string(2000, 'x')));
      if (write(confirmed[1], &i, sizeof i) != sizeof i) _exit(1);
    }
  }
  close(confirmed[1]);
  std::uint32_t last = 0;
  for (int i = 0; i < 50; ++i) ASSERT_EQ(read(confirmed[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
  kill(child, SIGKILL);
  while (read(confirmed[0], &last, sizeof last) == static_cast<ssize_t>(sizeof last)) {}
  close(confirmed[0]);
  waitpid(child, nullptr, 0);
  BlockingPool pool(1);
  const auto store = blocking_open_sqlite_store(scratch.file(), pool);
  const auto found = run(store->load_all(StateKind::container));
  ASSERT_GE(found.size(), last + 1U);
  for (std::uint32_t i = 0; i <= last; ++i) EXPECT_EQ(found[i].first, fmt::format("{:08}", i));
}

TEST(SqliteStore, AFileThatIsNoDatabaseIsAnErrorWithItsName) {
  const Scratch scratch;
  BlockingPool pool(1);
  std::ofstream(scratch.file()) << std::string(5000, 'n');
  EXPECT_THROW(blocking_open_sqlite_store(scratch.file(), pool), Error);
  try {
    blocking_open_sqlite_store("/nowhere/at/all/state.db", pool);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable);
    EXPECT_NE(error.message().find("/nowhere/at/all/state.db"), std::string::npos);
  }
}

}  // namespace
}  // namespace sockerless
