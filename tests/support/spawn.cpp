#include "tests/support/spawn.hpp"

#include <csignal>

#include <fcntl.h>

#include "base/error.hpp"

namespace sockerless::support {

std::vector<char*> pointers_of(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

SpawnPlan::SpawnPlan() {
  posix_spawn_file_actions_init(&actions_);
  posix_spawnattr_init(&attributes_);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes_, &none);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes_, &defaults);
}

SpawnPlan::~SpawnPlan() {
  posix_spawn_file_actions_destroy(&actions_);
  posix_spawnattr_destroy(&attributes_);
}

void SpawnPlan::use(int fd, int as) { posix_spawn_file_actions_adddup2(&actions_, fd, as); }

void SpawnPlan::open(const std::string& path, int as) { posix_spawn_file_actions_addopen(&actions_, as, path.c_str(), O_RDWR, 0); }

pid_t SpawnPlan::spawn(const std::vector<std::string>& argv, char** environment, short flags) {
  posix_spawnattr_setflags(&attributes_, static_cast<short>(flags | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  pid_t pid = -1;
  const int failure = posix_spawnp(&pid, argv.front().c_str(), &actions_, &attributes_, pointers_of(argv).data(), environment);
  if (failure != 0) throw from_errno(failure, "start " + argv.front());
  return pid;
}

}  // namespace sockerless::support
