#include "engine/files_service.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace sockerless {
namespace {

std::string parts(std::string_view text) {
  const ArchivePath path = ArchivePath::parse(text);
  return path.folder + "|" + path.name + "|" + path.base;
}

TEST(ArchivePath, IsAbsoluteAndClean) {
  EXPECT_EQ(parts("/etc/passwd"), "/etc/|passwd|passwd");
  EXPECT_EQ(parts("etc/passwd"), "/etc/|passwd|passwd");
  EXPECT_EQ(parts("/a/../../etc//passwd"), "/etc/|passwd|passwd");
  EXPECT_EQ(parts("/"), "/||/");
  EXPECT_EQ(parts("."), "/|.|.");
  EXPECT_EQ(parts(".."), "/||/");
}

TEST(ArchivePath, KeepsTheSlashAndTheDotAtTheEnd) {
  EXPECT_EQ(parts("/etc/"), "/etc/||etc");
  EXPECT_EQ(parts("/etc/."), "/etc/|.|.");
  EXPECT_EQ(ArchivePath::clean("/etc/.."), "/");
}

TEST(GoFileMode, HasGosBits) {
  EXPECT_EQ(go_file_mode(S_IFREG | 0644), 0644U);
  EXPECT_EQ(go_file_mode(S_IFDIR | 01777), (1U << 31) | (1U << 20) | 0777U);
  EXPECT_EQ(go_file_mode(S_IFLNK | 0777), (1U << 27) | 0777U);
  EXPECT_EQ(go_file_mode(S_IFREG | 06755), (1U << 23) | (1U << 22) | 0755U);
  EXPECT_EQ(go_file_mode(S_IFCHR | 0600), (1U << 26) | (1U << 21) | 0600U);
  EXPECT_EQ(go_file_mode(S_IFBLK | 0600), (1U << 26) | 0600U);
  EXPECT_EQ(go_file_mode(S_IFIFO | 0600), (1U << 25) | 0600U);
}

}  // namespace
}  // namespace sockerless
