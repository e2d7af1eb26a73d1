#include <optional>
#include <string_view>

#include "api/stream_frame.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "frontend/call.hpp"
#include "frontend/routes.hpp"
#include "frontend/streams.hpp"
#include "frontend/version_shape.hpp"

namespace sockerless::frontend {

namespace {

ExecRole& execs(Call& call) { return require(call.backend.exec(), call.backend, "exec"); }

/// Where the JSON object at the front of `text` ends, as soon as it is all there.
std::optional<std::size_t> end_of_object(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (c == '\\') {
        ++at;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (--depth <= 0) return at + 1;
    }
  }
  return std::nullopt;
}

struct StartBody {
  api::ExecStartRequest request;
  std::string early_input;  ///< what came with the body's JSON already
};

/// Clients that cannot upgrade (dockerode with hijack: false) keep one chunked body open: the options first, then the input. The answer
/// must not wait for such a body's end.
Task<StartBody> read_open_body(Call& call) {
  std::string text;
  std::array<char, 4096> buffer;
  std::optional<std::size_t> end;
  while (!end) {
    const std::size_t count = co_await call.exchange.body().read_some(std::as_writable_bytes(std::span(buffer)));
    if (count == 0) break;
    text.append(buffer.data(), count);
    if (text.size() > call.options.json_body_limit)
      throw Error::too_large("the request's options are larger than {} bytes", call.options.json_body_limit);
    end = end_of_object(text);
  }
  StartBody body;
  if (text.empty()) co_return body;
  body.request = api::parse_json<api::ExecStartRequest>(std::string_view(text).substr(0, end.value_or(text.size())));
  if (end) body.early_input = text.substr(*end);
  co_return body;
}

Task<StartBody> read_start_body(Call& call) {
  const bool open = call.exchange.has_body() && !call.exchange.wants_upgrade() && call.header("Content-Length").empty();
  if (!open) co_return StartBody{.request = co_await read_json_body<api::ExecStartRequest>(call), .early_input = {}};
  check_json_content_type(call);
  co_return co_await read_open_body(call);
}

ExecStartOptions start_options(const api::ExecStartRequest& request) {
  ExecStartOptions options{.detach = request.detach.value_or(false), .tty = request.tty.value_or(false), .console_size = std::nullopt};
  if (request.console_size && !request.console_size->empty()) {
    if (request.console_size->size() != 2) throw Error::invalid_argument("ConsoleSize must be [height, width]");
    options.console_size = terminal_size(request.console_size->at(0), request.console_size->at(1));
  }
  return options;
}

Task<std::unique_ptr<net::HijackedConnection>> hijack(Call& call, bool tty) {
  const bool upgrade = call.exchange.wants_upgrade();
  const bool multiplexed = upgrade && !tty && call.since(42);
  const std::string_view type = multiplexed ? api::kMultiplexedStreamType : api::kRawStreamType;
  return call.exchange.hijack(upgrade ? 101 : 200, {{"Content-Type", std::string(type)}});
}

/// A process that cannot be started is told in the stream, as dockerd does: the client then asks inspect for the exit code (126, 127).
Task<void> tell_in_stream(Call& call, bool tty, std::string message) {
  const std::unique_ptr<net::HijackedConnection> connection = co_await hijack(call, tty);
  std::string text = message + "\r\n";
  if (!tty) {
    std::string framed;
    api::append_frame(framed, api::StreamKind::standard_output, text);
    text = std::move(framed);
  }
  co_await connection->write(as_bytes(text));
  co_await connection->close_write();
}

bool is_start_failure(const Error& error) { return error.code() == ErrorCode::invalid_argument || error.code() == ErrorCode::internal; }

}  // namespace

Task<void> create_exec(Call& call) {
  auto request = co_await read_json_body<api::ContainerExecRequest>(call);
  if (!request.cmd || request.cmd->empty()) throw Error::invalid_argument("No exec command specified");
  adjust(request, call.version);
  co_await reply(call, 201, co_await execs(call).create({call.id}, std::move(request)));
}

Task<void> start_exec(Call& call) {
  ExecRole& role = execs(call);
  StartBody body = co_await read_start_body(call);
  adjust(body.request, call.version);
  const ExecStartOptions options = start_options(body.request);
  const api::ExecInspectResponse exec = co_await role.inspect({call.id});  // 404 before anything else
  std::unique_ptr<AttachSession> session;
  std::optional<Error> failure;
  try {
    session = co_await role.start({call.id}, options);
  } catch (...) {
    failure = current_error();
  }
  if (failure && (options.detach || !is_start_failure(*failure))) throw *failure;
  if (failure) co_return co_await tell_in_stream(call, options.tty, failure->message());
  if (options.detach || session == nullptr) co_return co_await reply_empty(call, 200);
  std::unique_ptr<net::HijackedConnection> connection = co_await hijack(call, options.tty);
  co_await serve_session(std::move(session), std::move(connection), exec.open_stdin.value_or(false) ? UseStdin::yes : UseStdin::no,
                         std::move(body.early_input));
}

Task<void> resize_exec(Call& call) {
  const api::ExecResizeParams params = api::parse_exec_resize_params(call.query);
  co_await execs(call).resize({call.id}, terminal_size(params.h, params.w));
  co_await reply_empty(call, 200);
}

Task<void> inspect_exec(Call& call) { co_await reply(call, 200, co_await execs(call).inspect({call.id})); }

}  // namespace sockerless::frontend
