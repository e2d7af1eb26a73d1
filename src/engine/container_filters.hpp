#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/filters.hpp"
#include "engine/engine_context.hpp"

namespace sockerless {

/// The filters of GET /containers/json, checked and looked up once for the whole list.
class ContainerFilter {
 public:
  /// @errors invalid_argument: "invalid filter 'x'", "invalid filter 'status=x'". not_found: `before` or `since` names no container.
  ContainerFilter(EngineContext& context, api::Filters filters);

  /// Stopped containers are listed too, since a status is asked for.
  bool wants_all() const { return filters_.contains("status"); }
  /// The containers that can match, newest first: by the label index where a label is asked for.
  std::vector<ContainerPtr> candidates() const;
  bool matches(const ContainerRecord& record, const ContainerSnapshot& now);

 private:
  void read_numbers();
  void read_status();
  void read_positions();
  void read_networks();
  void read_images();
  bool matches_identity(const ContainerRecord& record, const ContainerDefinition& definition);
  bool matches_state(const ContainerState& state) const;
  bool matches_volumes(const WorkloadSpec& spec) const;
  bool matches_networks(const ContainerNetworks& networks) const;

  EngineContext& context_;
  api::Filters filters_;
  api::NameMatcher names_;
  api::NameMatcher ids_;
  std::set<int> exit_codes_;
  std::set<ContainerStatus> statuses_;
  std::optional<TimePoint> before_;
  std::optional<TimePoint> since_;
  std::set<std::string> networks_;  // ids
  std::set<std::string> images_;    // ids
  std::set<std::string> publish_;   // "80/tcp"
  std::set<std::string> expose_;
  bool nothing_ = false;  // is-task=true
};

/// "80", "80/udp", "8000-8010/tcp" as single ports. @errors invalid_argument.
std::set<std::string> expand_port_range(const std::string& text);

}  // namespace sockerless
