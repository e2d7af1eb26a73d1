#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "base/task.hpp"
#include "base/unique_fd.hpp"
#include "sockerless/health.hpp"

// Internal to sdk/.
namespace sockerless {

/// What is known of a socket file without connecting to it.
struct SocketFile {
  bool exists = false;
  dev_t device = 0;
  ino_t inode = 0;
  uid_t owner = 0;
  gid_t group = 0;
  mode_t mode = 0;  ///< permission bits

  friend bool operator==(const SocketFile&, const SocketFile&) = default;
};

/// Links are followed. What cannot be looked at does not exist.
SocketFile look_at_socket(const std::string& path);

struct SocketChange {
  HealthEvent::Kind kind;
  std::string message;
};
/// In words. A pure function.
std::vector<SocketChange> changes_between(const SocketFile& before, const SocketFile& after, const std::string& path);

/// Wakes when something happens in the folder of a file, and in that of the file a link leads to (inotify). A folder that is not there, or
/// goes away, is watched again by the next watch().
class FolderWatch {
 public:
  FolderWatch(asio::any_io_executor executor, std::string path);
  ~FolderWatch();
  FolderWatch(const FolderWatch&) = delete;
  FolderWatch& operator=(const FolderWatch&) = delete;

  /// Watches what is there now; cheap to call again.
  void watch();
  /// Returns after the next event. Where inotify cannot be had it never returns. Cancellation: any.
  Task<void> wait_event();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sockerless
