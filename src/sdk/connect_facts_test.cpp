// Real sockets, real users: each case is looked at by a child process that has given up root. Users and groups are those of every Debian:
// daemon (1), bin (2), nogroup (65534).

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unique_fd.hpp"
#include "sockerless/diagnosis.hpp"

namespace sockerless {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr uid_t kDaemon = 1;
constexpr gid_t kBin = 2;
constexpr gid_t kNoGroup = 65534;

/// This machine, but for what would be different elsewhere: whether it is a container, and whose home and run folder are looked into.
class PartlyRealHost final : public HostEnvironment {
 public:
  std::string folder;
  bool in_container = false;

  std::optional<std::string> variable(const std::string& name) const override {
    if (name == "XDG_RUNTIME_DIR") return folder + "/run";
    return std::nullopt;
  }
  std::expected<std::string, int> read_file(const std::string& path) const override {
    if (path == "/proc/1/cgroup") return std::unexpected(ENOENT);
    return process_host_environment().read_file(path);
  }
  std::expected<FileKind, int> kind_of(const std::string& path) const override {
    if (path == "/.dockerenv" && in_container) return FileKind::regular;
    if (path == "/.dockerenv" || path == "/run/.containerenv") return std::unexpected(ENOENT);
    return process_host_environment().kind_of(path);
  }
  uid_t user_id() const override { return process_host_environment().user_id(); }
  std::string home_directory() const override { return folder + "/home"; }
};

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

int connect_error(const std::string& path) {
  const sockaddr_un address = address_of(path);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

class ConnectFactsOf : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
    std::string name = std::filesystem::temp_directory_path() / "sockerless-facts-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    ::chmod(name.c_str(), 0755);
    host.folder = name;
  }
  void TearDown() override {
    if (!host.folder.empty()) std::filesystem::remove_all(host.folder);
  }

  std::string path(const std::string& name = "docker.sock") const { return host.folder + "/" + name; }

  void bind_socket(const std::string& at, gid_t group, mode_t mode, bool listening = true) {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(at);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::chown(at.c_str(), 0, group), 0);
    ASSERT_EQ(::chmod(at.c_str(), mode), 0);
    if (!listening) return;
    ASSERT_EQ(::listen(socket.get(), 16), 0);
    listeners_.push_back(std::move(socket));
  }

  /// Connects as this user, and diagnoses when that fails. @return "the problem's name: its text", or "connected".
  std::string as(uid_t user, gid_t group, const std::vector<gid_t>& groups, EndpointSource source = EndpointSource::default_socket) {
    const std::string socket = path();
    Pipe pipe = make_pipe();
    const pid_t child = ::fork();
    if (child == 0) {
      if (::setgroups(groups.size(), groups.data()) != 0 || ::setgid(group) != 0 || ::setuid(user) != 0) ::_exit(1);
      std::string words = "connected";
      if (const int error = connect_error(socket); error != 0) {
        const ConnectDiagnosis found = diagnose_connect(blocking_gather_connect_facts(socket, error, source, {}, host));
        words = std::string(name_of(found.problem)) + ": " + found.text();
      }
      ::_exit(::write(pipe.write_end.get(), words.data(), words.size()) == static_cast<ssize_t>(words.size()) ? 0 : 1);
    }
    pipe.write_end.reset();
    std::string words(8192, '\0');
    const ssize_t count = ::read(pipe.read_end.get(), words.data(), words.size());
    words.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    return words;
  }

  PartlyRealHost host;

 private:
  std::vector<UniqueFd> listeners_;
};

TEST_F(ConnectFactsOf, AUserOutsideOfTheGroup) {
  bind_socket(path(), kBin, 0660);
  EXPECT_THAT(as(kDaemon, kDaemon, {}),
              AllOf(HasSubstr("not_in_group: daemon is not in the group bin (2)"), HasSubstr("--groups bin daemon")));
  EXPECT_EQ(as(kDaemon, kDaemon, {kBin}), "connected") << "the advice is the cure";
  EXPECT_EQ(as(kDaemon, kBin, {}), "connected");
}

