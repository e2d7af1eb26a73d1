#include <algorithm>

#include "base/error.hpp"
#include "bench/measures.hpp"
#include "bench/work.hpp"

namespace sockerless::bench {

namespace {

constexpr std::uint64_t kMegabytes = 500;
constexpr int kRounds = 3;

constexpr int kTurns = 61;  // short and many, so that all three meet the same machine
constexpr int kInspectsOfATurn = 100;

/// The median of calls one after the other on one connection, in microseconds.
double inspect_latency(HttpProbe& probe, const std::string& container) {
  const std::string target = "/v1.40/containers/" + container + "/json";
  return median_of(kInspectsOfATurn, [&] {
    const auto begin = Clock::now();
    probe.must("GET", target);
    return milliseconds_since(begin) * 1000;
  });
}

void measure_latency(Bench& bench, const Peer& direct, const Peer& relayed) {
  const auto copier = start_copier(direct);
  HttpProbe direct_probe(direct.socket());
  HttpProbe relayed_probe(relayed.socket());
  HttpProbe copied_probe(copier->socket());
  const std::string id = create(direct_probe, R"(["true"])");
  std::vector<double> by_relay;
  std::vector<double> by_copier;
  for (int turn = 0; turn < kTurns; ++turn) {
    const double without = inspect_latency(direct_probe, id);
    by_relay.push_back(inspect_latency(relayed_probe, id) - without);
    by_copier.push_back(inspect_latency(copied_probe, id) - without);
  }
  std::ranges::sort(by_relay);
  std::ranges::sort(by_copier);
  remove_container(direct_probe, id);
  const double added = by_relay[by_relay.size() / 2];
  bench.report.add({.what = "relay: latency added to inspect", .unit = "us", .ours = added, .peer = "", .theirs = {}, .at_most = 60});
  bench.report.add({.what = "relay: latency added to inspect",
                    .unit = "us",
                    .ours = added,
                    .peer = "bare copier",
                    .theirs = by_copier[by_copier.size() / 2]});
}

void measure_throughput(Bench& bench, std::string what, const Peer& direct, const Peer& relayed,
                        const std::function<double(const Peer&)>& rate) {
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int round = 0; round < kRounds; ++round) {
    theirs.push_back(rate(direct));
    ours.push_back(rate(relayed));
  }
  std::ranges::sort(ours);
  std::ranges::sort(theirs);
  bench.report.add({.what = "relay: " + std::move(what),
                    .unit = "MB/s",
                    .ours = ours[kRounds / 2],
                    .peer = "dockerd directly",
                    .theirs = theirs[kRounds / 2],
                    .at_least = 0.95});
}

/// A container that has one large file.
std::string with_large_file(const Peer& peer) {
  HttpProbe probe(peer.socket());
  const std::string id = create(probe, fmt::format(R"(["dd","if=/dev/zero","of=/large","bs=1048576","count={}"])", kMegabytes));
  probe.must("POST", "/v1.40/containers/" + id + "/start");
  probe.must("POST", "/v1.40/containers/" + id + "/wait");
  return id;
}

double copy_rate(const Peer& peer, const std::string& container) {
  HttpProbe probe(peer.socket());
  const auto begin = Clock::now();
  const std::uint64_t total = probe.drain("/v1.40/containers/" + container + "/archive?path=/large");
  const double seconds = milliseconds_since(begin) / 1000;
  if (total < kMegabytes * 1024 * 1024) throw Error::internal("{} lost bytes of a copy: {} came", peer.name(), total);
  return static_cast<double>(total) / 1e6 / seconds;
}

}  // namespace

void measure_relay(Bench& bench) {
  auto dockerd = start_dockerd();
  if (!dockerd) {
    bench.report.add({.what = "relay", .unit = "us", .ours = 0, .peer = "dockerd directly", .theirs = {}});
    return;
  }
  dockerd->import_image(bench.rootfs);
  const auto relay = start_sockerless(bench.program, "docker", 0, {"--docker-host", "unix://" + dockerd->socket()});
  measure_latency(bench, *dockerd, *relay);
  const std::string large = with_large_file(*dockerd);
  measure_throughput(bench, "docker cp of 500 MB", *dockerd, *relay, [&large](const Peer& peer) { return copy_rate(peer, large); });
  measure_throughput(bench, "logs of a million lines", *dockerd, *relay, logs_rate);
  measure_throughput(bench, "attach of 500 MB", *dockerd, *relay, [](const Peer& peer) { return attach_rate(peer, kMegabytes); });
  HttpProbe probe(dockerd->socket());
  remove_container(probe, large);
}

}  // namespace sockerless::bench
