// logs and import: one direction of bytes.

#include <cstdio>
#include <fstream>
#include <iostream>

#include "api/types_json.hpp"
#include "apps/cli/commands.hpp"
#include "apps/cli/daemon.hpp"
#include "apps/cli/output.hpp"
#include "base/error.hpp"

namespace sockerless::cli {

namespace {

Task<void> print_logs(Daemon& daemon, LogsOptions options) {
  const std::string path = "/containers/" + path_segment(options.container);
  const auto container = api::parse_json<api::ContainerInspectResponse>(co_await daemon.get(path + "/json"));
  std::vector<std::pair<std::string, std::string>> query{{"stdout", "1"}, {"stderr", "1"}};
  if (options.follow) query.emplace_back("follow", "1");
  if (options.timestamps) query.emplace_back("timestamps", "1");
  if (!options.since.empty()) query.emplace_back("since", options.since);
  if (!options.until.empty()) query.emplace_back("until", options.until);
  if (!options.tail.empty()) query.emplace_back("tail", options.tail);
  const auto stream = co_await daemon.stream(net::Method::get, path + "/logs" + query_of(query));
  Output output(container.config && container.config->tty.value_or(false) ? Framing::raw : Framing::multiplexed);
  std::vector<std::byte> buffer(64UL * 1024);
  while (const std::size_t count = co_await stream->read_some(buffer)) output.write(std::span(buffer).first(count));
}

/// The lines of a progress stream: prints the statuses, throws the error that one of them carries.
void show_progress(std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.find('{') == std::string_view::npos) continue;
    const auto info = boost::json::parse(boost::json::string_view(line.data(), line.size())).as_object();
    if (const auto* error = info.if_contains("error")) throw Error::internal("{}", std::string_view(error->as_string()));
    if (const auto* status = info.if_contains("status")) fmt::print("{}\n", std::string_view(status->as_string()));
  }
}

Task<void> import_stream(Daemon& daemon, std::istream& file, std::string target) {
  const auto upload = co_await daemon.upload(std::move(target), "application/x-tar");
  std::vector<char> buffer(256UL * 1024);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || file.gcount() > 0) {
    co_await upload->write(std::as_bytes(std::span(buffer).first(static_cast<std::size_t>(file.gcount()))));
  }
  co_await upload->finish_body();
  co_await upload->wait_head(Deadline::never());
  std::string answer;
  std::vector<std::byte> chunk(4096);
  while (const std::size_t count = co_await upload->read_some(chunk)) answer += as_text(std::span(chunk).first(count));
  check_status(upload->head().status, answer);
  show_progress(answer);
}

}  // namespace

int logs_command(const std::string& host, const LogsOptions& options) {
  Daemon daemon(host);
  run(print_logs(daemon, options));
  return 0;
}

int import_command(const std::string& host, const std::string& file, const std::string& reference,
                   const std::vector<std::string>& changes) {
  std::vector<std::pair<std::string, std::string>> query{{"fromSrc", "-"}};
  if (!reference.empty()) query.emplace_back("repo", reference);
  for (const std::string& change : changes) query.emplace_back("changes", change);
  std::ifstream opened;
  if (file != "-") {
    opened.open(file, std::ios::binary);
    if (!opened) throw Error::invalid_argument("cannot read {}", file);
  }
  Daemon daemon(host);
  run(import_stream(daemon, file == "-" ? std::cin : opened, "/images/create" + query_of(query)));
  return 0;
}

}  // namespace sockerless::cli
