// logs CONTAINER [LINES]: as `docker logs --follow --tail LINES`, until the container ends.
#include <iostream>

#include <sockerless/manager.hpp>

int main(int argc, char** argv) {
  if (argc < 2) return std::cerr << "usage: logs CONTAINER [LINES]\n", 2;
  const auto docker = sockerless::DockerManager::from_environment();
  if (!docker) return std::cerr << docker.error() << '\n', 1;
  sockerless::ContainerLogOptions which{.follow = true};
  if (argc > 2) which.tail = std::strtoull(argv[2], nullptr, 10);
  auto logs = docker->logs(argv[1], which);
  if (!logs) return std::cerr << logs.error() << '\n', 1;
  for (sockerless::Result<sockerless::OutputChunk>& chunk : *logs) {
    if (!chunk) return std::cerr << chunk.error() << '\n', 1;
    std::cout << chunk->bytes << std::flush;
  }
}
