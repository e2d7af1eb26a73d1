#include "frontend/metrics.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace sockerless {

void Metrics::count(net::Method method, int status, std::chrono::steady_clock::duration duration) {
  const auto row = std::min(static_cast<std::size_t>(method), kMethods - 1);
  const auto column = static_cast<std::size_t>(std::clamp(status / 100, 0, static_cast<int>(kClasses) - 1));
  requests_[row][column].fetch_add(1, std::memory_order_relaxed);
  const double seconds = std::chrono::duration<double>(duration).count();
  const auto bucket = static_cast<std::size_t>(std::ranges::lower_bound(kBounds, seconds) - kBounds.begin());
  buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
  nanoseconds_.fetch_add(static_cast<std::uint64_t>(std::chrono::nanoseconds(duration).count()), std::memory_order_relaxed);
}

std::string Metrics::text(const MetricsGauges& gauges) const {
  std::string out;
  const auto to = std::back_inserter(out);
  out +=
      "# HELP sockerless_http_requests_total Requests that have ended, by method and class of status.\n"
      "# TYPE sockerless_http_requests_total counter\n";
  for (std::size_t method = 0; method < kMethods; ++method) {
    for (std::size_t status = 0; status < kClasses; ++status) {
      const std::uint64_t count = requests_[method][status].load(std::memory_order_relaxed);
      if (count == 0) continue;
      const std::string name = status == 0 ? "none" : fmt::format("{}xx", status);
      fmt::format_to(to, "sockerless_http_requests_total{{method=\"{}\",status=\"{}\"}} {}\n",
                     net::name_of(static_cast<net::Method>(method)), name, count);
    }
  }
  out +=
      "# HELP sockerless_http_request_duration_seconds From a request's head to its answer's end; a stream counts when it ends.\n"
      "# TYPE sockerless_http_request_duration_seconds histogram\n";
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= kBounds.size(); ++i) {
    total += buckets_[i].load(std::memory_order_relaxed);
    const std::string bound = i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf";
    fmt::format_to(to, "sockerless_http_request_duration_seconds_bucket{{le=\"{}\"}} {}\n", bound, total);
  }
  fmt::format_to(to, "sockerless_http_request_duration_seconds_sum {}\n",
                 static_cast<double>(nanoseconds_.load(std::memory_order_relaxed)) / 1e9);
  fmt::format_to(to, "sockerless_http_request_duration_seconds_count {}\n", total);
  const auto gauge = [&](std::string_view name, std::string_view help, const std::string& labels, std::size_t value) {
    fmt::format_to(to, "# HELP {0} {1}\n# TYPE {0} gauge\n{0}{2} {3}\n", name, help, labels, value);
  };
  gauge("sockerless_http_connections", "Open connections of clients.", "", gauges.connections);
  gauge("sockerless_http_streams", "Answers under way that stream, hijacked connections among them.", "", gauges.streams);
  gauge("sockerless_backend_up", "1 while the backend can be reached.", fmt::format("{{backend=\"{}\"}}", gauges.backend),
        gauges.is_backend_up ? 1 : 0);
  return out;
}

}  // namespace sockerless
