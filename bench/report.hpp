#pragma once

#include <optional>
#include <string>
#include <vector>

namespace sockerless::bench {

/// One line of the table: a figure of Sockerless beside a peer's.
struct Row {
  std::string what;  ///< "/_ping"
  std::string unit;  ///< "1/s", "ms", "MB/s", "MB"
  double ours = 0;
  std::string peer;                   ///< "nginx"; empty for an absolute budget
  std::optional<double> theirs = {};  ///< nothing: the peer is not installed
  /// The ratio ours/theirs (or the figure itself without a peer) must be at least / at most this; neither: for orientation.
  std::optional<double> at_least = {};
  std::optional<double> at_most = {};
};

class Report {
 public:
  void add(Row row);
  /// Prints the table; @return true if every budget that could be measured was met.
  bool print() const;
  void write_json(const std::string& file) const;

 private:
  std::vector<Row> rows_;
};

}  // namespace sockerless::bench
