#include "sdk/socket_file.hpp"

#include <array>
#include <filesystem>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <fmt/format.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless {

SocketFile look_at_socket(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {};
  return {.exists = true,
          .device = status.st_dev,
          .inode = status.st_ino,
          .owner = status.st_uid,
          .group = status.st_gid,
          .mode = status.st_mode & 07777U};
}

std::vector<SocketChange> changes_between(const SocketFile& before, const SocketFile& after, const std::string& path) {
  using Kind = HealthEvent::Kind;
  std::vector<SocketChange> changes;
  if (!before.exists && !after.exists) return changes;
  if (!after.exists) return {{Kind::socket_gone, fmt::format("{} was removed", path)}};
  if (!before.exists) return {{Kind::socket_appeared, fmt::format("{} was made", path)}};
  if (before.device != after.device || before.inode != after.inode) {
    changes.push_back({Kind::socket_replaced, fmt::format("{} was made again", path)});
  }
  if (before.owner != after.owner) {
    changes.push_back({Kind::socket_owner_changed, fmt::format("the owner of {} was {} and is {}", path, before.owner, after.owner)});
  }
  if (before.group != after.group) {
    changes.push_back({Kind::socket_group_changed, fmt::format("the group of {} was {} and is {}", path, before.group, after.group)});
  }
  if (before.mode != after.mode) {
    changes.push_back({Kind::socket_mode_changed, fmt::format("the mode of {} was {:04o} and is {:04o}", path, before.mode, after.mode)});
  }
  return changes;
}

struct FolderWatch::Impl {
  explicit Impl(const asio::any_io_executor& executor) : events(executor) {}
  asio::posix::stream_descriptor events;
  std::string path;
};

FolderWatch::FolderWatch(asio::any_io_executor executor, std::string path) : impl_(std::make_unique<Impl>(executor)) {
  impl_->path = std::move(path);
  const int descriptor = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (descriptor >= 0) impl_->events.assign(descriptor);  // else the user has too many: the timer alone has to do
}

FolderWatch::~FolderWatch() = default;

void FolderWatch::watch() {
  if (!impl_->events.is_open()) return;
  constexpr std::uint32_t kEvents =
      IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  std::error_code ignored;  // of a link to nothing
  const std::filesystem::path target = std::filesystem::weakly_canonical(impl_->path, ignored);
  for (const std::filesystem::path& file : {std::filesystem::path(impl_->path), target}) {
    if (!file.has_parent_path()) continue;
    std::ignore = ::inotify_add_watch(impl_->events.native_handle(), file.parent_path().c_str(), kEvents);  // not there: the next time
  }
}

Task<void> FolderWatch::wait_event() {
  if (!impl_->events.is_open()) {
    for (;;) co_await sleep_for(std::chrono::hours(1));
  }
  boost::system::error_code error;
  co_await impl_->events.async_wait(asio::posix::stream_descriptor::wait_read, asio::redirect_error(asio::use_awaitable, error));
  if (error) throw Error::cancelled();
  alignas(inotify_event) std::array<char, 16UL * 1024> events{};
  while (::read(impl_->events.native_handle(), events.data(), events.size()) > 0) {}
}

}  // namespace sockerless
