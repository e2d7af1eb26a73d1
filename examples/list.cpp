// list: the containers of the daemon that the docker command of this user would talk to.
#include <iostream>

#include <sockerless/client.hpp>

int main() {
  const sockerless::Result<sockerless::Client> client = sockerless::Client::from_environment();
  if (!client) return std::cerr << client.error() << '\n', 1;
  const auto containers = client->container_list({.all = true});
  if (!containers) return std::cerr << containers.error() << '\n', 1;
  for (const sockerless::api::ContainerSummary& container : *containers) {
    std::cout << container.id->substr(0, 12) << "  " << container.names->front() << "  " << container.status.value_or("") << '\n';
  }
}
