#include "oci/layer.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "oci/test_support.hpp"

namespace sockerless::oci {
namespace {

using testing::HasSubstr;
using namespace testing_support;  // NOLINT(google-build-using-namespace)
using Type = TarEntry::Type;
namespace fs = std::filesystem;

/// A root to unpack into, and beside it a place that nothing may be written to.
class Layer : public testing::Test {
 protected:
  Layer() {
    fs::create_directory(temp_ / "root");
    fs::create_directory(temp_ / "outside");
    std::ofstream(temp_ / "outside/secret") << "untouched";
  }
  ~Layer() override {
    EXPECT_EQ(read_file(temp_ / "outside/secret"), "untouched");
    EXPECT_EQ(std::distance(fs::directory_iterator(temp_ / "outside"), fs::directory_iterator()), 1) << "something was written outside";
    EXPECT_EQ(std::distance(fs::directory_iterator(temp_.path()), fs::directory_iterator()), 2) << "something was written outside";
  }

  AppliedLayer apply(std::string bytes, const LayerOptions& options = {}) {
    MemorySource source(std::move(bytes));
    return blocking_apply_layer(RootedDir::blocking_open(root().string()), source, options);
  }
  std::string failure(std::string bytes, const LayerOptions& options = {}) {
    return message_of([&] { apply(std::move(bytes), options); });
  }
  fs::path root() const { return temp_ / "root"; }
  bool is_whiteout(std::string_view name) const {
    const auto status = stat_of(root() / name);
    return S_ISCHR(status.st_mode) && status.st_rdev == 0;
  }
  bool is_opaque(std::string_view name) const { return xattr_of(root() / name, "trusted.overlay.opaque") == "y"; }

