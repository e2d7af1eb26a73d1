#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "bench/measures.hpp"
#include "bench/work.hpp"
#include "sockerless/client.hpp"
#include "tests/support/child_process.hpp"

namespace sockerless::bench {

namespace {

constexpr int kThreads = 64;
constexpr int kOperations = 10'000;

Client client_of(const Peer& peer) {
  DockerConfig config;
  config.socket_path = peer.socket();
  config.timeout = std::chrono::minutes(5);  // 64 starts at a time keep a daemon busy
  auto client = Client::open(std::move(config));
  if (!client) throw Error::unavailable("no client: {}", client.error().text());
  return *std::move(client);
}

/// The value, or the end of the measure.
template <typename T>
T must(Result<T> result) {
  if (!result) throw Error::unavailable("the library failed: {}", result.error().text());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

std::uint64_t bytes_of(OutputReader reader) {
  std::uint64_t total = 0;
  for (Result<OutputChunk>& chunk : reader) total += must(std::move(chunk)).bytes.size();
  return total;
}

/// @errors internal: it did not exit with 0.
void run_exec(const Client& client, const std::string& container) {
  const auto exec = must(client.container_exec(container, {.attach_stdout = true, .attach_stderr = true, .cmd = {{"true"}}}));
  auto stream = must(client.exec_start(exec.id, {}));
  for (Result<OutputChunk>& chunk : stream) must(std::move(chunk));
  if (must(client.exec_inspect(exec.id)).exit_code != 0) throw Error::internal("the exec failed");
}

/// A piece of work, done by the library and by the docker command.
struct Work {
  std::string what;
  int times;
  std::optional<double> at_least;  ///< how many times as fast
  std::function<void()> library;
  std::vector<std::vector<std::string>> commands;
};

/// One container that runs and one that has written 10,000 lines.
struct Containers {
  Containers(Bench& bench, Peer& peer) : client(client_of(peer)) {
    peer.import_image(bench.rootfs);
    HttpProbe probe(peer.socket());
    running = create(probe, R"(["sleep","1000"])");
    must(client.container_start(running));
    written = create(probe, R"(["sh","-c","yes 'one line of a log that is read back' | head -n 10000"])");
    must(client.container_start(written));
    must(client.container_wait(written));
  }
  ~Containers() { client.container_delete(running, {.force = true}).has_value(); }
  Containers(const Containers&) = delete;
  Containers& operator=(const Containers&) = delete;

  Client client;
  std::string running;
  std::string written;
};

Work list_work(const Containers& on) {
  return {"list", 50, 20, [&on] { must(on.client.container_list({.all = true})); }, {{"ps", "-a"}}};
}

Work inspect_work(const Containers& on) {
  return {"inspect", 50, 20, [&on] { must(on.client.container_inspect(on.running)); }, {{"inspect", on.running}}};
}

Work exec_work(const Containers& on) {
  return {"exec", 10, 1, [&on] { run_exec(on.client, on.running); }, {{"exec", on.running, "true"}}};
}

Work restart_work(const Containers& on) {
  const auto restart = [&on] {
    must(on.client.container_stop(on.running, {.t = 0}));
    must(on.client.container_start(on.running));
  };
  return {"stop and start", 10, 1, restart, {{"stop", "-t", "0", on.running}, {"start", on.running}}};
}

Work logs_work(const Containers& on, std::string what, std::optional<double> at_least) {
  const auto read = [&on] { bytes_of(must(on.client.container_logs(on.written, {.stdout = true, .stderr = true}))); };
  return {std::move(what), 20, at_least, read, {{"logs", on.written}}};
}

void run_docker(const Peer& peer, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"docker", "-H", "unix://" + peer.socket()});
  const Output output = run_command(arguments);
  if (output.exit_code != 0) throw Error::unavailable("docker {} failed: {}", arguments[3], output.err);
}

/// In turns, so that whatever the machine does meanwhile meets both. The figures are rates of the median.
void compare(Bench& bench, const Peer& peer, const Work& work) {
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int i = 0; i < work.times; ++i) {
    auto begin = Clock::now();
    work.library();
    ours.push_back(milliseconds_since(begin));
    begin = Clock::now();
    for (const auto& command : work.commands) run_docker(peer, command);
    theirs.push_back(milliseconds_since(begin));
  }
  std::ranges::sort(ours);
  std::ranges::sort(theirs);
  const auto middle = static_cast<std::size_t>(work.times / 2);
  bench.report.add({.what = "library: " + work.what,
                    .unit = "1/s",
                    .ours = 1000 / ours[middle],
                    .peer = "docker command",
                    .theirs = 1000 / theirs[middle],
                    .at_least = work.at_least});
}

