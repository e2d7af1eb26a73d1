#include "sockerless/host_environment.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sockerless {
namespace {

using FileKind = HostEnvironment::FileKind;

class ProcessHost : public testing::Test {
 protected:
  ProcessHost() {
    std::string name = std::filesystem::temp_directory_path() / "sockerless-host-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) folder = name;
  }
  ~ProcessHost() override { std::filesystem::remove_all(folder); }
  std::string path(const std::string& name) const { return folder / name; }

  const HostEnvironment& host = process_host_environment();
  std::filesystem::path folder;
};

TEST_F(ProcessHost, ReadsVariablesEmptyOnesToo) {
  ::setenv("SOCKERLESS_TEST_VARIABLE", "", 1);
  EXPECT_EQ(host.variable("SOCKERLESS_TEST_VARIABLE"), "");
  ::unsetenv("SOCKERLESS_TEST_VARIABLE");
  EXPECT_EQ(host.variable("SOCKERLESS_TEST_VARIABLE"), std::nullopt);
}

TEST_F(ProcessHost, ReadsWholeFiles) {
  const std::string text = std::string(100'000, 'x') + '\0' + "end";
  std::ofstream(path("file")) << text;
  EXPECT_EQ(host.read_file(path("file")), text);
}

TEST_F(ProcessHost, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(host.read_file(path("none")), std::unexpected(ENOENT));
  EXPECT_EQ(host.read_file(folder.string()), std::unexpected(EISDIR));
  EXPECT_EQ(host.read_file("/dev/zero"), std::unexpected(EFBIG)) << "a file without an end";
}

TEST_F(ProcessHost, DoesNotWaitForWhoeverWritesToAPipe) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(host.read_file(path("pipe")), "");
}

TEST_F(ProcessHost, TellsKindsApart) {
  std::ofstream(path("file")) << "x";
  std::filesystem::create_symlink("file", path("link"));
  std::filesystem::create_symlink("none", path("dangling"));
  EXPECT_EQ(host.kind_of(path("file")), FileKind::regular);
  EXPECT_EQ(host.kind_of(path("link")), FileKind::regular);
  EXPECT_EQ(host.kind_of(folder.string()), FileKind::directory);
  EXPECT_EQ(host.kind_of("/dev/null"), FileKind::other);
  EXPECT_EQ(host.kind_of(path("dangling")), std::unexpected(ENOENT));
}

TEST_F(ProcessHost, KnowsTheHomeWithoutTheVariableToo) {
  const std::string before = host.variable("HOME").value_or("");
  ::setenv("HOME", "/my/home", 1);
  EXPECT_EQ(host.home_directory(), "/my/home");
  ::unsetenv("HOME");
  const passwd* entry = ::getpwuid(::geteuid());
  EXPECT_EQ(host.home_directory(), entry == nullptr ? "" : entry->pw_dir);
  if (!before.empty()) ::setenv("HOME", before.c_str(), 1);
  EXPECT_EQ(host.user_id(), ::geteuid());
}

}  // namespace
}  // namespace sockerless
