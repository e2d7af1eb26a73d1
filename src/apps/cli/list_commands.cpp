// ps, images, version: one question, one table.

#include <cstdio>

#include <fmt/ranges.h>

#include "api/types_json.hpp"
#include "apps/cli/commands.hpp"
#include "apps/cli/daemon.hpp"
#include "base/time.hpp"

namespace sockerless::cli {

namespace {

std::string short_id(std::string_view id) {
  if (id.starts_with("sha256:")) id.remove_prefix(7);
  return std::string(id.substr(0, 12));
}

std::string age_of(std::int64_t created) {
  return human_duration(system_clock().now() - TimePoint(std::chrono::seconds(created))) + " ago";
}

std::string ports_of(const api::ContainerSummary& container) {
  std::vector<std::string> texts;
  for (const auto& port : container.ports.value_or(std::vector<api::PortSummary>{})) {
    const std::string inner = fmt::format("{}/{}", port.private_port, port.type.str());
    texts.push_back(port.public_port ? fmt::format("{}:{}->{}", port.ip.value_or(""), *port.public_port, inner) : inner);
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string names_of(const api::ContainerSummary& container) {
  auto names = container.names.value_or(std::vector<std::string>{});
  for (std::string& name : names) name.erase(0, name.starts_with("/") ? 1 : 0);
  return fmt::format("{}", fmt::join(names, ","));
}

void print_table(std::vector<std::vector<std::string>> rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}   ", row[i], widths[i]);
    fmt::print("{}\n", line);
  }
}

std::string quoted_command(std::string command) {
  constexpr std::size_t kWidth = 20;
  if (command.size() > kWidth) command = command.substr(0, kWidth - 1) + "…";
  return fmt::format("\"{}\"", command);
}

}  // namespace

int ps_command(const std::string& host, bool all, bool quiet) {
  Daemon daemon(host);
  const auto containers =
      api::parse_json<std::vector<api::ContainerSummary>>(run(daemon.get(all ? "/containers/json?all=1" : "/containers/json")));
  std::vector<std::vector<std::string>> rows{{"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"}};
  for (const auto& container : containers) {
    const std::string id = short_id(container.id.value_or(""));
    if (quiet) {
      fmt::print("{}\n", id);
      continue;
    }
    rows.push_back({id, container.image.value_or(""), quoted_command(container.command.value_or("")), age_of(container.created.value_or(0)),
                    container.status.value_or(""), ports_of(container), names_of(container)});
  }
  if (!quiet) print_table(std::move(rows));
  return 0;
}

int images_command(const std::string& host, bool quiet) {
  Daemon daemon(host);
  const auto images = api::parse_json<std::vector<api::ImageSummary>>(run(daemon.get("/images/json")));
  std::vector<std::vector<std::string>> rows{{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"}};
  for (const auto& image : images) {
    const std::string id = short_id(image.id);
    if (quiet) {
      fmt::print("{}\n", id);
      continue;
    }
    auto tags = image.repo_tags;
    if (tags.empty()) tags = {"<none>:<none>"};
    for (const std::string& tag : tags) {
      const auto colon = tag.rfind(':');
      rows.push_back({tag.substr(0, colon), tag.substr(colon + 1), id, age_of(image.created),
                      fmt::format("{:.2f}MB", static_cast<double>(image.size) / 1e6)});
    }
  }
  if (!quiet) print_table(std::move(rows));
  return 0;
}

int version_command(const std::string& host) {
  fmt::print("Client: {}\n", SOCKERLESS_VERSION);
  std::fflush(stdout);
  Daemon daemon(host);
  const auto version = api::parse_json<api::SystemVersion>(run(daemon.get("/version")));
  fmt::print("Server: {}\n  API version: {} (minimum {})\n  OS/Arch:     {}/{}\n  Address:     {}\n", version.version.value_or("?"),
             version.api_version.value_or("?"), version.min_api_version.value_or("?"), version.os.value_or("?"), version.arch.value_or("?"),
             host);
  return 0;
}

}  // namespace sockerless::cli
