#include <algorithm>
#include <fstream>
#include <thread>

#include <fmt/format.h>

#include "base/error.hpp"
#include "bench/load.hpp"
#include "bench/measures.hpp"
#include "bench/work.hpp"

// One machine's work: Sockerless's local backend beside dockerd and podman, each with bridges of its own.
namespace sockerless::bench {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr int kTimes = 20;
constexpr int kMany = 100;

std::string create_on(HttpProbe& probe, std::string_view network, std::string_view command_json) {
  const std::string body = fmt::format(R"({{"Image":"bench:latest","Cmd":{},"HostConfig":{{"NetworkMode":"{}"}}}})", command_json, network);
  return string_member(probe.must("POST", "/v1.40/containers/create", body), "Id");
}

double lifecycle_ms(const Peer& peer, std::string_view network) {
  HttpProbe probe(peer.socket());
  return median_of(kTimes, [&] {
    const auto begin = Clock::now();
    const std::string id = create_on(probe, network, R"(["true"])");
    probe.must("POST", "/v1.40/containers/" + id + "/start");
    probe.must("POST", "/v1.40/containers/" + id + "/wait");
    probe.must("DELETE", "/v1.40/containers/" + id);
    return milliseconds_since(begin);
  });
}

double exec_ms(const Peer& peer, const std::string& container) {
  HttpProbe probe(peer.socket());
  return median_of(kTimes, [&] { return exec_once(probe, peer.socket(), container); });
}

/// Resident memory, in MB, of every process whose command line or working directory names the peer's directory: the daemon, what it
/// started to help it, and the monitors or shims of containers. The containers' own processes are not among them.
double resident_megabytes_of_all(const Peer& peer) {
  double sum = 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::error_code gone;  // processes end while they are looked at
    const std::string working_directory = fs::read_symlink(entry.path() / "cwd", gone);
    std::ifstream file(entry.path() / "cmdline");
    const std::string command((std::istreambuf_iterator<char>(file)), {});
    if (!command.contains(peer.directory()) && !working_directory.starts_with(peer.directory())) continue;
    sum += find_resident_megabytes(entry.path().filename()).value_or(0);
  }
  return sum;
}

struct Crowd {
  double start_ms = 0;
  double megabytes = 0;
};

/// A hundred containers that wait, started at once.
Crowd crowd_of(const Peer& peer) {
  HttpProbe probe(peer.socket());
  std::vector<std::string> ids;
  for (int i = 0; i < kMany; ++i) ids.push_back(create_on(probe, "bridge", R"(["sleep","1000"])"));
  Crowd crowd;
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> clients;
    for (const std::string& id : ids) {
      clients.emplace_back([&peer, &id] { HttpProbe(peer.socket()).must("POST", "/v1.40/containers/" + id + "/start"); });
    }
  }
  crowd.start_ms = milliseconds_since(begin);
  crowd.megabytes = resident_megabytes_of_all(peer);
  for (const std::string& id : ids) remove_container(probe, id);
  return crowd;
}

struct Figures {
  double idle_megabytes = 0;
  double on_bridge_ms = 0;
  double without_network_ms = 0;
  double exec_ms = 0;
  double lists = 0;
  double inspects = 0;
  Crowd crowd;
};

Figures figures_of(Peer& peer, const std::string& rootfs) {
  Figures figures;
  figures.idle_megabytes = resident_megabytes_of_all(peer);
  peer.import_image(rootfs);
  figures.on_bridge_ms = lifecycle_ms(peer, "bridge");
  figures.without_network_ms = lifecycle_ms(peer, "none");
  HttpProbe probe(peer.socket());
  const std::string id = create_on(probe, "bridge", R"(["sleep","1000"])");
  probe.must("POST", "/v1.40/containers/" + id + "/start");
  figures.exec_ms = exec_ms(peer, id);
  figures.inspects = requests_per_second(peer.socket(), "/v1.40/containers/" + id + "/json", 16, 2000ms);
  figures.lists = requests_per_second(peer.socket(), "/v1.40/containers/json?all=1", 16, 2000ms);
  remove_container(probe, id);
  figures.crowd = crowd_of(peer);
  return figures;
}

/// A row for one peer; `least`: how many times better the budget wants it, 0 for orientation.
struct Beside {
  Bench& bench;
  const Figures& ours;
  std::string peer;
  std::optional<Figures> theirs;

  void smaller(std::string what, std::string unit, const std::function<double(const Figures&)>& figure, double times = 0) const {
    Row row = row_of(std::move(what), std::move(unit), figure);
    if (times > 0) row.at_most = 1 / times;
    bench.report.add(std::move(row));
  }
  void larger(std::string what, std::string unit, const std::function<double(const Figures&)>& figure, double times = 0) const {
    Row row = row_of(std::move(what), std::move(unit), figure);
    if (times > 0) row.at_least = times;
    bench.report.add(std::move(row));
  }

 private:
  Row row_of(std::string what, std::string unit, const std::function<double(const Figures&)>& figure) const {
    return {.what = std::move(what),
            .unit = std::move(unit),
            .ours = figure(ours),
            .peer = peer,
            .theirs = theirs ? std::optional(figure(*theirs)) : std::nullopt};
  }
};

std::optional<Figures> figures_of_peer(std::optional<Peer> peer, const std::string& rootfs) {
  if (!peer) return std::nullopt;
  return figures_of(*peer, rootfs);
}

}  // namespace

void measure_machine(Bench& bench) {
  std::string runtime;
  Figures ours;
  {
    auto peer = start_sockerless(bench.program, "local", 0);
    runtime = string_member(HttpProbe(peer->socket()).must("GET", "/info"), "DefaultRuntime");
    ours = figures_of(*peer, bench.rootfs);
  }
  const Beside docker{bench, ours, "dockerd", figures_of_peer(start_dockerd(Networks::own), bench.rootfs)};
  docker.smaller("lifecycle on the default bridge", "ms", [](const Figures& f) { return f.on_bridge_ms; }, 8);
  docker.smaller("lifecycle without network", "ms", [](const Figures& f) { return f.without_network_ms; }, 10);
  docker.smaller("exec on the bridge", "ms", [](const Figures& f) { return f.exec_ms; }, 8);
  docker.smaller("start of 100 containers at once", "ms", [](const Figures& f) { return f.crowd.start_ms; }, 8);
  docker.larger("inspect", "1/s", [](const Figures& f) { return f.inspects; }, 10);
  docker.larger("list", "1/s", [](const Figures& f) { return f.lists; }, 10);
  docker.smaller("memory, idle, helpers included", "MB", [](const Figures& f) { return f.idle_megabytes; }, 10);
  docker.smaller("memory with 100 containers, monitors included", "MB", [](const Figures& f) { return f.crowd.megabytes; }, 8);
  const Beside podman{bench, ours, "podman", figures_of_peer(start_podman(runtime), bench.rootfs)};
  podman.smaller("lifecycle on the default bridge", "ms", [](const Figures& f) { return f.on_bridge_ms; }, 12);
  podman.smaller("exec on the bridge", "ms", [](const Figures& f) { return f.exec_ms; });
  podman.smaller("start of 100 containers at once", "ms", [](const Figures& f) { return f.crowd.start_ms; });
}

}  // namespace sockerless::bench
