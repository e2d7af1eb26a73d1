#include "bench/report.hpp"

#include <cstdio>
#include <fstream>

#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless::bench {

namespace {

std::optional<double> judged(const Row& row) {
  if (row.peer.empty()) return row.ours;
  if (!row.theirs || *row.theirs == 0) return std::nullopt;
  return row.ours / *row.theirs;
}

bool met(const Row& row) {
  const auto value = judged(row);
  if (!value) return true;
  return (!row.at_least || *value >= *row.at_least) && (!row.at_most || *value <= *row.at_most);
}

std::string budget_of(const Row& row) {
  if (row.at_least) return fmt::format(">= {:g}", *row.at_least);
  if (row.at_most) return fmt::format("<= {:g}", *row.at_most);
  return "";
}

std::string verdict_of(const Row& row) {
  if (!row.at_least && !row.at_most) return "";
  if (!judged(row)) return "not measured";
  return met(row) ? "ok" : "MISSED";
}

}  // namespace

void Report::add(Row row) {
  std::fprintf(stderr, "  %s: %.1f %s\n", row.what.c_str(), row.ours, row.unit.c_str());
  rows_.push_back(std::move(row));
}

bool Report::print() const {
  fmt::print("{:<46} {:>12} {:>5}  {:<14} {:>12} {:>9} {:>9}  {}\n", "measure", "sockerless", "unit", "peer", "peer's", "ratio", "budget",
             "");
  bool all_met = true;
  for (const Row& row : rows_) {
    const auto value = judged(row);
    const std::string theirs = row.peer.empty() ? "" : row.theirs ? fmt::format("{:.1f}", *row.theirs) : "no figure";
    const std::string ratio = row.peer.empty() || !value ? "" : fmt::format("{:.2f}", *value);
    fmt::print("{:<46} {:>12.1f} {:>5}  {:<14} {:>12} {:>9} {:>9}  {}\n", row.what, row.ours, row.unit, row.peer, theirs, ratio,
               budget_of(row), verdict_of(row));
    all_met = all_met && met(row);
  }
  return all_met;
}

void Report::write_json(const std::string& file) const {
  boost::json::array rows;
  for (const Row& row : rows_) {
    boost::json::object object{{"what", row.what}, {"unit", row.unit}, {"sockerless", row.ours}};
    if (!row.peer.empty()) object["peer"] = row.peer;
    if (row.theirs) object["peer_value"] = *row.theirs;
    if (const auto value = judged(row); value && !row.peer.empty()) object["ratio"] = *value;
    if (row.at_least) object["at_least"] = *row.at_least;
    if (row.at_most) object["at_most"] = *row.at_most;
    object["met"] = met(row);
    rows.push_back(std::move(object));
  }
  std::ofstream out(file);
  out << boost::json::serialize(rows) << '\n';
  if (!out) throw Error::internal("cannot write {}", file);
}

}  // namespace sockerless::bench
