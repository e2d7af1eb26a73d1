#pragma once

#include <string>
#include <vector>

namespace sockerless::bench {

/// Networks and mounts of this process's and its children's own, so that bridges and rules of the peers meet nobody else's; and crun runs
/// on a host where one controller was left to cgroup v2 beside v1 ones. Root only; before other threads exist.
class OwnNamespaces {
 public:
  /// @errors unavailable: not permitted.
  OwnNamespaces();
  OwnNamespaces(const OwnNamespaces&) = delete;
  OwnNamespaces& operator=(const OwnNamespaces&) = delete;
  /// Removes the control groups that peers left in the controller, with the processes in them, which then goes back to where it was.
  ~OwnNamespaces();

 private:
  bool has_taken_hugetlb_ = false;
  std::vector<std::string> before_;  // its control groups that were there
};

}  // namespace sockerless::bench
