// Clients that vanish in the middle: the daemon lets go of everything it held for them, and hangs nowhere.

#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.hpp"
#include "tests/support/daemon.hpp"

namespace sockerless::support {
namespace {

using namespace std::chrono_literals;

std::size_t open_descriptors(pid_t pid) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
    std::ignore = entry;
    ++count;
  }
  return count;
}

/// The daemon's descriptors come down to what they were: a leak shows as one that stays.
void expect_descriptors_return_to(std::size_t before, pid_t pid) {
  const auto give_up = std::chrono::steady_clock::now() + 20s;
  while (open_descriptors(pid) > before && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
  EXPECT_LE(open_descriptors(pid), before);
}

class GoneClient : public testing::Test {
 protected:
  void SetUp() override {
    daemon_.import_busybox();
    const std::string body =
        R"({"Image":"busybox","Cmd":["sh","-c","echo started; cat"],"OpenStdin":true,"HostConfig":{"NetworkMode":"none"}})";
    path_ = "/containers/" + std::string(boost::json::parse(daemon_.api().must("POST", "/containers/create", body)).at("Id").as_string());
    daemon_.api().must("POST", path_ + "/start");
    daemon_.api().must("GET", "/_ping");
    before_ = open_descriptors(daemon_.pid());
  }

  void expect_all_is_well() {
    expect_descriptors_return_to(before_, daemon_.pid());
    EXPECT_EQ(boost::json::parse(daemon_.api().must("GET", path_ + "/json")).at("State").at("Status").as_string(), "running");
  }

  Daemon daemon_{"local"};
  std::string path_;
  std::size_t before_ = 0;
};

TEST_F(GoneClient, InTheMiddleOfAttach) {
  for (int i = 0; i < 20; ++i) {
    std::string surplus;
    const UniqueFd stream = HttpProbe(daemon_.socket()).hijack(path_ + "/attach?stream=1&stdin=1&stdout=1", {}, surplus);
    send_all(stream.get(), "half a li");
  }
  expect_all_is_well();
}

TEST_F(GoneClient, InTheMiddleOfFollowedLogsAndOfAWait) {
  for (int i = 0; i < 20; ++i) {
    const UniqueFd logs = connect_unix(daemon_.socket());
    send_all(logs.get(), "GET " + path_ + "/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: docker\r\n\r\n");
    const UniqueFd wait = connect_unix(daemon_.socket());
    send_all(wait.get(), "POST " + path_ + "/wait HTTP/1.1\r\nHost: docker\r\n\r\n");
    const UniqueFd events = connect_unix(daemon_.socket());
    send_all(events.get(), "GET /events HTTP/1.1\r\nHost: docker\r\n\r\n");
    char first = 0;
    for (const UniqueFd* fd : {&logs, &wait, &events}) ASSERT_EQ(::read(fd->get(), &first, 1), 1) << "no answer began";
  }
  expect_all_is_well();
}

TEST_F(GoneClient, InTheMiddleOfALoadAndAnImport) {
  for (const char* target : {"/images/load", "/images/create?fromSrc=-&repo=half"}) {
    const UniqueFd upload = connect_unix(daemon_.socket());
    send_all(
        upload.get(),
        fmt::format("POST {} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-tar\r\nContent-Length: 100000000\r\n\r\n", target));
    send_all(upload.get(), std::string_view(busybox_rootfs()).substr(0, 1'000'000));
  }
  expect_all_is_well();
  EXPECT_EQ(boost::json::parse(daemon_.api().must("GET", "/images/json")).as_array().size(), 1U);
}

}  // namespace
}  // namespace sockerless::support
