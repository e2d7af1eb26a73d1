#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/json.hpp"
#include "api/operation.hpp"
#include "api/params.hpp"
#include "api/query.hpp"
#include "api/types_json.hpp"
#include "api/version.hpp"
#include "backend/backend.hpp"
#include "base/task.hpp"
#include "frontend/frontend.hpp"
#include "net/server.hpp"

// Internal to frontend/: one request on its way through a route.
namespace sockerless::frontend {

/// One request: what was asked, in which version of the API, and where the answer comes from. Lives as long as its route runs.
struct Call {
  net::Exchange& exchange;
  Backend& backend;
  const FrontendOptions& options;
  api::ApiVersion version;
  api::Operation operation;
  std::string id;  ///< the path's parameter, decoded: an id, a name, an image reference
  api::Query query;

  /// Whether the client speaks 1.`minor` or newer.
  bool since(int minor) const { return version >= api::ApiVersion{1, minor}; }
  bool below(int minor) const { return !since(minor); }
  /// The value of a request header, "" where there is none.
  std::string header(std::string_view name) const;
  api::HeaderLookup headers() const {
    return [this](std::string_view name) { return header(name); };
  }
};

/// Answers with JSON and a line end, as Go's encoder does.
Task<void> reply_text(Call& call, int status, std::string json);
/// Answers without a body.
Task<void> reply_empty(Call& call, int status);

template <typename T>
Task<void> reply(Call& call, int status, const T& value) {
  return reply_text(call, status, api::to_json(value));
}

/// A body of JSON must say that it is one, so that a form on some web page cannot post it.
/// @errors invalid_argument: the request's Content-Type is not application/json.
void check_json_content_type(const Call& call);

/// @errors invalid_argument: a size that no terminal has.
TerminalSize terminal_size(std::int64_t height, std::int64_t width);

/// The request's JSON body as text; empty when there is none.
/// @errors invalid_argument: a Content-Type that is not JSON. too_large.
Task<std::string> read_json_text(Call& call);

/// The request's JSON body; a value of defaults when there is none.
template <typename T>
Task<T> read_json_body(Call& call) {
  const std::string text = co_await read_json_text(call);
  if (text.empty()) co_return T{};
  co_return api::parse_json<T>(text);
}

/// The same where a body must be. @errors invalid_argument: "invalid JSON: got EOF while reading request body".
template <typename T>
Task<T> read_required_json_body(Call& call) {
  const std::string text = co_await read_json_text(call);
  if (text.empty()) throw Error::invalid_argument("invalid JSON: got EOF while reading request body");
  co_return api::parse_json<T>(text);
}

/// X-Registry-Auth: base64url JSON; nothing when the header is absent, empty or holds nothing. dockerd does not complain of a malformed
/// one, and neither do we: the registry will.
std::optional<api::AuthConfig> registry_auth(const Call& call);

}  // namespace sockerless::frontend
