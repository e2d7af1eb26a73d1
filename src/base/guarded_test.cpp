#include "base/guarded.hpp"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sockerless {
namespace {

TEST(Guarded, WritersExcludeEachOtherAndReaders) {
  Guarded<std::pair<int, int>> table;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&table] {
      for (int n = 0; n < 1000; ++n) {
        table.write([](auto& pair) { ++pair.first, ++pair.second; });
        EXPECT_TRUE(table.read([](const auto& pair) { return pair.first == pair.second; }));
      }
    });
  }
  threads.clear();
  EXPECT_EQ(table.read([](const auto& pair) { return pair.first; }), 4000);
}

}  // namespace
}  // namespace sockerless