  TempDir temp_;
};

TEST_F(Layer, UnpacksEveryKindOfMemberWithItsAttributes) {
  TarBuilder tar;
  TarEntry file = TarBuilder::make(Type::file, "bin/su", 04755);
  file.uid = 1000;
  file.gid = 1001;
  file.mtime += std::chrono::nanoseconds(123456789);
  file.xattrs = {{"user.note", "hi"}, {"trusted.overlay.redirect", "/etc"}, {"trusted.overlay.opaque", "y"}, {"security.selinux", "x"}};
  tar.directory("bin", 01777)
      .add(file)
      .symlink("sh", "/bin/su")
      .hard_link("bin/su2", "bin/su")
      .add(TarBuilder::make(Type::fifo, "pipe", 0620));
  TarEntry device = TarBuilder::make(Type::char_device, "null", 0666);
  device.device_major = 1;
  device.device_minor = 3;
  tar.add(device).file("etc/deep/er/file", "12345");
  const std::string bytes = tar.finish();
  const AppliedLayer layer = apply(bytes);

  EXPECT_EQ(layer.diff_id, Digest::of(std::string_view(bytes)));
  EXPECT_EQ(layer.tar_bytes, bytes.size());
  EXPECT_EQ(layer.size, 5U + std::string_view("/bin/su").size());
  const auto su = stat_of(root() / "bin/su");
  EXPECT_EQ(su.st_mode, S_IFREG | 04755U);
  EXPECT_EQ(su.st_uid, 1000U);
  EXPECT_EQ(su.st_gid, 1001U);
  EXPECT_EQ(su.st_mtim.tv_sec, 1'700'000'000);
  EXPECT_EQ(su.st_mtim.tv_nsec, 123456789);
  EXPECT_EQ(su.st_nlink, 2U);
  EXPECT_EQ(su.st_ino, stat_of(root() / "bin/su2").st_ino);
  EXPECT_EQ(xattr_of(root() / "bin/su", "user.note"), "hi");
  EXPECT_EQ(xattr_of(root() / "bin/su", "trusted.overlay.redirect"), "");
  EXPECT_EQ(xattr_of(root() / "bin/su", "trusted.overlay.opaque"), "");
  EXPECT_EQ(stat_of(root() / "bin").st_mode, S_IFDIR | 01777U);
  EXPECT_EQ(stat_of(root() / "bin").st_mtim.tv_sec, 1'700'000'000) << "later members changed the directory's time";
  EXPECT_EQ(fs::read_symlink(root() / "sh"), "/bin/su");
  EXPECT_EQ(stat_of(root() / "sh").st_mtim.tv_sec, 1'700'000'000);
  EXPECT_EQ(stat_of(root() / "pipe").st_mode, S_IFIFO | 0620U);
  EXPECT_EQ(stat_of(root() / "null").st_rdev, ::makedev(1, 3));
  EXPECT_EQ(stat_of(root() / "null").st_mode, S_IFCHR | 0666U);
  EXPECT_EQ(stat_of(root() / "etc/deep").st_mode, S_IFDIR | 0755U);
  EXPECT_EQ(read_file(root() / "etc/deep/er/file"), "12345");
}

TEST_F(Layer, KeepsFileCapabilities) {
  TarEntry file = TarBuilder::make(Type::file, "ping", 0755);
  const std::string capability("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  file.uid = 5;
  file.xattrs = {{"security.capability", capability}};
  apply(TarBuilder().add(file).finish());
  EXPECT_EQ(xattr_of(root() / "ping", "security.capability"), capability);
}

TEST_F(Layer, UndoesEveryCompression) {
  const std::string plain = TarBuilder().file("f", std::string(200'000, 'q')).finish();
  for (const char* filter : {"gzip", "zstd", "xz", "bzip2"}) {
    const AppliedLayer layer = apply(compress(plain, filter));
    EXPECT_EQ(layer.diff_id, Digest::of(std::string_view(plain))) << filter;
    EXPECT_EQ(read_file(root() / "f").size(), 200'000U) << filter;
  }
}

TEST_F(Layer, ATornCompressedLayerIsAnError) {
  const std::string plain = TarBuilder().file("f", std::string(200'000, 'q')).file("g", "x").finish();
  for (const char* filter : {"gzip", "zstd", "xz", "bzip2"}) {
    const std::string whole = compress(plain, filter);
    for (const std::size_t cut : {whole.size() / 4, whole.size() / 2, whole.size() - 9}) {
      EXPECT_NE(failure(whole.substr(0, cut)), "") << filter << " cut at " << cut;
    }
  }
}

TEST_F(Layer, AnEmptyLayerIsALayer) {
  EXPECT_EQ(apply("").diff_id, Digest::of(std::string_view("")));
  EXPECT_EQ(apply(std::string(1024, '\0')).diff_id.str(), "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
}

TEST_F(Layer, TheDiffIdCoversThePaddingToo) {
  const std::string bytes = TarBuilder().file("f", "x").finish() + std::string(10240, '\0');
  EXPECT_EQ(apply(bytes).diff_id, Digest::of(std::string_view(bytes)));
}

TEST_F(Layer, AWrongDiffIdIsRefused) {
  LayerOptions options;
  options.expected_diff_id = Digest::of(std::string_view("something else"));
  EXPECT_THAT(failure(TarBuilder().file("f", "x").finish(), options), HasSubstr("invalid diffID for layer: expected"));
}

TEST_F(Layer, WhiteoutsBecomeOverlayWhiteouts) {
  apply(TarBuilder().directory("d").file("d/.wh.gone", "").file("d/kept", "k").file("e/.wh..wh..opq", "").file("e/new", "n").finish());
  EXPECT_TRUE(is_whiteout("d/gone"));
  EXPECT_EQ(read_file(root() / "d/kept"), "k");
  EXPECT_FALSE(fs::exists(root() / "d/.wh.gone"));
  EXPECT_FALSE(is_opaque("d"));
  EXPECT_TRUE(is_opaque("e"));
  EXPECT_FALSE(fs::exists(root() / "e/.wh..wh..opq"));
}

TEST_F(Layer, AWhiteoutHidesOnlyWhatIsBelow) {
  apply(TarBuilder()
            .file("a/f", "new")
            .file("a/.wh.f", "")  // the file first
            .file("b/.wh.f", "")
            .file("b/f", "new")  // the whiteout first
            .file("c/sub/f", "new")
            .file("c/.wh.sub", "")  // a directory: what it had below is hidden
            .file("d/.wh.sub", "")
            .directory("d/sub")
            .file("d/sub/f", "new")
            .finish());
  EXPECT_EQ(read_file(root() / "a/f"), "new");
  EXPECT_EQ(read_file(root() / "b/f"), "new");
  EXPECT_EQ(read_file(root() / "c/sub/f"), "new");
  EXPECT_TRUE(is_opaque("c/sub"));
  EXPECT_EQ(read_file(root() / "d/sub/f"), "new");
  EXPECT_TRUE(is_opaque("d/sub"));
}

TEST_F(Layer, AufsBookkeepingIsLeftOut) {
  apply(TarBuilder().directory(".wh..wh.plnk").file(".wh..wh.plnk/1.2", "x").file(".wh..wh.aufs", "").file("f", "y").finish());
  EXPECT_EQ(std::distance(fs::directory_iterator(root()), fs::directory_iterator()), 1);
}

TEST_F(Layer, HostileWhiteoutsAreRefused) {
  EXPECT_THAT(failure(TarBuilder().file("d/.wh...", "").finish()), HasSubstr("breakout attempt"));
  EXPECT_THAT(failure(TarBuilder().file("d/.wh..", "").finish()), HasSubstr("breakout attempt"));
  EXPECT_THAT(failure(TarBuilder().file("d/.wh.", "").finish()), HasSubstr("breakout attempt"));
}

TEST_F(Layer, ANameThatClimbsOutIsRefused) {
  for (const char* name : {"../outside/evil", "a/../../outside/evil", "..", "a/b/../../../x"}) {
    EXPECT_THAT(failure(TarBuilder().file(name, "evil").finish()), HasSubstr("breakout attempt")) << name;
    EXPECT_THAT(failure(TarBuilder().directory(name).finish()), HasSubstr("breakout attempt")) << name;
  }
}

TEST_F(Layer, AnAbsoluteNameStaysInTheRoot) {
  const std::string absolute = (temp_ / "outside/evil").string();
  apply(TarBuilder().file(absolute, "contained").file("/../../top", "t").finish());
  EXPECT_EQ(read_file(root() / absolute.substr(1)), "contained");
  EXPECT_EQ(read_file(root() / "top"), "t");
}

TEST_F(Layer, ASymlinkThatClimbsOutIsRefused) {
  EXPECT_THAT(failure(TarBuilder().symlink("evil", "../outside").finish()), HasSubstr("invalid symlink \"evil\" -> \"../outside\""));
  EXPECT_THAT(failure(TarBuilder().symlink("a/b/evil", "../../../outside").finish()), HasSubstr("invalid symlink"));
  EXPECT_THAT(failure(TarBuilder().symlink("a/evil", "b/../../../outside/secret").finish()), HasSubstr("invalid symlink"));
  EXPECT_EQ(failure(TarBuilder().symlink("a/b/good", "../../etc").finish()), "");
}

TEST_F(Layer, WritingThroughASymlinkStaysInTheRoot) {
  const std::string outside = (temp_ / "outside").string();
  // Links that only together lead out, an absolute one, and one planted where a directory was.
  apply(TarBuilder().directory(outside.substr(1)).symlink("evil", outside).file("evil/secret", "contained").finish());
  EXPECT_EQ(read_file(root() / outside.substr(1) / "secret"), "contained");
  apply(TarBuilder().directory("a/b").symlink("a/b/up", "../..").symlink("up2", "a/b/up").file("up2/top", "x").finish());
  EXPECT_EQ(read_file(root() / "top"), "x");
  EXPECT_NE(failure(TarBuilder().symlink("l", outside + "/missing").file("l/f", "x").finish()), "");
}

TEST_F(Layer, AFileInPlaceOfASymlinkReplacesTheLink) {
  const std::string secret = (temp_ / "outside/secret").string();
  apply(TarBuilder().symlink("f", secret).file("f", "new").finish());
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(root() / "f")));
  EXPECT_EQ(read_file(root() / "f"), "new");
  apply(TarBuilder().symlink("d", (temp_ / "outside").string()).directory("d", 0700).file("d/x", "1").finish());
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(root() / "d")));
}

TEST_F(Layer, AHardLinkToTheOutsideIsRefused) {
  EXPECT_THAT(failure(TarBuilder().hard_link("evil", "../outside/secret").finish()), HasSubstr("invalid hardlink"));
  EXPECT_THAT(failure(TarBuilder().hard_link("evil", (temp_ / "outside/secret").string()).finish()), HasSubstr("invalid hardlink"));
  const std::string outside = (temp_ / "outside").string();
  EXPECT_THAT(failure(TarBuilder().symlink("s", outside).hard_link("evil", "s/secret").finish()), HasSubstr("invalid hardlink"));
  EXPECT_THAT(failure(TarBuilder().hard_link("evil", "missing").finish()), HasSubstr("no such file in the archive"));
  EXPECT_THAT(failure(TarBuilder().file("self", "x").hard_link("self", "self").finish()), HasSubstr("invalid hardlink"));
  EXPECT_THAT(failure(TarBuilder().directory("dir").hard_link("evil", "dir").finish()), HasSubstr("invalid hardlink"));
}

TEST_F(Layer, AHardLinkToASymlinkLinksTheLink) {
  apply(TarBuilder().symlink("s", "/etc/passwd").hard_link("h", "s").finish());
  EXPECT_EQ(fs::read_symlink(root() / "h"), "/etc/passwd");
}

TEST_F(Layer, OfDuplicatesTheLastCounts) {
  const AppliedLayer layer = apply(TarBuilder()
                                       .file("f", "first, longer")
                                       .file("f", "second")
                                       .directory("d")
                                       .file("d/x", "gone")
                                       .file("d", "a file now")
                                       .file("e", "a directory later")
                                       .directory("e")
                                       .file("e/y", "y")
                                       .directory("m", 0700)
                                       .file("m/z", "z")
                                       .directory("m", 0711)
                                       .file("h1", "linked")
                                       .hard_link("h2", "h1")
                                       .hard_link("h2", "h1")
                                       .finish());
  EXPECT_EQ(read_file(root() / "f"), "second");
  EXPECT_EQ(read_file(root() / "d"), "a file now");
  EXPECT_EQ(read_file(root() / "e/y"), "y");
  EXPECT_EQ(read_file(root() / "m/z"), "z");
  EXPECT_EQ(stat_of(root() / "m").st_mode, S_IFDIR | 0711U);
  EXPECT_EQ(stat_of(root() / "h1").st_nlink, 2U);
  EXPECT_EQ(layer.size, 6U + 10U + 1U + 1U + 6U);
}

TEST_F(Layer, TheRootItselfTakesAttributesButIsADirectory) {
  apply(TarBuilder().directory("./", 0751).file("f", "x").finish());
  EXPECT_EQ(stat_of(root()).st_mode, S_IFDIR | 0751U);
  EXPECT_THAT(failure(TarBuilder().file("./", "x").finish()), testing::AnyOf(HasSubstr("breakout"), testing::IsEmpty()));
  EXPECT_THAT(failure(TarBuilder().symlink(".", "/").finish()), HasSubstr("breakout attempt"));
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(root())));
}

TEST_F(Layer, ADeviceThatWouldBeAWhiteoutIsRefused) {
  EXPECT_THAT(failure(TarBuilder().add(TarBuilder::make(Type::char_device, "w", 0666)).finish()), HasSubstr("invalid device"));
}

TEST_F(Layer, ASizeThatLiesIsRefused) {
  TarBuilder tar;
  std::string bytes = tar.file("f", "abc").finish();
  bytes.resize(514);
  EXPECT_EQ(failure(bytes), "unexpected EOF");
}

TEST_F(Layer, HolesStayHoles) {
  // pax 0.1: one byte stored, a gigabyte long
  StringSink sink;
  TarWriter writer(sink);
  TarEntry meta = TarBuilder::make(Type::file, "sparse", 0644);
  meta.size = 1;
  writer.blocking_add(meta);
  writer.blocking_write(std::as_bytes(std::span(std::string_view("x"))));
  writer.blocking_finish();
  const std::string records = "30 GNU.sparse.size=1073741824\n28 GNU.sparse.map=4096000,1\n";
  std::string pax = TarBuilder().file("pax", records).finish();
  pax.resize(1024);
  pax[156] = 'x';
  pax.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : pax.substr(0, 512)) sum += static_cast<unsigned char>(c);
  pax.replace(148, 7, fmt::format("{:06o}", sum) + std::string(1, '\0'));
  apply(pax + sink.text);
  const auto status = stat_of(root() / "sparse");
  EXPECT_EQ(status.st_size, 1'073'741'824);
  EXPECT_LT(status.st_blocks, 100);
}

TEST_F(Layer, LimitsStopABomb) {
  const std::string bomb = compress(TarBuilder().file("zeros", std::string(8'000'000, '\0')).finish(), "gzip");
  EXPECT_LT(bomb.size(), 20'000U);
  LayerOptions options;
  options.max_bytes = 1'000'000;
  EXPECT_THAT(failure(bomb, options), HasSubstr("unpacks to more than 1000000 bytes"));
  options = {};
  options.max_entries = 2;
  EXPECT_THAT(failure(TarBuilder().directory("a").directory("b").directory("c").finish(), options), HasSubstr("more than 2 members"));
}

TEST_F(Layer, ADirectoryUnderAFileIsAnError) {
  EXPECT_THAT(failure(TarBuilder().file("f", "x").file("f/g", "y").finish()), HasSubstr("Not a directory"));
}

TEST_F(Layer, DeepTreesAreUnpackedAndRemoved) {
  TarBuilder tar;
  std::string path = "d";
  for (int i = 0; i < 1500; ++i) path += "/d";
  tar.directory(path).file(path + "/f", "deep");
  // Through a link to its bottom the tree grows deeper than any path can say.
  tar.symlink("bottom", "/" + path).directory("bottom/" + path).file("bottom/" + path + "/g", "deeper");
  const AppliedLayer layer = apply(tar.finish());
  EXPECT_EQ(layer.size, 4U + 6U + path.size() + 1);
  const UniqueFd directory(::open(root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(blocking_remove_tree(directory.get(), "d"), 10U);
  EXPECT_FALSE(fs::exists(root() / "d"));
}

TEST_F(Layer, InAPlainTarWhiteoutNamesAreFiles) {
  MemorySource source(TarBuilder().file(".wh.f", "x").finish());
  blocking_unpack_tar(RootedDir::blocking_open(root().string()), source);
  EXPECT_EQ(read_file(root() / ".wh.f"), "x");
}

}  // namespace
}  // namespace sockerless::oci
