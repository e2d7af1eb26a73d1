#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "bench/peers.hpp"
#include "tests/support/http_probe.hpp"

// What more than one measure lets a daemon do.
namespace sockerless::bench {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point begin);
/// The median of `times` runs of `measure`, after one that warms up.
double median_of(int times, const std::function<double()>& measure);

std::string string_member(const std::string& json, const char* name);
/// A container of bench:latest without network. @param more  members of the body, each after a comma. @return its id.
std::string create(HttpProbe& probe, const std::string& command_json, const std::string& more = {});
void remove_container(HttpProbe& probe, const std::string& id);

/// Creates the exec of `true`, starts it, reads its output to the end, asks for the exit code: milliseconds.
double exec_once(HttpProbe& probe, const std::string& socket, const std::string& container);
/// Resident memory of a process, in MB; nothing: it has ended.
std::optional<double> find_resident_megabytes(const std::string& pid);
/// Attaches, starts, and counts what a container writes as fast as it can: MB/s.
double attach_rate(const Peer& peer, std::uint64_t megabytes);
/// Reads back a million lines: MB/s.
double logs_rate(const Peer& peer);

}  // namespace sockerless::bench
