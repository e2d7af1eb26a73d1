// run_and_wait IMAGE COMMAND...: runs a command in a new container, prints its output and ends with its exit code.
#include <iostream>

#include <sockerless/client.hpp>

namespace {

int fail(const sockerless::DockerError& error) { return std::cerr << error << '\n', 125; }

/// The container's exit code, after its output.
int run(const sockerless::Client& client, const std::string& id) {
  if (const auto started = client.container_start(id); !started) return fail(started.error());
  auto output = client.container_logs(id, {.follow = true, .stdout = true, .stderr = true});
  if (!output) return fail(output.error());
  for (sockerless::Result<sockerless::OutputChunk>& chunk : *output) {
    if (!chunk) return fail(chunk.error());
    (chunk->kind == sockerless::OutputKind::standard_error ? std::cerr : std::cout) << chunk->bytes;
  }
  const auto ended = client.container_wait(id);
  if (!ended) return fail(ended.error());
  return static_cast<int>(ended->status_code);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::cerr << "usage: run_and_wait IMAGE COMMAND...\n", 2;
  const auto client = sockerless::Client::from_environment();
  if (!client) return fail(client.error());
  sockerless::api::ContainerCreateRequest request;
  request.image = argv[1];
  request.cmd.emplace(argv + 2, argv + argc);
  const auto created = client->container_create(request);
  if (!created) return fail(created.error());
  const int code = run(*client, created->id);
  if (const auto removed = client->container_delete(created->id, {.v = true, .force = true}); !removed) return fail(removed.error());
  return code;
}
