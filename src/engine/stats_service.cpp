#include "engine/stats_service.hpp"

#include <utility>

#include "base/error.hpp"

namespace sockerless {

namespace {

/// Of a container that does not run, and of the sample before the first.
api::ContainerCPUStats no_cpu_time() {
  api::ContainerCPUStats stats;
  stats.cpu_usage.emplace();
  stats.cpu_usage->total_usage = stats.cpu_usage->usage_in_kernelmode = stats.cpu_usage->usage_in_usermode = 0;
  stats.throttling_data.emplace();
  stats.throttling_data->periods = stats.throttling_data->throttled_periods = stats.throttling_data->throttled_time = 0;
  return stats;
}

class Sampler final : public StatsStream {
 public:
  Sampler(EngineContext& context, ContainerPtr record, StatsOptions options, std::chrono::steady_clock::duration interval)
      : context_(context), record_(std::move(record)), options_(options), interval_(interval) {}

  Task<std::optional<api::ContainerStatsResponse>> next() override {
    if (done_) co_return std::nullopt;
    const bool wants_pair = !options_.stream && !options_.one_shot;
    if (wants_pair) previous_ = co_await sample();
    if (previous_) {
      const auto record = record_;
      std::ignore = co_await race(sleep_for(interval_), wait_until(record, [](const ContainerRecord& now) { return now.is_removed(); }));
    }
    if (record_->is_removed()) co_return std::nullopt;
    api::ContainerStatsResponse current = co_await sample();
    if (previous_) {
      current.preread = previous_->read;
      current.precpu_stats = previous_->cpu_stats;
    } else {
      current.preread = format_rfc3339(kNever);
      current.precpu_stats = no_cpu_time();
    }
    done_ = !options_.stream;
    previous_ = current;
    co_return current;
  }

 private:
  Task<api::ContainerStatsResponse> sample() {
    api::ContainerStatsResponse sample;
    sample.read = format_rfc3339(kNever);
    sample.cpu_stats = no_cpu_time();
    if (record_->state()->has_process()) {
      try {
        sample = co_await context_.workloads.stats(record_->id());
        if (!sample.read) sample.read = format_rfc3339(context_.clock.now());
      } catch (const Error& error) {
        if (error.code() != ErrorCode::not_found) throw;  // it ended meanwhile
      }
    }
    sample.id = record_->id().str();
    sample.name = "/" + record_->definition()->spec.name;
    co_return sample;
  }

  EngineContext& context_;
  ContainerPtr record_;
  StatsOptions options_;
  std::chrono::steady_clock::duration interval_;
  std::optional<api::ContainerStatsResponse> previous_;
  bool done_ = false;
};

}  // namespace

Task<std::unique_ptr<StatsStream>> StatsService::stats(ContainerRef container, StatsOptions options) {
  co_return std::make_unique<Sampler>(context_, context_.containers.get(container.text), options, interval_);
}

}  // namespace sockerless
