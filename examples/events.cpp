// events COUNT: the next COUNT things that happen to containers. It goes on when the daemon is restarted meanwhile.
#include <cstdlib>
#include <iostream>

#include <sockerless/manager.hpp>

int main(int argc, char** argv) {
  long left = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 10;
  const auto docker = sockerless::DockerManager::from_environment();
  if (!docker) return std::cerr << docker.error() << '\n', 1;
  auto updates = docker->watch();
  if (!updates) return std::cerr << updates.error() << '\n', 1;
  std::cout << "watching" << std::endl;
  for (sockerless::Result<sockerless::ContainerUpdate>& update : *updates) {
    if (!update) return std::cerr << update.error() << '\n', 1;
    std::cout << update->name << " " << update->action << std::endl;
    if (--left <= 0) break;
  }
}
