// Many clients of the memory backend at once, on several threads: what the reader-writer locks of its tables are for. Run under tsan.

#include <atomic>

#include "base/byte_stream.hpp"
#include "tests/conformance/memory_profile.hpp"
#include "tests/support/daemon.hpp"

namespace sockerless::conformance {
namespace {

constexpr int kClients = 16;
constexpr int kRounds = 12;

struct Shared {
  Backend& backend;
  std::atomic<int> finished = 0;
};

api::ContainerCreateRequest request_for(int client, int round) {
  MemoryProfile profile;
  auto request = round % 2 == 0 ? profile.prints({.out = "x\n", .err = {}, .exit_code = client % 4}) : profile.runs_execs({.out = "e\n"});
  request.image = "busybox:latest";
  request.labels->emplace("client", std::to_string(client));
  return request;
}

Task<void> run_exec(Backend& backend, std::string container) {
  api::ContainerExecRequest request;
  request.cmd = std::vector<std::string>{"scripted"};
  request.attach_stdout = true;
  const std::string exec = (co_await backend.exec()->create({container}, std::move(request))).id;
  const auto session = co_await backend.exec()->start({exec}, {});
  const std::string output = co_await read_all(session->output(), 1024);
  EXPECT_EQ(split_frames(output).out, "e\n");
  EXPECT_EQ((co_await backend.exec()->inspect({exec})).exit_code, 0);
}

/// One client: containers of its own, among everybody's.
Task<void> live(Shared& shared, int client) {
  Backend& backend = shared.backend;
  for (int round = 0; round < kRounds; ++round) {
    const std::string name = fmt::format("c{}-{}", client, round);
    const std::string id = (co_await backend.containers().create({.name = name, .platform = {}, .request = request_for(client, round)})).id;
    const auto wait = co_await backend.containers().wait({id}, WaitCondition::next_exit);
    co_await backend.containers().start({id});
    if (round % 2 == 1) {
      co_await run_exec(backend, id);
      co_await backend.containers().kill({id}, "KILL");
    }
    EXPECT_EQ((co_await wait->result()).status_code, round % 2 == 1 ? 137 : client % 4);
    api::Filters mine;
    mine.add("label", fmt::format("client={}", client));
    EXPECT_EQ((co_await backend.containers().list({.all = true, .limit = {}, .size = WithSize::no, .filters = std::move(mine)})).size(),
              1U);
    co_await backend.volumes()->create(
        {.name = name, .driver = {}, .driver_opts = {}, .labels = {}, .cluster_volume_spec = {}, .unknown = {}});
    co_await backend.images()->tag({"busybox"}, "copy", name);
    co_await backend.volumes()->remove({name}, Force::no);
    co_await backend.images()->remove({"copy:" + name}, {});
    co_await backend.containers().remove({id}, {});
  }
  ++shared.finished;
}

Task<void> import_image(Backend& backend) {
  ImportImageOptions options;
  options.repo = "busybox";
  options.tag = "latest";
  options.source = "-";
  const auto progress = co_await backend.images()->import(std::move(options), make_pieces({support::busybox_rootfs()}));
  co_await read_all(*progress, 1024 * 1024);
}

Task<void> join(TaskGroup& group) { co_await group.join(); }

TEST(MemoryBackendThreads, ServesManyClientsAtOnce) {
  Host host;
  MemoryProfile profile;
  const auto backend = profile.make_backend(host, {});
  host.run(backend->start());
  host.run(import_image(*backend));
  Shared shared{*backend};
  TaskGroup clients;
  for (int client = 0; client < kClients; ++client) clients.spawn("client", asio::make_strand(host.executor()), live(shared, client));
  host.run(join(clients));
  EXPECT_EQ(shared.finished, kClients);
  EXPECT_TRUE(host.run(backend->containers().list({.all = true, .limit = {}, .size = WithSize::no, .filters = {}})).empty());
  host.run(backend->stop());
}

/// Everybody at one container: exactly one of each kind succeeds at a time, and nothing breaks.
Task<void> quarrel(Shared& shared, std::string id, int client) {
  for (int round = 0; round < kRounds; ++round) {
    try {
      if ((client + round) % 3 == 0) {
        co_await shared.backend.containers().start({id});
      } else if ((client + round) % 3 == 1) {
        co_await shared.backend.containers().kill({id}, "KILL");
      } else {
        co_await shared.backend.containers().restart({id}, {.signal = {}, .timeout_seconds = 0});
      }
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::not_modified || error.code() == ErrorCode::conflict) << error.what();
    }
  }
  ++shared.finished;
}

TEST(MemoryBackendThreads, KeepsOneContainerWholeAmongMany) {
  Host host;
  MemoryProfile profile;
  const auto backend = profile.make_backend(host, {});
  host.run(backend->start());
  host.run(import_image(*backend));
  auto request = profile.runs_forever();
  request.image = "busybox:latest";
  const std::string id = host.run(backend->containers().create({.name = "bone", .platform = {}, .request = std::move(request)})).id;
  Shared shared{*backend};
  TaskGroup clients;
  for (int client = 0; client < kClients; ++client)
    clients.spawn("client", asio::make_strand(host.executor()), quarrel(shared, id, client));
  host.run(join(clients));
  EXPECT_EQ(shared.finished, kClients);
  host.run(backend->containers().remove({id}, {.force = Force::yes}));
  host.run(backend->stop());
}

}  // namespace
}  // namespace sockerless::conformance
