#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace sockerless::local {

/// What control groups this host has, version 1 (also hybrid) or 2.
class CgroupHost {
 public:
  /// Looks at /proc/self/mountinfo and the files of the root group. May block.
  static CgroupHost blocking_detect();

  int version() const { return version_; }
  bool has(const std::string& controller) const { return controllers_.contains(controller); }
  bool has_swap_limit() const { return has_swap_limit_; }
  bool has_blkio_weight() const { return has_blkio_weight_; }

  /// The directory of a group ("/sockerless/<id>") in a controller's hierarchy; version 2 has one for all.
  std::string directory(const std::string& controller, const std::string& group) const;
  /// Every directory a group has.
  std::vector<std::string> directories(const std::string& group) const;
  /// The file with the line "oom_kill N".
  std::string oom_file(const std::string& group) const;
  /// The processes in a group and below it; empty when there is none. May block.
  std::vector<std::int64_t> blocking_pids(const std::string& group) const;
  /// Kills what is in the group and removes it. May block.
  void blocking_remove(const std::string& group) const;

 private:
  int version_ = 1;
  bool has_swap_limit_ = false;
  bool has_blkio_weight_ = false;
  std::set<std::string> controllers_;
  std::set<std::string> mount_points_;
  std::string root_;  // version 2
};

/// The cgroup of a container, as the OCI configuration names it.
std::string container_cgroup(const std::string& id);

}  // namespace sockerless::local
