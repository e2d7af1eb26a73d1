// A disk that is full, archives that lie, a runtime that fails or hangs.

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/error.hpp"
#include "tests/support/daemon.hpp"

namespace sockerless::support {
namespace {

using testing::HasSubstr;

/// A file system of a few megabytes, for as long as it lives.
class SmallDisk {
 public:
  SmallDisk() {
    if (::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=6m") != 0) throw from_errno(errno, "mount a small tmpfs");
  }
  ~SmallDisk() { ::umount2(directory_.path().c_str(), MNT_DETACH); }
  const std::filesystem::path& path() const { return directory_.path(); }
  std::uintmax_t used() const {
    const auto space = std::filesystem::space(path());
    return space.capacity - space.free;
  }

 private:
  TempDir directory_;
};

/// One member of a ustar archive.
std::string tar_member(const std::string& name, const std::string& content, char type = '0', const std::string& link = {}) {
  std::string header(512, '\0');
  name.copy(header.data(), 100);
  fmt::format("{:07o}", 0644).copy(header.data() + 100, 7);
  fmt::format("{:07o}", 0).copy(header.data() + 108, 7);
  fmt::format("{:07o}", 0).copy(header.data() + 116, 7);
  fmt::format("{:011o}", content.size()).copy(header.data() + 124, 11);
  fmt::format("{:011o}", 0).copy(header.data() + 136, 11);
  std::string("        ").copy(header.data() + 148, 8);
  header[156] = type;
  link.copy(header.data() + 157, 100);
  std::string("ustar\00000", 8).copy(header.data() + 257, 8);
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  fmt::format("{:06o}", sum).copy(header.data() + 148, 6);
  header[154] = '\0';
  std::string member = header + content;
  member.resize((member.size() + 511) / 512 * 512, '\0');
  return member;
}

std::string tar_end() { return std::string(1024, '\0'); }

/// True if the answer, under whatever status, is a failure: a status, or an error line after the first byte.
bool failed(const Reply& reply) { return reply.status >= 400 || reply.body.find("\"error\"") != std::string::npos; }

TEST(FullDisk, ALoadThatDoesNotFitLeavesNoHalfImage) {
  SmallDisk disk;
  Daemon daemon("local", {"--state", disk.path() / "state"});
  const auto before = disk.used();
  std::string rootfs = tar_member("big", std::string(16UL << 20U, 'x')) + tar_end();
  const Reply reply = daemon.api().call("POST", "/images/create?fromSrc=-&repo=big", rootfs, "application/x-tar");
  EXPECT_TRUE(failed(reply)) << reply.body;
  EXPECT_THAT(reply.body, HasSubstr("space"));
  EXPECT_EQ(boost::json::parse(daemon.api().must("GET", "/images/json")).as_array().size(), 0U);
  EXPECT_LE(disk.used(), before + (256UL << 10U)) << "something was left behind";
  daemon.import_busybox();
  EXPECT_EQ(boost::json::parse(daemon.api().must("GET", "/images/json")).as_array().size(), 1U);
}

TEST(HostileArchive, NothingIsWrittenOutside) {
  Daemon daemon("local");
  TempDir outside;
  const std::string victim = outside.path() / "victim";
  const std::string far_up = "../../../../../../../../../../../.." + victim;
  const std::vector<std::string> archives{
      tar_member(far_up, "evil") + tar_end(),
      tar_member(victim, "evil") + tar_end(),
      tar_member("link", "", '2', outside.path()) + tar_member("link/victim", "evil") + tar_end(),
      tar_member("dir", "", '2', "../../../../../../../../../../.." + outside.path().string()) + tar_member("dir/victim", "evil") +
          tar_end(),
      tar_member("hard", "", '1', "../../../../../../../../../../../etc/passwd") + tar_end(),
      tar_member("short", std::string(5000, 'x')).substr(0, 1024),
  };
  for (const std::string& archive : archives) {
    for (const char* target : {"/images/create?fromSrc=-&repo=evil", "/images/load"}) {
      daemon.api().call("POST", target, archive, "application/x-tar");
      EXPECT_FALSE(std::filesystem::exists(victim));
    }
  }
  const Reply truncated = daemon.api().call("POST", "/images/create?fromSrc=-&repo=short", archives.back(), "application/x-tar");
  EXPECT_TRUE(failed(truncated)) << truncated.body;
  EXPECT_EQ(daemon.api().call("GET", "/_ping").status, 200);
}

/// A runtime that is a script of ours.
std::string fake_runtime(const std::filesystem::path& directory, const std::string& script) {
  const std::string file = directory / "fake-runtime";
  std::ofstream(file) << "#!/bin/sh\n" << script << '\n';
  ::chmod(file.c_str(), 0755);
  return file;
}

TEST(BrokenRuntime, ItsWordsReachTheClient) {
  TempDir directory;
  Daemon daemon("local", {"--runtime", fake_runtime(directory.path(), "echo 'the runtime has a headache' >&2; exit 1")});
  daemon.import_busybox();
  const std::string body = R"({"Image":"busybox","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}})";
  const Reply create = daemon.api().call("POST", "/containers/create", body);
  if (create.status != 201) {
    EXPECT_THAT(create.body, HasSubstr("the runtime has a headache"));
    return;
  }
  const Reply start =
      daemon.api().call("POST", "/containers/" + std::string(boost::json::parse(create.body).at("Id").as_string()) + "/start");
  EXPECT_GE(start.status, 400);
  EXPECT_THAT(start.body, HasSubstr("the runtime has a headache"));
}

}  // namespace
}  // namespace sockerless::support
