#include "bench/measures.hpp"

#include <algorithm>
#include <fstream>
#include <thread>

#include <sys/socket.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/random.hpp"
#include "bench/load.hpp"
#include "bench/work.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/http_probe.hpp"

namespace sockerless::bench {

namespace {

using namespace std::chrono_literals;

/// The same figure of every peer that can run containers.
std::optional<double> of_peer(const std::optional<Peer>& peer, const std::function<double(const Peer&)>& measure) {
  if (!peer) return std::nullopt;
  return measure(*peer);
}

std::string runtime_of(const Peer& peer) { return string_member(HttpProbe(peer.socket()).must("GET", "/info"), "DefaultRuntime"); }

// ---- HTTP

void measure_ping(Bench& bench) {
  constexpr std::size_t kRounds = 5;
  const auto rate = [](const Peer& peer) {
    const OnCore load(0);
    return requests_per_second(peer.socket(), "/_ping", 32, 3000ms);
  };
  std::optional<OnCore> servers(std::in_place, 1);
  const auto ours = start_sockerless(bench.program, "memory", 1);
  const auto nginx = start_nginx();
  servers.reset();
  // In turns, so that whatever the machine does meanwhile meets both.
  std::vector<double> our_rates;
  std::vector<double> their_rates;
  for (std::size_t round = 0; round < kRounds; ++round) {
    our_rates.push_back(rate(*ours));
    if (nginx) their_rates.push_back(rate(*nginx));
  }
  std::ranges::sort(our_rates);
  std::ranges::sort(their_rates);
  bench.report.add({.what = "/_ping, one thread",
                    .unit = "1/s",
                    .ours = our_rates[kRounds / 2],
                    .peer = "nginx",
                    .theirs = nginx ? std::optional(their_rates[kRounds / 2]) : std::nullopt,
                    .at_least = 0.85});
}

double list_rate(const Peer& peer) {
  HttpProbe probe(peer.socket());
  for (int i = 0; i < 10; ++i) create(probe, R"(["true"])");
  return requests_per_second(peer.socket(), "/v1.40/containers/json?all=1", 16, 3000ms);
}

void measure_list(Bench& bench) {
  double ours = 0;
  std::string runtime;
  {
    auto peer = start_sockerless(bench.program, "local", 0);
    peer->import_image(bench.rootfs);
    runtime = runtime_of(*peer);
    ours = list_rate(*peer);
  }
  const auto measure = [&bench](std::optional<Peer> peer) -> std::optional<double> {
    if (!peer) return std::nullopt;
    peer->import_image(bench.rootfs);
    return list_rate(*peer);
  };
  bench.report.add({.what = "containers/json?all=1, 10 containers",
                    .unit = "1/s",
                    .ours = ours,
                    .peer = "dockerd",
                    .theirs = measure(start_dockerd()),
                    .at_least = 10});
  bench.report.add({.what = "containers/json?all=1, 10 containers",
                    .unit = "1/s",
                    .ours = ours,
                    .peer = "podman",
                    .theirs = measure(start_podman(runtime))});
}

double microseconds_per_list(const std::string& socket, const std::string& target) {
  return 1e6 / requests_per_second(socket, target, 1, 2000ms);
}

void measure_many(Bench& bench) {
  const auto few = start_sockerless(bench.program, "memory", 0);
  const auto many = start_sockerless(bench.program, "memory", 0);
  for (const auto* peer : {&few, &many}) {
    HttpProbe probe((*peer)->socket());
    probe.must("POST", "/images/create?fromImage=bench&tag=latest");
    const int total = peer == &few ? 10 : 10000;
    for (int i = 0; i < total; ++i)
      create(probe, R"(["true"])", i < 10 ? R"(,"Labels":{"which":"wanted"})" : R"(,"Labels":{"which":"other"})");
  }
  const double of_ten = microseconds_per_list(few->socket(), "/containers/json?all=1");
  const double of_many =
      microseconds_per_list(many->socket(), "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22which%3Dwanted%22%5D%7D");
  bench.report.add(
      {.what = "list by label: 10 of 10,000", .unit = "us", .ours = of_many, .peer = "list of 10", .theirs = of_ten, .at_most = 3});
}

// ---- containers

double lifecycle(HttpProbe& probe) {
  const auto begin = Clock::now();
  const std::string id = create(probe, R"(["true"])");
  probe.must("POST", "/v1.40/containers/" + id + "/start");
  probe.must("POST", "/v1.40/containers/" + id + "/wait");
  probe.must("DELETE", "/v1.40/containers/" + id);
  return milliseconds_since(begin);
}

struct ContainerFigures {
  double lifecycle_ms = 0;
  double exec_ms = 0;
};

ContainerFigures container_figures(const Peer& peer) {
  HttpProbe probe(peer.socket());
  ContainerFigures figures;
  figures.lifecycle_ms = median_of(20, [&probe] { return lifecycle(probe); });
  const std::string id = create(probe, R"(["sleep","1000"])");
  probe.must("POST", "/v1.40/containers/" + id + "/start");
  figures.exec_ms = median_of(20, [&] { return exec_once(probe, peer.socket(), id); });
  remove_container(probe, id);
  return figures;
}

/// The OCI runtime by itself, with the root file system the peers run and a plain configuration.
class BareRuntime {
 public:
  BareRuntime(std::string runtime, const std::string& rootfs_tar) : runtime_(std::move(runtime)) {
    std::filesystem::create_directories(bundle_.path() / "rootfs");
    const auto tar = bundle_.path() / "rootfs.tar";
    std::ofstream(tar) << rootfs_tar;
    run({"tar", "-C", bundle_.path() / "rootfs", "-xf", tar});
    run({runtime_, "spec", "--bundle", bundle_.path()});
  }

