#include "net/listener.hpp"

#include <cstdlib>
#include <fstream>

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.hpp"
#include "net/test_support.hpp"

namespace sockerless::net {
namespace {

using testing::HasSubstr;

Error failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  return Error::internal("no failure");
}

TEST(Address, ReadsTheFormsDockerUses) {
  EXPECT_EQ(Address::parse("unix:///run/x.sock"), Address::unix_socket("/run/x.sock"));
  EXPECT_EQ(Address::parse("/run/x.sock"), Address::unix_socket("/run/x.sock"));
  EXPECT_EQ(Address::parse("tcp://127.0.0.1:2376"), Address::tcp("127.0.0.1", 2376));
  EXPECT_EQ(Address::parse("tcp://:2376"), Address::tcp("127.0.0.1", 2376));
  EXPECT_EQ(Address::parse("tcp://host"), Address::tcp("host", 2375));
  EXPECT_EQ(Address::parse("tcp://[::1]:80/"), Address::tcp("::1", 80));
  EXPECT_EQ(Address::parse("tcp://[::1]:80").str(), "tcp://[::1]:80");
  for (const char* bad :
       {"", "unix://", "http://x", "tcp://x:", "tcp://x:99999", "tcp://x:1a", "tcp://[::1", "tcp://[::1]x", "tcp://a/b:1", "fd://", "x"}) {
    EXPECT_EQ(failure_of([&] { Address::parse(bad); }).code(), ErrorCode::invalid_argument) << bad;
  }
}

mode_t mode_of(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

TEST(Listener, AUnixSocketIsForOwnerAndGroup) {
  const TemporaryDirectory directory;
  const mode_t old_mask = ::umask(0);
  const ListeningSocket socket = open_listening_socket(Address::unix_socket(directory.file("s")), {});
  ::umask(old_mask);
  EXPECT_EQ(mode_of(directory.file("s")), 0660U);
  remove_socket_file(socket);
  EXPECT_EQ(mode_of(directory.file("s")), 0U);
}

TEST(Listener, AUnixSocketBelongsToTheGroupThatIsNamed) {
  // Any group will do that exists and that this process may give files to: root all of them, others their own.
  const group* entry = ::getgrgid(::geteuid() == 0 ? 1 : ::getegid());
  ASSERT_NE(entry, nullptr);
  const gid_t expected = entry->gr_gid;
  const std::string name = entry->gr_name;
  const TemporaryDirectory directory;
  const ListeningSocket socket = open_listening_socket(Address::unix_socket(directory.file("s")), {.unix_group = name});
  struct stat status{};
  ASSERT_EQ(::stat(directory.file("s").c_str(), &status), 0);
  EXPECT_EQ(status.st_gid, expected);
  EXPECT_NO_THROW(open_listening_socket(Address::unix_socket(directory.file("t")), {.unix_group = "no-such-group-here"}));
}

TEST(Listener, AStaleSocketIsReplacedAndALiveOneRefusedByName) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("s");
  { const ListeningSocket dead = open_listening_socket(Address::unix_socket(path), {}); }
  ASSERT_EQ(mode_of(path), 0660U) << "the file of a dead server stays";
  const ListeningSocket live = open_listening_socket(Address::unix_socket(path), {});
  const Error error = failure_of([&] { open_listening_socket(Address::unix_socket(path), {}); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_THAT(error.message(), HasSubstr(path));
  remove_socket_file(live);
  const ListeningSocket successor = open_listening_socket(Address::unix_socket(path), {});
  remove_socket_file(live);
  EXPECT_EQ(mode_of(path), 0660U) << "a successor's file is not ours to remove";
}

TEST(Listener, WhatIsNotASocketIsLeftAlone) {
  const TemporaryDirectory directory;
  const std::string path = directory.file("precious");
  std::ofstream(path) << "data";
  const Error error = failure_of([&] { open_listening_socket(Address::unix_socket(path), {}); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_THAT(error.message(), HasSubstr(path));
  EXPECT_TRUE(std::filesystem::exists(path));
  EXPECT_EQ(failure_of([&] { open_listening_socket(Address::unix_socket("/" + std::string(200, 'x')), {}); }).code(),
            ErrorCode::invalid_argument);
}

TEST(Listener, TcpWithoutTlsStaysOnLoopbackUnlessInsecure) {
  for (const char* host : {"0.0.0.0", "::"}) {
    const Error error = failure_of([&] { open_listening_socket(Address::tcp(host, 0), {}); });
    EXPECT_EQ(error.code(), ErrorCode::forbidden);
    EXPECT_THAT(error.message(), HasSubstr("--insecure"));
  }
  EXPECT_NE(open_listening_socket(Address::tcp("127.0.0.1", 0), {}).address.port, 0);
  EXPECT_NE(open_listening_socket(Address::tcp("localhost", 0), {}).address.port, 0);
  EXPECT_NE(open_listening_socket(Address::tcp("0.0.0.0", 0), {.insecure = true}).address.port, 0);
  EXPECT_EQ(failure_of([&] { open_listening_socket(Address::tcp("some.host", 0), {}); }).code(), ErrorCode::invalid_argument);
}

TEST(Listener, ATakenPortIsRefusedByName) {
  const ListeningSocket taken = open_listening_socket(Address::tcp("127.0.0.1", 0), {});
  const Error error = failure_of([&] { open_listening_socket(taken.address, {}); });
  EXPECT_EQ(error.code(), ErrorCode::conflict);
  EXPECT_THAT(error.message(), HasSubstr(taken.address.str()));
}

}  // namespace
}  // namespace sockerless::net