TEST_F(ConnectFactsOf, AUserOutsideOfTheGroupInAContainer) {
  bind_socket(path(), 43219, 0660);
  host.in_container = true;
  EXPECT_THAT(as(kDaemon, kDaemon, {}), AllOf(HasSubstr("not_in_group: "), HasSubstr("--group-add 43219")));
  EXPECT_EQ(as(kDaemon, kDaemon, {43219}), "connected");
}

TEST_F(ConnectFactsOf, AUserWithoutAName) {
  bind_socket(path(), kBin, 0660);
  EXPECT_THAT(as(54321, 54321, {}), HasSubstr("not_in_group: user 54321 is not in the group bin (2)"));
}

TEST_F(ConnectFactsOf, ASessionThatIsOlderThanTheMembership) {
  bind_socket(path(), kDaemon, 0660);
  EXPECT_THAT(as(kDaemon, kNoGroup, {}), HasSubstr("stale_login: daemon is in the group daemon (1)"));
  EXPECT_EQ(as(kDaemon, kNoGroup, {kDaemon}), "connected");
}

TEST_F(ConnectFactsOf, ASocketForNoGroup) {
  bind_socket(path(), kBin, 0600);
  EXPECT_THAT(as(kDaemon, kBin, {}), HasSubstr("not_permitted: "));
}

TEST_F(ConnectFactsOf, AUserWithADaemonOfTheirOwn) {
  bind_socket(path(), kBin, 0660);
  ASSERT_EQ(::mkdir(path("run").c_str(), 0755), 0);
  bind_socket(path("run/docker.sock"), kDaemon, 0660);
  EXPECT_THAT(as(kDaemon, kDaemon, {}),
              AllOf(HasSubstr("rootless_elsewhere: "), HasSubstr("DOCKER_HOST=unix://" + path("run/docker.sock"))));
  EXPECT_THAT(as(kDaemon, kDaemon, {}, EndpointSource::docker_host),
              AllOf(HasSubstr("not_in_group: "), HasSubstr(path("run/docker.sock"))));
}

TEST_F(ConnectFactsOf, ADirectoryThatIsClosed) {
  ASSERT_EQ(::mkdir(path("closed").c_str(), 0700), 0);
  bind_socket(path("closed/real.sock"), kDaemon, 0660);
  ASSERT_EQ(::symlink("closed/real.sock", path().c_str()), 0);
  EXPECT_THAT(as(kDaemon, kDaemon, {}), HasSubstr("directory_not_searchable: daemon may not pass the directory " + path("closed")));
  EXPECT_EQ(as(0, 0, {}), "connected");
}

TEST_F(ConnectFactsOf, ADanglingLink) {
  ASSERT_EQ(::symlink("gone.sock", path().c_str()), 0);
  EXPECT_THAT(as(kDaemon, kDaemon, {}), HasSubstr("dangling_link: " + path() + " is a symbolic link to " + path("gone.sock")));
}

TEST_F(ConnectFactsOf, NothingAtAll) { EXPECT_THAT(as(kDaemon, kDaemon, {}), HasSubstr("no_such_file: there is no " + path())); }

TEST_F(ConnectFactsOf, ADaemonThatHasEnded) {
  bind_socket(path(), kDaemon, 0660, false);
  EXPECT_THAT(as(kDaemon, kDaemon, {}), HasSubstr("nobody_listening: "));
  EXPECT_THAT(as(0, 0, {}), HasSubstr("nobody_listening: "));
}

TEST_F(ConnectFactsOf, ADirectoryInPlaceOfTheSocket) {
  ASSERT_EQ(::mkdir(path().c_str(), 0777), 0);
  EXPECT_THAT(as(kDaemon, kDaemon, {}), HasSubstr("not_a_socket: "));
}

TEST_F(ConnectFactsOf, AChosenSocketThatIsDeadWhileAnotherAnswers) {
  ASSERT_EQ(::mkdir(path("run").c_str(), 0755), 0);
  bind_socket(path("run/docker.sock"), kDaemon, 0660);
  EXPECT_THAT(as(kDaemon, kDaemon, {}, EndpointSource::docker_host), HasSubstr("wrong_context: DOCKER_HOST leads to " + path()));
}

}  // namespace
}  // namespace sockerless
