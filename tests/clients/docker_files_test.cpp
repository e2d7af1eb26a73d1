// `docker cp`, `docker diff`, `docker export` and `docker commit` on containers that were never started, run and have ended.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/clients/fixture.hpp"

namespace sockerless::clients {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;

class DockerFiles : public ClientTest {
 protected:
  void SetUp() override {
    ClientTest::SetUp();
    fs::create_directories(here_.path() / "src/sub");
    write(here_.path() / "src/one", "first\n");
    write(here_.path() / "src/sub/two", "second\n");
    fs::create_symlink("one", here_.path() / "src/link");
    ASSERT_EQ(::chown((here_.path() / "src/sub/two").c_str(), 1234, 4321), 0);
    fs::permissions(here_.path() / "src/sub/two", fs::perms(0640));
    get({"create", "--network", "none", "--name", "created", "busybox", "true"});
    get({"run", "-d", "--network", "none", "--name", "running", "--tmpfs", "/scratch", "busybox", "sleep", "1000"});
    get({"run", "--network", "none", "--name", "ended", "busybox", "true"});
  }

  static void write(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }
  static std::string read(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  std::string local(const std::string& name) const { return (here_.path() / name).string(); }

 private:
  support::TempDir here_;
};
INSTANTIATE_TEST_SUITE_P(Clients, DockerFiles, testing::ValuesIn(pairings({"local"})), name_of_pairing);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DockerFiles);

TEST_P(DockerFiles, CpTakesATreeThereAndBackWithOwnersAndModes) {
  for (const std::string container : {"created", "running", "ended"}) {
    SCOPED_TRACE(container);
    get({"cp", local("src"), container + ":/tmp/tree"});
    const std::string back = local("from-" + container);
    get({"cp", "-a", container + ":/tmp/tree", back});
    EXPECT_EQ(read(back + "/one"), "first\n");
    EXPECT_EQ(fs::read_symlink(back + "/link"), "one");
    EXPECT_EQ(read(back + "/sub/two"), "second\n");
    // The command line gives what it unpacks to its user: the owner is in the archive's header, in octal.
    const std::string header = get({"cp", container + ":/tmp/tree/sub/two", "-"}).substr(0, 512);
    EXPECT_EQ(header.substr(100, 23), std::string("0000640\0"
                                                  "0002322\0"
                                                  "0010341",
                                                  23));
  }
}

TEST_P(DockerFiles, CpFollowsDockersRulesAboutTheDestination) {
  for (const std::string container : {"created", "running", "ended"}) {
    SCOPED_TRACE(container);
    get({"cp", local("src/one"), container + ":/tmp/renamed"});
    get({"cp", local("src/one"), container + ":/tmp/"});
    get({"cp", local("src/."), container + ":/root"});
    const Output missing = run({"cp", local("src/one"), container + ":/none/"});
    EXPECT_NE(missing.exit_code, 0);
    const Output unknown = run({"cp", container + ":/no/such", local("x")});
    EXPECT_EQ(unknown.exit_code, 1);
    // The older command line has words of its own for a 404.
    EXPECT_THAT(unknown.err, AnyOf(HasSubstr("Could not find the file /no/such in container " + container),
                                   HasSubstr("No such container:path: " + container + ":/no/such")));
    const Output on_file = run({"cp", local("src"), container + ":/etc/passwd"});
    EXPECT_THAT(on_file.err, HasSubstr("cannot copy directory"));
    for (const std::string path : {"/tmp/renamed", "/tmp/one", "/root/one"}) {
      get({"cp", container + ":" + path, local("back")});
      EXPECT_EQ(read(local("back")), "first\n") << path;
    }
    EXPECT_THAT(get({"cp", container + ":/root/sub", "-"}), HasSubstr("second\n"));
  }
}

TEST_P(DockerFiles, CpReadsAnArchiveFromItsInput) {
  const std::string archive = get({"cp", "created:/etc/passwd", "-"}) + "\n";
  const Output output = run({"cp", "-", "running:/tmp"}, archive);
  EXPECT_EQ(output.exit_code, 0) << output.err;
  EXPECT_THAT(get({"exec", "running", "cat", "/tmp/passwd"}), HasSubstr("root:x:0:0"));
}

TEST_P(DockerFiles, CpReachesVolumesAndTmpfs) {
  get({"create", "--network", "none", "--name", "first", "-v", "shared:/data/deep", "busybox", "true"});
  get({"run", "-d", "--network", "none", "--name", "second", "-v", "shared:/else:ro", "busybox", "sleep", "1000"});
  get({"cp", local("src/one"), "first:/data/deep/one"});
  EXPECT_EQ(get({"exec", "second", "cat", "/else/one"}), "first");
  EXPECT_THAT(run({"cp", local("src/one"), "second:/else/"}).err, HasSubstr("mounted volume is marked read-only"));
  get({"cp", local("src/one"), "running:/scratch/one"});
  EXPECT_EQ(get({"exec", "running", "cat", "/scratch/one"}), "first");
}

TEST_P(DockerFiles, ALinkTheContainerLaidLeadsBackIntoIt) {
  get({"exec", "running", "sh", "-c", "ln -s /etc /tmp/way; ln -s ../../../../../../../../etc /tmp/up; ln -s /proc/1/root/etc /tmp/magic"});
  get({"cp", local("src/one"), "running:/tmp/way/by-way"});
  get({"cp", local("src/one"), "running:/tmp/up/by-up"});
  EXPECT_EQ(get({"exec", "running", "cat", "/etc/by-way", "/etc/by-up"}), "first\nfirst");
  std::ignore = run({"cp", local("src/one"), "running:/tmp/magic/by-magic"});
  for (const char* name : {"/etc/by-way", "/etc/by-up", "/etc/by-magic"}) EXPECT_FALSE(fs::exists(name)) << name;
}

TEST_P(DockerFiles, DiffNamesTheChanges) {
  EXPECT_EQ(get({"diff", "created"}), "");
  EXPECT_EQ(get({"diff", "ended"}), "");
  get({"exec", "running", "sh", "-c", "rm /bin/wget; echo x >> /etc/passwd; mkdir /new; echo y > /new/file; rm -r /var; mkdir /var"});
  const std::string changes = get({"diff", "running"});
  for (const char* line : {"C /bin\nD /bin/wget", "C /etc\nC /etc/passwd", "A /new\nA /new/file", "C /var\nD /var/tmp"}) {
    EXPECT_THAT(changes, HasSubstr(line));
  }
}

TEST_P(DockerFiles, AnExportComesBackAsAnImage) {
  get({"cp", local("src/sub/two"), "ended:/kept"});
  const Output exported = run({"export", "ended"});
  ASSERT_EQ(exported.exit_code, 0) << exported.err;
  get({"import", "-", "again"}, exported.out);
  EXPECT_EQ(get({"run", "--rm", "--network", "none", "again", "sh", "-c", "cat /kept; stat -c '%u %g %a' /kept"}), "second\n1234 4321 640");
}

TEST_P(DockerFiles, CommitMakesAnImageOfARunningContainer) {
  get({"exec", "running", "sh", "-c", "mkdir /n; echo x > /n/f; ln /n/f /n/g; rm /bin/wget; rm -r /var; mkdir /var"});
  get({"commit", "-m", "why", "-a", "who", "-c", "ENV A=b", "-c", "CMD [\"cat\", \"/n/f\"]", "running", "made:v1"});
  EXPECT_EQ(inspect("running", "{{.State.Status}}"), "running");
  EXPECT_EQ(get({"image", "inspect", "-f", "{{.Author}} {{.Comment}} {{len .RootFS.Layers}}", "made:v1"}), "who why 2");
  EXPECT_EQ(get({"run", "--rm", "--network", "none", "made:v1"}), "x");
  EXPECT_EQ(get({"run", "--rm", "--network", "none", "made:v1", "sh", "-c",
                 "stat -c %h /n/f; ls /var | wc -l; echo $A; test -e /bin/wget || echo gone"}),
            "2\n0\nb\ngone");
  EXPECT_EQ(get({"image", "inspect", "-f", "{{.Parent}}", "made:v1"}), get({"image", "inspect", "-f", "{{.Id}}", "busybox"}));
}

}  // namespace
}  // namespace sockerless::clients
