#include "oci/tree_archive.hpp"

#include <map>

#include "oci/layer.hpp"
#include "oci/test_support.hpp"

namespace sockerless::oci {
namespace {

using testing_support::TempDir;

std::string read_to_end(BlockingSource& source, std::size_t piece = 1000) {
  std::string all;
  std::string buffer(piece, '\0');
  while (const std::size_t count = source.blocking_read(std::as_writable_bytes(std::span(buffer)))) all.append(buffer, 0, count);
  return all;
}

std::string pack(const TempDir& tree, TreeArchiveOptions options, std::size_t piece = 1000) {
  return read_to_end(*make_tree_archive(RootedDir::blocking_open(tree.path().string()), std::move(options)), piece);
}

std::map<std::string, TarEntry> entries_of(const std::string& tar) {
  MemorySource source(tar);
  TarReader reader(source);
  std::map<std::string, TarEntry> entries;
  while (auto entry = reader.blocking_next()) entries.emplace(entry->name, *entry);
  return entries;
}

void write(const std::filesystem::path& path, std::string_view text) { std::ofstream(path) << text; }

TEST(TreeArchive, ATreeComesOutAsItWentIn) {
  const TempDir tree;
  std::filesystem::create_directories(tree / "d/e");
  write(tree / "d/f", std::string(70'000, 'x'));
  write(tree / "d/e/empty", "");
  std::filesystem::create_symlink("f", tree / "d/l");
  std::filesystem::create_hard_link(tree / "d/f", tree / "d/h");
  ASSERT_EQ(::mkfifo((tree / "d/p").c_str(), 0600), 0);
  ASSERT_EQ(::chown((tree / "d/f").c_str(), 12, 34), 0);
  ASSERT_EQ(::chmod((tree / "d/f").c_str(), 04711), 0);
  const std::string tar = pack(tree, {.path = "d", .name = "named"});
  EXPECT_EQ(tar, pack(tree, {.path = "d", .name = "named"}, 7)) << "whatever pieces it is read in";
  const auto entries = entries_of(tar);
  EXPECT_EQ(entries.size(), 7);
  EXPECT_EQ(entries.at("named/e/empty").size, 0);
  EXPECT_EQ(entries.at("named/h").link, "named/f");
  EXPECT_EQ(entries.at("named/l").link, "f");
  EXPECT_EQ(entries.at("named/p").type, TarEntry::Type::fifo);

  const TempDir copy;
  MemorySource source(tar);
  blocking_unpack_tar(RootedDir::blocking_open(copy.path().string()), source);
  struct stat status{};
  ASSERT_EQ(::stat((copy / "named/f").c_str(), &status), 0);
  EXPECT_EQ(status.st_size, 70'000);
  EXPECT_EQ(status.st_uid, 12);
  EXPECT_EQ(status.st_mode & 07777, 04711U);
  EXPECT_EQ(status.st_nlink, 2);
}

TEST(TreeArchive, TheRootIsNamedBySlashes) {
  const TempDir tree;
  write(tree / "f", "x");
  const auto whole = entries_of(pack(tree, {.path = ".", .name = ""}));
  EXPECT_TRUE(whole.contains("/"));
  EXPECT_TRUE(whole.contains("/f"));
  const auto bare = entries_of(pack(tree, {.path = ".", .name = "", .contents_only = true}));
  EXPECT_EQ(bare.size(), 1);
  EXPECT_TRUE(bare.contains("f"));
}

TEST(TreeArchive, AnOverlaysDeletionsAreWhiteouts) {
  const TempDir tree;
  std::filesystem::create_directory(tree / "d");
  ASSERT_EQ(::setxattr((tree / "d").c_str(), "trusted.overlay.opaque", "y", 1, 0), 0);
  ASSERT_EQ(::mknod((tree / "gone").c_str(), S_IFCHR, 0), 0);
  const std::string tar = pack(tree, {.path = ".", .name = "", .contents_only = true, .is_overlay_layer = true});
  const auto entries = entries_of(tar);
  EXPECT_EQ(entries.size(), 3);
  EXPECT_TRUE(entries.contains(".wh.gone"));
  EXPECT_TRUE(entries.contains("d/.wh..wh..opq"));

  const TempDir copy;
  MemorySource source(tar);
  blocking_apply_layer(RootedDir::blocking_open(copy.path().string()), source);
  EXPECT_EQ(pack(copy, {.path = ".", .name = "", .contents_only = true, .is_overlay_layer = true}), tar);
}

TEST(TreeArchive, AFileThatGetsShorterIsFilledUp) {
  const TempDir tree;
  write(tree / "f", std::string(300'000, 'x'));
  const auto archive = make_tree_archive(RootedDir::blocking_open(tree.path().string()), {.path = "f", .name = "f"});
  std::string head(512, '\0');
  ASSERT_EQ(archive->blocking_read(std::as_writable_bytes(std::span(head))), 512);
  std::filesystem::resize_file(tree / "f", 100);
  const std::string rest = read_to_end(*archive);
  EXPECT_EQ((head + rest).size() % 512, 0);
  EXPECT_EQ(entries_of(head + rest).at("f").size, 300'000);
}

TEST(UnpackTar, NamesAreRelativeToTheFolderAndLinksToTheRoot) {
  const TempDir tree;
  std::filesystem::create_directories(tree / "in");
  std::filesystem::create_directories(tree / "etc");
  std::filesystem::create_symlink("/etc", tree / "in/l");
  MemorySource source(testing_support::TarBuilder().file("f", "1").file("l/g", "2").hard_link("h", "f").finish());
  UnpackOptions options;
  options.folder = "in";
  options.owner = UnpackOptions::Owner{7, 8};
  blocking_unpack_tar(RootedDir::blocking_open(tree.path().string()), source, options);
  struct stat status{};
  ASSERT_EQ(::stat((tree / "in/h").c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 7);
  EXPECT_EQ(status.st_gid, 8);
  EXPECT_TRUE(std::filesystem::exists(tree / "etc/g"));
}

TEST(FollowLinks, LinksAreFollowedInsideTheRoot) {
  const TempDir tree;
  std::filesystem::create_directories(tree / "a/b");
  std::filesystem::create_symlink("/a/b", tree / "abs");
  std::filesystem::create_symlink("../../../..", tree / "a/up");
  std::filesystem::create_symlink("loop", tree / "loop");
  std::filesystem::create_symlink("none/x", tree / "dangling");
  const RootedDir root = RootedDir::blocking_open(tree.path().string());
  EXPECT_EQ(blocking_follow_links(root, "/abs/c"), "/a/b/c");
  EXPECT_EQ(blocking_follow_links(root, "/a/up/abs/"), "/a/b");
  EXPECT_EQ(blocking_follow_links(root, "/dangling"), "/none/x");
  EXPECT_EQ(blocking_follow_links(root, "/"), "/");
  EXPECT_THROW(blocking_follow_links(root, "/loop"), Error);
}

}  // namespace
}  // namespace sockerless::oci
