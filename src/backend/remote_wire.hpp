#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "backend/internal_api.hpp"
#include "backend/internal_codec.hpp"
#include "backend/remote.hpp"
#include "backend/streams.hpp"
#include "net/client.hpp"

namespace sockerless::internal {

/// A request as the routes describe it, before it is sent.
struct Outgoing {
  net::Method method;
  std::string target;
  net::Headers headers;
};

/// Fills the path's parameter in and appends the options.
template <typename Options>
Outgoing make_outgoing(net::Method method, std::string_view path, std::string_view id, Options options) {
  OptionWriter writer;
  describe(writer, options);
  std::string target(kPrefix);
  const std::size_t open = path.find('{');
  target += path.substr(0, open);
  if (open != std::string_view::npos) {
    target += percent_encode(id);
    target += path.substr(path.find('}') + 1);
  }
  return {method, target + writer.query(), std::move(writer.headers())};
}

/// What a server answered whose stream has begun: its head, and its body as it comes.
struct Incoming {
  net::ResponseHead head;
  std::unique_ptr<ByteSource> body;
};

/// The client's side of the routes in internal_api.hpp. Threads: any.
class Wire {
 public:
  explicit Wire(RemoteOptions options);

  template <typename Options, typename Body, typename Result>
  Task<std::conditional_t<std::is_same_v<Result, None>, void, Result>> call(Call<Options, Body, Result> route, std::string id,
                                                                            Options options, Body body) {
    Outgoing request = make_outgoing(route.method, route.path, id, std::move(options));
    std::string json;
    if constexpr (!std::is_same_v<Body, None>) json = api::to_json(body);
    const std::string answer = co_await exchange(std::move(request), std::move(json), route.patience);
    if constexpr (!std::is_same_v<Result, None>) co_return parse_answer<Result>(answer);
  }

  /// A stream that was answered, after the upload if there is one. Lines that end in an error_line end in its Error.
  template <typename Options>
  Task<std::unique_ptr<ByteSource>> stream(Stream<Options> route, std::string id, Options options,
                                           std::unique_ptr<ByteSource> upload = nullptr) {
    Outgoing request = make_outgoing(route.method, route.path, id, std::move(options));
    Incoming answer = co_await open(std::move(request), std::move(upload));
    if (route.content == Content::lines) co_return as_lines(std::move(answer.body));
    co_return std::move(answer.body);
  }

  /// A stream of documents; `next` of the result gives one line each.
  template <typename Options, typename Item>
  Task<std::unique_ptr<ByteSource>> items(Items<Options, Item> route, std::string id, Options options) {
    Outgoing request = make_outgoing(route.method, route.path, id, std::move(options));
    Incoming answer = co_await open(std::move(request), nullptr);
    co_return as_lines(std::move(answer.body));
  }

  template <typename Options>
  Task<std::unique_ptr<net::WebSocket>> connect(Socket<Options> route, std::string id, Options options) {
    Outgoing request = make_outgoing(net::Method::get, route.path, id, std::move(options));
    return connect(std::move(request));
  }

  /// A whole exchange: the answer's body. @errors those of the answer.
  Task<std::string> exchange(Outgoing request, std::string body, Patience patience);
  /// A streamed exchange. @errors those of the answer.
  Task<Incoming> open(Outgoing request, std::unique_ptr<ByteSource> upload);

  template <typename T>
  static T parse_answer(std::string_view json) {
    try {
      return api::parse_json<T>(json);
    } catch (const Error& error) {
      throw Error::internal("the backend's answer is malformed").with_detail(error.what());
    }
  }

 private:
  static std::unique_ptr<ByteSource> as_lines(std::unique_ptr<ByteSource> bytes);
  Task<std::unique_ptr<net::WebSocket>> connect(Outgoing request);

  net::HttpClient client_;
  const std::chrono::steady_clock::duration timeout_;
};

/// The documents of a stream, one a line.
class LineReader {
 public:
  explicit LineReader(std::unique_ptr<ByteSource> lines) : lines_(std::move(lines)) {}
  /// Nothing: the stream has ended.
  Task<std::optional<std::string>> next();

 private:
  std::unique_ptr<ByteSource> lines_;
  std::string pending_;
  std::size_t used_ = 0;
};

/// @errors unavailable: the connection broke.
Task<OutputStream> read_output(std::unique_ptr<net::WebSocket> socket);
Task<std::unique_ptr<AttachSession>> read_session(std::unique_ptr<net::WebSocket> socket);
std::unique_ptr<ContainerWait> read_wait(std::unique_ptr<net::WebSocket> socket);

}  // namespace sockerless::internal
