// exec CONTAINER COMMAND...: runs a command in a container, with this program's standard input as its own.
#include <iostream>
#include <iterator>

#include <sockerless/client.hpp>

namespace {

int fail(const sockerless::DockerError& error) { return std::cerr << error << '\n', 125; }

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::cerr << "usage: exec CONTAINER COMMAND...\n", 2;
  const auto client = sockerless::Client::from_environment();
  if (!client) return fail(client.error());
  sockerless::api::ContainerExecRequest request;
  request.cmd.emplace(argv + 2, argv + argc);
  request.attach_stdin = request.attach_stdout = request.attach_stderr = true;
  const auto exec = client->container_exec(argv[1], request);
  if (!exec) return fail(exec.error());
  auto session = client->exec_start(exec->id, {});
  if (!session) return fail(session.error());

  const std::string input{std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>()};
  if (const auto written = session->write(input); !written) return fail(written.error());
  if (const auto closed = session->close_write(); !closed) return fail(closed.error());
  for (sockerless::Result<sockerless::OutputChunk>& chunk : *session) {
    if (!chunk) return fail(chunk.error());
    (chunk->kind == sockerless::OutputKind::standard_error ? std::cerr : std::cout) << chunk->bytes;
  }
  const auto ended = client->exec_inspect(exec->id);
  if (!ended) return fail(ended.error());
  return static_cast<int>(ended->exit_code.value_or(0));
}
