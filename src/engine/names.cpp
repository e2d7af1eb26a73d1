#include "engine/names.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

constexpr std::array<std::string_view, 64> kAdjectives{
    "amber",  "ample",  "blithe", "bold",   "brave",   "breezy", "bright", "brisk",  "calm",  "candid", "cheery", "civil",  "clever",
    "cosy",   "crisp",  "dapper", "deft",   "eager",   "early",  "fair",   "fleet",  "fond",  "frank",  "fresh",  "gentle", "glad",
    "golden", "grand",  "hardy",  "hearty", "honest",  "humble", "jolly",  "keen",   "kind",  "lively", "lucid",  "mellow", "merry",
    "mild",   "neat",   "nimble", "noble",  "patient", "placid", "plucky", "polite", "proud", "quick",  "quiet",  "ready",  "serene",
    "sharp",  "silent", "smooth", "snug",   "spry",    "stable", "sturdy", "sunny",  "swift", "tidy",   "warm",   "witty"};

constexpr std::array<std::string_view, 64> kNouns{
    "acorn",  "alder",  "badger", "beacon", "birch",   "bison",   "breeze",  "brook",   "canyon",  "cedar",  "cliff",  "clover", "comet",
    "condor", "coral",  "crane",  "delta",  "dolphin", "dune",    "falcon",  "fern",    "finch",   "fjord",  "forest", "fox",    "glacier",
    "harbor", "hazel",  "heron",  "island", "jasper",  "juniper", "kestrel", "lagoon",  "lantern", "lark",   "linden", "lynx",   "maple",
    "marten", "meadow", "meteor", "moose",  "nebula",  "ocelot",  "orchid",  "osprey",  "otter",   "pebble", "pine",   "planet", "poplar",
    "quartz", "raven",  "reef",   "river",  "robin",   "sparrow", "summit",  "thistle", "tundra",  "valley", "walnut", "willow"};

constexpr int kTriesWithoutDigit = 3;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

}  // namespace

std::string generate_container_name(Random& random, int attempt) {
  const auto adjective = kAdjectives.at(random.below(kAdjectives.size()));
  const auto noun = kNouns.at(random.below(kNouns.size()));
  if (attempt < kTriesWithoutDigit) return fmt::format("{}_{}", adjective, noun);
  return fmt::format("{}_{}{}", adjective, noun, random.below(attempt < 2 * kTriesWithoutDigit ? 10 : 1'000'000));
}

bool is_valid_object_name(std::string_view name) {
  if (name.size() < 2 || !is_alphanumeric(name.front())) return false;
  return std::ranges::all_of(name, [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

std::string parse_container_name(std::string_view name) {
  const std::string_view bare = name.starts_with('/') ? name.substr(1) : name;
  if (!is_valid_object_name(bare)) {
    throw Error::invalid_argument("Invalid container name ({}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name);
  }
  return std::string(bare);
}

}  // namespace sockerless
