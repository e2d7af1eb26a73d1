// Volumes, mounts and what a container may use, through the docker command line on real containers.

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/clients/fixture.hpp"

namespace sockerless::clients {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class DockerVolumes : public ClientTest {
 protected:
  DockerVolumes() {
    std::string pattern = fs::temp_directory_path() / "sockerless-volumes-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    std::ofstream(folder_ + "/file") << "on the host\n";
  }
  ~DockerVolumes() override { fs::remove_all(folder_); }

  std::string refusal(const std::vector<std::string>& arguments) const {
    const Output output = run(arguments);
    EXPECT_NE(output.exit_code, 0) << output.out;
    return output.err;
  }
  bool is_newer_client() const { return GetParam().docker != kDebianDocker; }

  std::string folder_;
};
INSTANTIATE_TEST_SUITE_P(Clients, DockerVolumes, testing::ValuesIn(pairings({"local"})), name_of_pairing);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DockerVolumes);

TEST_P(DockerVolumes, ATmpfsVolumeIsSharedWhileSomebodyRunsAndEmptyAfterwards) {
  get({"volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m", "scratch"});
  get({"run", "-d", "--name", "one", "-v", "scratch:/x", "busybox", "sh", "-c", "touch /x/made; sleep 1000"});
  const std::string other =
      get({"run", "--rm", "-v", "scratch:/y", "busybox", "sh", "-c", "until ls /y/made; do :; done; grep ' /y ' /proc/mounts"});
  EXPECT_THAT(other, HasSubstr("size=1024k"));
  get({"rm", "-f", "one"});
  EXPECT_EQ(get({"run", "--rm", "-v", "scratch:/y", "busybox", "ls", "/y"}), "");
  get({"volume", "rm", "scratch"});
}

TEST_P(DockerVolumes, ABindVolumeShowsAFolderThatItsRemovalSpares) {
  get({"volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", "device=" + folder_, "host"});
  EXPECT_EQ(get({"run", "--rm", "-v", "host:/x", "busybox", "cat", "/x/file"}), "on the host");
  get({"volume", "rm", "host"});
  EXPECT_TRUE(fs::exists(folder_ + "/file"));
}

TEST_P(DockerVolumes, WrongVolumeOptionsAreRefusedInDockersWords) {
  EXPECT_THAT(refusal({"volume", "create", "--opt", "foo=bar", "vol"}), HasSubstr("create vol: invalid option: \"foo\""));
  EXPECT_THAT(refusal({"volume", "create", "--opt", "type=nfs", "vol"}), HasSubstr("create vol: missing required option: \"device\""));
  EXPECT_THAT(refusal({"volume", "create", "a/b"}), HasSubstr("create a/b: \"a/b\" includes invalid characters for a local volume name"));
  get({"volume", "create", "--opt", "type=none", "--opt", "o=bind", "--opt", "device=/no/such", "lost"});
  EXPECT_THAT(refusal({"run", "--rm", "-v", "lost:/x", "busybox", "true"}), HasSubstr("failed to mount local volume: mount /no/such:"));
}

TEST_P(DockerVolumes, ASubpathStaysInsideItsVolume) {
  if (!is_newer_client()) {
    EXPECT_THAT(refusal({"run", "--rm", "--mount", "type=volume,src=data,dst=/y,volume-subpath=a", "busybox", "true"}),
                HasSubstr("unexpected key"));
    return;
  }
  get({"run", "--rm", "-v", "data:/x", "busybox", "sh", "-c",
       "mkdir -p /x/a/b; echo inside > /x/a/b/f; ln -s a /x/link; ln -s /etc /x/out"});
  const auto cat = [&](const std::string& subpath, const std::string& file) {
    return run({"run", "--rm", "--mount", "type=volume,src=data,dst=/y,volume-subpath=" + subpath, "busybox", "cat", file});
  };
  EXPECT_EQ(cat("a/b", "/y/f").out, "inside\n");
  EXPECT_EQ(cat("link/b/f", "/y").out, "inside\n");
  EXPECT_THAT(cat("out", "/y/hostname").err, HasSubstr("path concatenation escapes the base directory"));
  EXPECT_THAT(cat("none", "/y").err, HasSubstr("no such file or directory"));
  EXPECT_THAT(cat("../x", "/y").err, HasSubstr("subpath must be a relative path within the volume"));
  get({"volume", "rm", "data"});
}

