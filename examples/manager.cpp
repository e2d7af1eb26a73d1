// manager IMAGE: a service with a health check, from nothing to ready, and gone again; a failure leaves nothing behind.
#include <iostream>

#include <sockerless/batch.hpp>
#include <sockerless/manager.hpp>

using namespace std::chrono_literals;

int main(int argc, char** argv) {
  if (argc < 2) return std::cerr << "usage: manager IMAGE\n", 2;
  const auto docker = sockerless::DockerManager::from_environment();
  if (!docker) return std::cerr << docker.error() << '\n', 1;

  sockerless::ContainerSpec spec{.name = "example-service", .image = argv[1], .command = {"sleep", "60"}};
  spec.labels["sockerless.sim.run_time"] = "forever";  // for `sockerless serve --backend memory`, which runs nothing
  spec.other.healthcheck.emplace().test = {"CMD", "true"};
  spec.other.healthcheck->interval = std::chrono::nanoseconds(100ms).count();
  const auto started = docker->start_container(spec);
  if (!started) return std::cerr << started.error() << '\n', 1;
  std::cout << (started->was_created ? "created " : "took ") << started->info.name << '\n';

  const auto health = docker->wait_for_healthy(spec.name, 20s);
  if (!health) return std::cerr << health.error() << '\n', 1;
  std::cout << health->name << " is " << health->health_status << '\n';

  const auto report = sockerless::Batch().stop_container(spec.name, 0s).remove_container(spec.name).run(docker->client());
  if (!report) return std::cerr << report.error() << '\n', 1;
  std::cout << report->text();
  return report->succeeded() ? 0 : 1;
}
