#include "engine/restart_policy.hpp"

#include <algorithm>

namespace sockerless {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstDelay{100};
constexpr milliseconds kLongestDelay{60'000};
constexpr std::chrono::seconds kGoodRun{10};

bool wants_restart(const std::optional<api::RestartPolicy>& policy, const EndedRun& run) {
  if (!policy || !policy->name) return false;
  switch (policy->name->value()) {
    case api::RestartPolicyName::always:
      return true;
    case api::RestartPolicyName::unless_stopped:
      return !run.manually_stopped;
    case api::RestartPolicyName::on_failure: {
      const auto most = policy->maximum_retry_count.value_or(0);
      return run.exit_code != 0 && !run.manually_stopped && (most == 0 || run.restart_count < most);
    }
    default:
      return false;
  }
}

}  // namespace

std::optional<milliseconds> RestartBackoff::next(const std::optional<api::RestartPolicy>& policy, const EndedRun& run) {
  if (run.manually_stopped || !wants_restart(policy, run)) return std::nullopt;
  if (run.duration >= kGoodRun) delay_ = milliseconds{0};
  delay_ = delay_ == milliseconds{0} ? kFirstDelay : std::min(delay_ * 2, kLongestDelay);
  return delay_;
}

bool restarts_with_daemon(const std::optional<api::RestartPolicy>& policy, const EndedRun& run) { return wants_restart(policy, run); }

}  // namespace sockerless
