#pragma once

#include <string>
#include <vector>

#include <spawn.h>
#include <sys/types.h>

namespace sockerless::support {

/// Pointers to the texts as execve wants them; the texts must outlive them.
std::vector<char*> pointers_of(const std::vector<std::string>& texts);

/// What a spawn needs. The child starts with no signal blocked and SIGPIPE at its default.
class SpawnPlan {
 public:
  SpawnPlan();
  ~SpawnPlan();
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  void use(int fd, int as);
  void open(const std::string& path, int as);
  /// @param flags  POSIX_SPAWN_* beside the signals'. @errors of posix_spawnp.
  pid_t spawn(const std::vector<std::string>& argv, char** environment, short flags = 0);

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace sockerless::support