  double run_ms() {
    configure(R"(["true"])");
    return median_of(20, [this] {
      const auto begin = Clock::now();
      run({runtime_, "run", "--bundle", bundle_.path(), name_});
      return milliseconds_since(begin);
    });
  }

  double exec_ms() {
    configure(R"(["sleep","1000"])");
    if (run_process({runtime_, "run", "--detach", "--bundle", bundle_.path(), name_}) != 0) {
      throw Error::unavailable("{} run --detach failed", runtime_);
    }
    const double result = median_of(20, [this] {
      const auto begin = Clock::now();
      run({runtime_, "exec", name_, "true"});
      return milliseconds_since(begin);
    });
    run({runtime_, "delete", "--force", name_});
    return result;
  }

 private:
  static void run(const std::vector<std::string>& argv) {
    const Output output = run_command(argv);
    if (output.exit_code != 0) throw Error::unavailable("{} failed: {}", argv[0], output.err);
  }

  void configure(std::string_view arguments) {
    const auto file = bundle_.path() / "config.json";
    std::ifstream in(file);
    auto config = boost::json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
    config.at("process").at("args") = boost::json::parse(boost::json::string_view(arguments.data(), arguments.size()));
    config.at("process").at("terminal") = false;
    config.at("process").as_object().erase("rlimits");
    std::ofstream(file) << boost::json::serialize(config);
  }

  std::string runtime_;
  std::string name_ = "sockerless-bench-" + system_random().hex64().substr(0, 12);
  TempDir bundle_;
};

void measure_containers(Bench& bench) {
  ContainerFigures ours;
  std::string runtime;
  {
    auto peer = start_sockerless(bench.program, "local", 0);
    peer->import_image(bench.rootfs);
    runtime = runtime_of(*peer);
    ours = container_figures(*peer);
  }
  BareRuntime bare(runtime, bench.rootfs);
  bench.report.add({.what = "lifecycle: create, start, wait, remove",
                    .unit = "ms",
                    .ours = ours.lifecycle_ms,
                    .peer = runtime + " run",
                    .theirs = bare.run_ms(),
                    .at_most = 3});
  bench.report.add({.what = "exec", .unit = "ms", .ours = ours.exec_ms, .peer = runtime + " exec", .theirs = bare.exec_ms(), .at_most = 3});
  const auto beside = [&](std::optional<Peer> peer) {
    if (!peer) return;
    std::optional<ContainerFigures> theirs;
    try {
      peer->import_image(bench.rootfs);
      theirs = container_figures(*peer);
    } catch (const Error& error) {  // no budget hangs on it: the table says that there is no figure
      std::fprintf(stderr, "  %s cannot run containers here: %s\n", peer->name().c_str(), error.what());
    }
    const auto figure = [&theirs](double ContainerFigures::* member) { return theirs ? std::optional((*theirs).*member) : std::nullopt; };
    bench.report.add({.what = "lifecycle",
                      .unit = "ms",
                      .ours = ours.lifecycle_ms,
                      .peer = peer->name(),
                      .theirs = figure(&ContainerFigures::lifecycle_ms)});
    bench.report.add(
        {.what = "exec", .unit = "ms", .ours = ours.exec_ms, .peer = peer->name(), .theirs = figure(&ContainerFigures::exec_ms)});
  };
  beside(start_dockerd());
  beside(start_podman(runtime));
}

// ---- output

void measure_output(Bench& bench) {
  const auto both = [&bench](std::optional<Peer> peer) -> std::pair<std::optional<double>, std::optional<double>> {
    if (!peer) return {};
    peer->import_image(bench.rootfs);
    const bool ours = peer->name().starts_with("sockerless");
    attach_rate(*peer, 64);
    return {attach_rate(*peer, ours ? 2048 : 256), logs_rate(*peer)};
  };
  const auto ours = both(start_sockerless(bench.program, "local", 0));
  const auto dockerd = both(start_dockerd());
  bench.report.add(
      {.what = "attach throughput", .unit = "MB/s", .ours = *ours.first, .peer = "dockerd", .theirs = dockerd.first, .at_least = 8});
  bench.report.add({.what = "logs of a million lines",
                    .unit = "MB/s",
                    .ours = *ours.second,
                    .peer = "dockerd",
                    .theirs = dockerd.second,
                    .at_least = 10});
}

// ---- memory

void measure_memory(Bench& bench) {
  const auto ours = start_sockerless(bench.program, "local", 0);
  const double idle = find_resident_megabytes(std::to_string(ours->pid())).value();
  bench.report.add({.what = "resident memory of the idle daemon", .unit = "MB", .ours = idle, .peer = "", .theirs = {}, .at_most = 15});
  const auto dockerd = start_dockerd();
  bench.report.add(
      {.what = "resident memory of the idle daemon",
       .unit = "MB",
       .ours = idle,
       .peer = "dockerd",
       .theirs = of_peer(dockerd, [](const Peer& peer) { return find_resident_megabytes(std::to_string(peer.pid())).value(); })});
}

}  // namespace

const std::vector<std::pair<std::string, std::function<void(Bench&)>>>& measures() {
  static const std::vector<std::pair<std::string, std::function<void(Bench&)>>> all{
      {"ping", measure_ping},
      {"list", measure_list},
      {"many", measure_many},
      {"memory", measure_memory},
      {"containers", measure_containers},
      {"output", measure_output},
      {"machine", measure_machine},
      {"relay", measure_relay},
      {"sdk", measure_sdk},
      {"mixed", measure_mixed_operations},
  };
  return all;
}

}  // namespace sockerless::bench