TEST_P(DockerVolumes, AnImageIsMountedReadOnly) {
  if (!is_newer_client()) {
    EXPECT_THAT(refusal({"run", "--rm", "--mount", "type=image,src=busybox,dst=/y", "busybox", "true"}), HasSubstr("needs API v1.48"));
    return;
  }
  const Output output =
      run({"run", "--rm", "--mount", "type=image,src=busybox,dst=/y", "busybox", "sh", "-c", "ls /y/bin/sh; touch /y/made"});
  EXPECT_EQ(output.out, "/y/bin/sh\n");
  EXPECT_THAT(output.err, HasSubstr("Read-only file system"));
  EXPECT_EQ(get({"run", "--rm", "--mount", "type=image,src=busybox,dst=/y,image-subpath=etc", "busybox", "ls", "/y"}), "group\npasswd");
}

TEST_P(DockerVolumes, DockersSocketInAContainerIsThisDaemons) {
  struct stat status{};
  ASSERT_EQ(::stat(daemon().socket().c_str(), &status), 0);
  const Output output =
      run({"run", "--rm", "-v", "/var/run/docker.sock:/var/run/docker.sock", "busybox", "stat", "-c", "%F %i", "/var/run/docker.sock"});
  EXPECT_EQ(output.out, "socket " + std::to_string(status.st_ino) + "\n") << output.err;
  EXPECT_EQ(get({"run", "--rm", "-v", "/run/docker.sock:/s", "busybox", "stat", "-c", "%i", "/s"}), std::to_string(status.st_ino));
}

TEST_P(DockerVolumes, ALogKeepsItsNewestParts) {
  get({"run", "-d", "--name", "talker", "--log-opt", "max-size=10k", "--log-opt", "max-file=2", "busybox", "sh", "-c",
       "yes 'a line of the long middle' | head -c 20000000; echo last"});
  get({"wait", "talker"});
  const std::string all = get({"logs", "talker"});
  EXPECT_LE(all.size(), 9'000'000U) << "8 MiB are kept whatever is asked for";
  EXPECT_GE(all.size(), 5'000'000U);
  EXPECT_TRUE(all.ends_with("last"));
  EXPECT_TRUE(get({"logs", "--tail", "1", "talker"}).ends_with("last"));
  EXPECT_THAT(refusal({"run", "--rm", "--log-opt", "max-size=bogus", "busybox", "true"}),
              HasSubstr("failed to initialize logging driver: invalid size: 'bogus'"));
}

TEST_P(DockerVolumes, ASeccompProfileOfTheUsersCounts) {
  const std::string profile = folder_ + "/profile.json";
  std::ofstream(profile) << R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO"},)"
                         << R"({"names":["symlink","symlinkat"],"action":"SCMP_ACT_ERRNO","excludes":{"caps":["CAP_CHOWN"]}}]})";
  const Output output =
      run({"run", "--rm", "--security-opt", "seccomp=" + profile, "busybox", "sh", "-c", "mkdir /x; ln -s a /link && echo made"});
  EXPECT_THAT(output.err, HasSubstr("Operation not permitted"));
  EXPECT_EQ(output.out, "made\n");
}

TEST_P(DockerVolumes, InspectTellsWhereTheFilesLie) {
  get({"run", "--name", "one", "busybox", "true"});
  EXPECT_TRUE(fs::exists(inspect("one", "{{.HostsPath}}").substr(0, inspect("one", "{{.HostsPath}}").find('\n'))));
  EXPECT_THAT(inspect("one", "{{.HostnamePath}} {{.ResolvConfPath}} {{.LogPath}}"), Not(HasSubstr("  ")));
  EXPECT_THAT(inspect("one", "{{.GraphDriver.Data.UpperDir}}"), HasSubstr("/upper"));
}

TEST_P(DockerVolumes, WhatTheHostHasNotIsSaidInDockersWords) {
  EXPECT_THAT(refusal({"run", "--rm", "--gpus", "all", "busybox", "true"}),
              HasSubstr("could not select device driver \"\" with capabilities: [[gpu]]"));
  EXPECT_THAT(refusal({"run", "--rm", "--storage-opt", "size=1g", "busybox", "true"}),
              HasSubstr("--storage-opt is supported only for overlay over xfs with 'pquota' mount option"));
  EXPECT_THAT(refusal({"run", "--rm", "--device-read-bps", "/dev/nope:1mb", "busybox", "true"}),
              HasSubstr("stat /dev/nope: no such file or directory"));
  EXPECT_THAT(refusal({"run", "--rm", "-v", folder_ + ":/x:rshared", "busybox", "true"}), HasSubstr("but it is not a shared mount"));
}

TEST_P(DockerVolumes, AContainerThatRanOutOfMemorySaysSo) {
  EXPECT_EQ(run({"run", "--name", "hungry", "--memory", "8m", "busybox", "tail", "/dev/zero"}).exit_code, 137);
  EXPECT_THAT(inspect("hungry", "{{.State.OOMKilled}}"), HasSubstr("true"));
}

}  // namespace
}  // namespace sockerless::clients
