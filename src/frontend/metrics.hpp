#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "net/http.hpp"

namespace sockerless {

/// What a moment's look at the daemon adds to the counters.
struct MetricsGauges {
  std::string backend;
  bool is_backend_up = true;
  std::size_t connections = 0;
  std::size_t streams = 0;
};

/// Counts requests, for Prometheus. Threads: any; counting takes no lock.
class Metrics {
 public:
  /// A request has ended. @param status  0: it was given no answer.
  void count(net::Method method, int status, std::chrono::steady_clock::duration duration);

  /// The text format of Prometheus, version 0.0.4.
  std::string text(const MetricsGauges& gauges) const;

 private:
  static constexpr std::size_t kMethods = 8;
  static constexpr std::size_t kClasses = 6;  // no answer, 1xx to 5xx
  static constexpr std::array<double, 10> kBounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 10};

  std::array<std::array<std::atomic<std::uint64_t>, kClasses>, kMethods> requests_{};
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> buckets_{};  // each counts its own, text() adds up
  std::atomic<std::uint64_t> nanoseconds_ = 0;
};

}  // namespace sockerless
