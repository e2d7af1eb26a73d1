#include "sdk/blocking_calls.hpp"

namespace sockerless {

namespace {

Task<SessionPointer> open_kind(std::shared_ptr<DaemonLink> link, StreamKind kind, Call call, BodySource content, std::optional<bool> tty,
                               CallOptions options) {
  switch (kind) {
    case StreamKind::upload:
      return open_upload(std::move(link), std::move(call), std::move(content), std::move(options));
    case StreamKind::output:
      return open_output(std::move(link), std::move(call), std::move(options));
    case StreamKind::duplex:
      return open_duplex(std::move(link), std::move(call), tty, std::move(options));
    case StreamKind::websocket:
      return open_websocket(std::move(link), std::move(call), std::move(options));
    case StreamKind::reader:
      break;
  }
  return open_reader(std::move(link), std::move(call), std::move(options));
}

}  // namespace

Result<net::Response> blocking_request(const CorePointer& core, Call call, CallOptions options) noexcept {
  try {
    OwnThreadRunner runner(core->contexts);
    return run_to_result(runner, core->link->request(std::move(call), std::move(options)));
  } catch (...) {
    return current_docker_error();
  }
}

Result<void> blocking_run_upload(const CorePointer& core, Call call, BodySource content, CallOptions options) noexcept {
  try {
    OwnThreadRunner runner(core->contexts);
    return run_to_result(runner, run_upload(core->link, std::move(call), std::move(content), std::move(options)));
  } catch (...) {
    return current_docker_error();
  }
}

Result<detail::StreamParts> blocking_open(const CorePointer& core, StreamKind kind, Call call, BodySource content, std::optional<bool> tty,
                                          CallOptions options) noexcept {
  try {
    const bool both_ways = kind == StreamKind::duplex || kind == StreamKind::websocket;
    std::unique_ptr<Runner> runner;
    if (both_ways) {
      runner = std::make_unique<SharedThreadRunner>(core->link->io_thread());
    } else {
      runner = std::make_unique<OwnThreadRunner>(core->contexts);
    }
    Result<SessionPointer> session =
        run_to_result(*runner, open_kind(core->link, kind, std::move(call), std::move(content), tty, std::move(options)));
    if (!session) return std::move(session).error();
    return detail::StreamParts(std::move(runner), *std::move(session));
  } catch (...) {
    return current_docker_error();
  }
}

}  // namespace sockerless