// ---- many at a time

/// What 64 threads did: an operation that the daemon refused is its right, any other failure is ours.
struct Tally {
  std::atomic<int> begun{0};
  std::atomic<int> refused{0};
  std::mutex mutex;
  std::string failure;

  template <typename T>
  bool count(const Result<T>& result) {
    if (result) return true;
    if (result.error().is_api_error()) {
      ++refused;
    } else {
      const std::scoped_lock lock(mutex);
      failure = result.error().text();
    }
    return false;
  }
};

/// Twenty operations around the life of one container.
void twenty_operations(const Client& client, const std::string& name, Tally& tally) {
  api::ContainerCreateRequest request;
  request.image = "bench:latest";
  request.cmd = {{"true"}};
  request.host_config.emplace().network_mode = "none";
  const auto look = [&](int times) {
    for (int i = 0; i < times; ++i) tally.count(client.container_inspect(name));
  };
  if (!tally.count(client.container_create(request, {.name = name}))) return;
  look(4);
  tally.count(client.container_start(name));
  tally.count(client.container_wait(name));
  look(5);
  for (int i = 0; i < 2; ++i) {
    auto logs = client.container_logs(name, {.stdout = true});
    if (tally.count(logs)) {
      for (Result<OutputChunk>& chunk : *logs) tally.count(chunk);
    }
  }
  for (int i = 0; i < 3; ++i) tally.count(client.container_list({.all = true, .limit = 5}));
  tally.count(client.container_rename(name, {.name = name + "-done"}));
  tally.count(client.image_inspect("bench:latest"));
  tally.count(client.container_inspect(name + "-done"));
  tally.count(client.container_delete(name + "-done"));
}

/// @return operations a minute. @errors internal: one failed that the daemon did not refuse.
double operations_per_minute(const Peer& peer) {
  const Client client = client_of(peer);
  Tally tally;
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&client, &tally] {
        for (int round = tally.begun++; round < kOperations / 20; round = tally.begun++) {
          twenty_operations(client, "mixed-" + std::to_string(round), tally);
        }
      });
    }
  }
  if (!tally.failure.empty()) throw Error::internal("an operation failed that {} did not refuse: {}", peer.name(), tally.failure);
  if (tally.refused > 0) std::fprintf(stderr, "  %s refused %d of %d operations\n", peer.name().c_str(), tally.refused.load(), kOperations);
  return kOperations / (milliseconds_since(begin) / 60'000);
}

}  // namespace

void measure_sdk(Bench& bench) {
  if (!is_installed("docker")) {
    bench.report.add({.what = "library", .unit = "1/s", .ours = 0, .peer = "docker command", .theirs = {}});
    return;
  }
  if (auto dockerd = start_dockerd()) {
    const Containers on(bench, *dockerd);
    for (const Work& work : {list_work(on), inspect_work(on), exec_work(on), restart_work(on)}) compare(bench, *dockerd, work);
    // dockerd itself takes most of the time to read a log, whoever asks; where the daemon is quick, the client is what counts.
    compare(bench, *dockerd, logs_work(on, "logs of 10,000 lines, from dockerd", std::nullopt));
  }
  auto ours = start_sockerless(bench.program, "local", 0);
  const Containers on(bench, *ours);
  compare(bench, *ours, logs_work(on, "logs of 10,000 lines", 5));
}

void measure_mixed_operations(Bench& bench) {
  {
    const auto memory = start_sockerless(bench.program, "memory", 0);
    HttpProbe(memory->socket()).must("POST", "/images/create?fromImage=bench&tag=latest");
    bench.report.add({.what = "10,000 mixed operations, 64 threads, memory backend",
                      .unit = "1/min",
                      .ours = operations_per_minute(*memory),
                      .peer = "",
                      .theirs = {},
                      .at_least = 3000});
  }
  auto dockerd = start_dockerd();
  if (!dockerd) return;
  dockerd->import_image(bench.rootfs);
  bench.report.add({.what = "10,000 mixed operations, 64 threads, dockerd",
                    .unit = "1/min",
                    .ours = operations_per_minute(*dockerd),
                    .peer = "",
                    .theirs = {}});
}

}  // namespace sockerless::bench
