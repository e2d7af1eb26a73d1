#include "bench/work.hpp"

#include <algorithm>
#include <array>
#include <fstream>

#include <sys/socket.h>
#include <unistd.h>

#include "base/error.hpp"

namespace sockerless::bench {

double milliseconds_since(Clock::time_point begin) { return std::chrono::duration<double, std::milli>(Clock::now() - begin).count(); }

double median_of(int times, const std::function<double()>& measure) {
  measure();
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(times));
  for (int i = 0; i < times; ++i) values.push_back(measure());
  std::ranges::sort(values);
  return values[values.size() / 2];
}

std::string string_member(const std::string& json, const char* name) {
  return std::string(boost::json::parse(json).as_object().at(name).as_string());
}

std::string create(HttpProbe& probe, const std::string& command_json, const std::string& more) {
  const std::string body =
      fmt::format(R"({{"Image":"bench:latest","Cmd":{}{},"HostConfig":{{"NetworkMode":"none"}}}})", command_json, more);
  return string_member(probe.must("POST", "/v1.40/containers/create", body), "Id");
}

void remove_container(HttpProbe& probe, const std::string& id) { probe.must("DELETE", "/v1.40/containers/" + id + "?force=1"); }

std::optional<double> find_resident_megabytes(const std::string& pid) {
  std::ifstream status("/proc/" + pid + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  return std::nullopt;
}

double exec_once(HttpProbe& probe, const std::string& socket, const std::string& container) {
  const auto begin = Clock::now();
  const std::string exec = string_member(
      probe.must("POST", "/v1.40/containers/" + container + "/exec", R"({"AttachStdout":true,"AttachStderr":true,"Cmd":["true"]})"), "Id");
  std::string surplus;
  const UniqueFd stream = HttpProbe(socket).hijack("/v1.40/exec/" + exec + "/start", R"({"Detach":false,"Tty":false})", surplus);
  std::array<char, 4096> buffer{};
  while (::read(stream.get(), buffer.data(), buffer.size()) > 0) {}
  probe.must("GET", "/v1.40/exec/" + exec + "/json");
  return milliseconds_since(begin);
}

double attach_rate(const Peer& peer, std::uint64_t megabytes) {
  HttpProbe probe(peer.socket());
  const std::string id = create(probe, fmt::format(R"(["dd","if=/dev/zero","bs=65536","count={}"])", megabytes * 16));
  std::string surplus;
  const UniqueFd stream = HttpProbe(peer.socket()).hijack("/v1.40/containers/" + id + "/attach?stream=1&stdout=1", {}, surplus);
  const auto begin = Clock::now();
  probe.must("POST", "/v1.40/containers/" + id + "/start");
  std::vector<char> buffer(1024UL * 1024);
  std::uint64_t total = surplus.size();
  for (;;) {
    const ssize_t count = ::read(stream.get(), buffer.data(), buffer.size());
    if (count <= 0) break;
    total += static_cast<std::uint64_t>(count);
  }
  const double seconds = milliseconds_since(begin) / 1000;
  if (total < megabytes * 1024 * 1024) throw Error::internal("{} lost output: {} bytes of {} MiB came", peer.name(), total, megabytes);
  remove_container(probe, id);
  return static_cast<double>(total) / 1e6 / seconds;
}

constexpr std::uint64_t kLogLines = 1'000'000;

double logs_rate(const Peer& peer) {
  HttpProbe probe(peer.socket());
  const std::string id = create(probe, fmt::format(R"(["sh","-c","yes 'one line of a log that is read back' | head -n {}"])", kLogLines));
  probe.must("POST", "/v1.40/containers/" + id + "/start");
  probe.must("POST", "/v1.40/containers/" + id + "/wait");
  const auto begin = Clock::now();
  const std::uint64_t total = probe.drain("/v1.40/containers/" + id + "/logs?stdout=1");
  const double seconds = milliseconds_since(begin) / 1000;
  if (total < kLogLines * 30) throw Error::internal("{} lost log lines: {} bytes came", peer.name(), total);
  remove_container(probe, id);
  return static_cast<double>(total) / 1e6 / seconds;
}

}  // namespace sockerless::bench
