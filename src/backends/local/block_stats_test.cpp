#include "backends/local/block_stats.hpp"

#include <gtest/gtest.h>

namespace sockerless::local {
namespace {

TEST(BlockStats, AVersionOneFileListsDevicesAndOperations) {
  const auto entries = parse_blkio_file("8:0 Read 4096\n8:0 Write 512\n253:1 Total 4608\nTotal 9216\n");
  ASSERT_EQ(entries.size(), 3);
  EXPECT_EQ(entries[0].major, 8U);
  EXPECT_EQ(entries[0].minor, 0U);
  EXPECT_EQ(entries[0].op, "Read");
  EXPECT_EQ(entries[0].value, 4096U);
  EXPECT_EQ(entries[2].major, 253U);
  EXPECT_EQ(entries[2].minor, 1U);
}

TEST(BlockStats, AVersionTwoFileGivesBytesReadAndWritten) {
  const auto stats = parse_io_stat("254:0 rbytes=1000 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n\n7:1 rbytes=5\n");
  ASSERT_TRUE(stats.io_service_bytes_recursive);
  const auto& entries = *stats.io_service_bytes_recursive;
  ASSERT_EQ(entries.size(), 3);
  EXPECT_EQ(entries[0].op, "read");
  EXPECT_EQ(entries[0].value, 1000U);
  EXPECT_EQ(entries[1].op, "write");
  EXPECT_EQ(entries[1].value, 20U);
  EXPECT_EQ(entries[2].major, 7U);
}

TEST(BlockStats, NoFileIsNoDevice) { EXPECT_TRUE(blocking_block_stats("/nowhere", false).io_serviced_recursive->empty()); }

}  // namespace
}  // namespace sockerless::local
