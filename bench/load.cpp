#include "bench/load.hpp"

#include <array>
#include <vector>

#include <sys/epoll.h>
#include <unistd.h>

#include "base/error.hpp"
#include "tests/support/http_probe.hpp"

namespace sockerless::bench {

namespace {

using Clock = std::chrono::steady_clock;
using namespace support;

/// The length of a complete answer at the front of `data`, 0 while it is incomplete.
std::size_t complete_answer(std::string_view data) {
  const auto head_end = data.find("\r\n\r\n");
  if (head_end == std::string_view::npos) return 0;
  const std::string_view head = data.substr(0, head_end + 2);
  if (status_of(head) != 200) throw Error::internal("the server under load answered {}", head.substr(0, head.find("\r\n")));
  std::size_t at = head_end + 4;
  if (const auto length = header_of(head, "Content-Length"); !length.empty()) {
    at += number_of(length, 10);
    return data.size() >= at ? at : 0;
  }
  for (;;) {
    const auto line_end = data.find("\r\n", at);
    if (line_end == std::string_view::npos) return 0;
    const std::size_t size = number_of(data.substr(at, line_end - at), 16);
    at = line_end + 2 + size + 2;
    if (data.size() < at) return 0;
    if (size == 0) return at;
  }
}

struct LoadConnection {
  UniqueFd fd;
  std::string received;
};

}  // namespace

OnCore::OnCore(int index) {
  ::sched_getaffinity(0, sizeof before_, &before_);
  int left = index % CPU_COUNT(&before_);
  cpu_set_t chosen{};
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &before_) && left-- == 0) CPU_SET(core, &chosen);
  }
  ::sched_setaffinity(0, sizeof chosen, &chosen);
}

OnCore::~OnCore() { ::sched_setaffinity(0, sizeof before_, &before_); }

double requests_per_second(const std::string& socket_path, const std::string& target, int connections, std::chrono::milliseconds duration) {
  const std::string request = fmt::format("GET {} HTTP/1.1\r\nHost: docker\r\n\r\n", target);
  const UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC));
  std::vector<LoadConnection> all(static_cast<std::size_t>(connections));
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].fd = connect_unix(socket_path);
    epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
    ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, all[i].fd.get(), &event);
    send_all(all[i].fd.get(), request);
  }
  const auto warm = Clock::now() + duration / 5;
  auto begin = warm;
  auto end = warm + duration;
  std::uint64_t done = 0;
  bool measuring = false;
  std::size_t usual_size = 0;  // of an answer: one that has it needs no second parsing, which would measure this program
  std::vector<char> chunk(256UL * 1024);
  std::array<epoll_event, 64> events{};
  for (;;) {
    const auto now = Clock::now();
    if (!measuring && now >= warm) {
      measuring = true;
      done = 0;
      begin = now;
      end = now + duration;
    }
    if (measuring && now >= end) return static_cast<double>(done) / std::chrono::duration<double>(now - begin).count();
    const int ready = ::epoll_wait(poll.get(), events.data(), static_cast<int>(events.size()), 1000);
    if (ready == 0) throw Error::unavailable("{} does not answer at {}", target, socket_path);
    for (int i = 0; i < ready; ++i) {
      LoadConnection& connection = all[events[static_cast<std::size_t>(i)].data.u64];
      const ssize_t count = ::read(connection.fd.get(), chunk.data(), chunk.size());
      if (count <= 0) throw Error::unavailable("the server under load closed a connection");
      const std::string_view bytes(chunk.data(), static_cast<std::size_t>(count));
      const bool is_usual = connection.received.empty() && bytes.size() == usual_size && bytes.starts_with("HTTP/1.1 200 ");
      if (!is_usual) {
        connection.received += bytes;
        if (complete_answer(connection.received) == 0) continue;
        usual_size = connection.received.size();
        connection.received.clear();
      }
      ++done;
      send_all(connection.fd.get(), request);
    }
  }
}

}  // namespace sockerless::bench
