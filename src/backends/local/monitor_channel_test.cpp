#include "backends/local/monitor_channel.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unique_fd.hpp"

namespace sockerless::local {
namespace {

namespace fs = std::filesystem;

/// A monitor of the test's own in a directory of its own.
class MonitorCommands : public testing::Test {
 protected:
  MonitorCommands() {
    std::string name = (fs::temp_directory_path() / "sockerless-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
    directory_ = name;
    listener_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = directory_ + "/" + kControlSocketName;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 || ::listen(listener_.get(), 4) != 0)
      throw std::runtime_error("listen");
  }
  ~MonitorCommands() override { fs::remove_all(directory_); }

  UniqueFd accept() const { return UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

  std::string directory_;
  UniqueFd listener_;
};

TEST_F(MonitorCommands, AMonitorThatEndsWithACommandUnreadRunsNothing) {
  std::thread monitor([this] {
    const UniqueFd connection = accept();
    pollfd wanted{connection.get(), POLLIN, 0};
    ::poll(&wanted, 1, -1);  // the command is there, and stays unread
  });
  EXPECT_EQ(blocking_command(directory_, MessageKind::signal, SIGKILL, 0), ESRCH);
  monitor.join();
}

TEST_F(MonitorCommands, AMonitorsErrorIsTheCommands) {
  std::thread monitor([this] {
    const UniqueFd connection = accept();
    Message command;
    ASSERT_EQ(::recv(connection.get(), &command, sizeof(command), MSG_WAITALL), static_cast<ssize_t>(sizeof(command)));
    Message reply;
    reply.kind = MessageKind::reply;
    reply.a = command.a;
    ASSERT_EQ(::send(connection.get(), &reply, sizeof(reply), MSG_NOSIGNAL), static_cast<ssize_t>(sizeof(reply)));
  });
  EXPECT_EQ(blocking_command(directory_, MessageKind::resize, ENOTTY, 0), ENOTTY);
  monitor.join();
}

TEST_F(MonitorCommands, WithoutAMonitorNothingRuns) {
  listener_.reset();
  EXPECT_EQ(blocking_command(directory_, MessageKind::signal, SIGKILL, 0), ESRCH);
  EXPECT_EQ(blocking_command(directory_ + "/nowhere", MessageKind::signal, SIGKILL, 0), ESRCH);
}

}  // namespace
}  // namespace sockerless::local
