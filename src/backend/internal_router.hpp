#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include "backend/backend.hpp"
#include "backend/internal_api.hpp"
#include "backend/internal_codec.hpp"
#include "base/byte_source.hpp"
#include "base/guarded.hpp"
#include "base/task.hpp"
#include "net/server.hpp"

namespace sockerless::internal {

/// A request on its way to a role. The references are the handler's and live as long as it runs.
struct Request {
  Backend& backend;
  net::Exchange& exchange;
  std::string id;  ///< the path's parameter, decoded
  api::Query query;
};

/// The options of a request. @errors invalid_argument.
template <typename Options>
Options read_options(const Request& request) {
  Options options{};
  OptionReader reader(request.query, request.exchange.request().headers);
  describe(reader, options);
  return options;
}

/// Bodies of JSON are no longer than this.
inline constexpr std::size_t kMaxJsonBody = 16UL * 1024 * 1024;

// ---- answers

Task<void> respond_json(net::Exchange& exchange, int status, std::string json);
Task<void> respond_nothing(net::Exchange& exchange, int status);
/// Sends a source to its end. The head goes out with the first piece, so that an earlier failure is a status; `lines` that fail later end
/// in an error_line, archives break off.
Task<void> respond_source(net::Exchange& exchange, std::unique_ptr<ByteSource> source, Content content, net::Headers headers);
/// Sends lines as `next_line` gives them until it gives an empty one. The head goes out at once.
Task<void> respond_lines(net::Exchange& exchange, std::function<Task<std::string>()> next_line);
/// Output of a container; the head goes out at once.
Task<void> respond_output(net::Exchange& exchange, OutputStream output);

Task<void> serve_output(net::Exchange& exchange, OutputStream output);
Task<void> serve_session(net::Exchange& exchange, std::unique_ptr<AttachSession> session);
Task<void> serve_wait(net::Exchange& exchange, std::unique_ptr<ContainerWait> wait);

/// The request's body as a source that may be given away: its holder may keep it a moment longer than the answer takes, but not longer than
/// the exchange lives. The handler awaits released() before it returns.
class LentBody {
 public:
  explicit LentBody(net::Exchange& exchange);
  /// Once only.
  std::unique_ptr<ByteSource> lend();
  Task<void> released();

 private:
  class Source;
  struct State;
  net::Exchange& exchange_;
  std::shared_ptr<State> state_;  // shared with the source, which reports its end to it
};

// ---- routes

/// The routes of the server: which path is answered by what.
class Router {
 public:
  using Answer = std::function<Task<void>(Request&)>;

  template <typename Options, typename Body, typename Result>
  using CallFunction = Task<std::conditional_t<std::is_same_v<Result, None>, void, Result>> (*)(Backend&, std::string id, Options, Body);

  template <typename Options, typename Body, typename Result>
  void add(const Call<Options, Body, Result>& call, std::type_identity_t<CallFunction<Options, Body, Result>> function) {
    add(call.method, call.path, [call, function](Request& request) { return answer_call(call, function, request); });
  }

  template <typename Options>
  void add(
      const Stream<Options>& stream,
      std::type_identity_t<Task<std::unique_ptr<ByteSource>> (*)(Backend&, std::string id, Options, std::unique_ptr<ByteSource> upload)>
          function) {
    add(stream.method, stream.path, [stream, function](Request& request) { return answer_stream(stream, function, request); });
  }

  template <typename Options, typename Item, typename ItemStream>
  void add(const Items<Options, Item>& items, Task<std::unique_ptr<ItemStream>> (*function)(Backend&, std::string id, Options)) {
    add(items.method, items.path, [function](Request& request) { return answer_items<Options, Item, ItemStream>(function, request); });
  }

  /// `serve` is one of serve_output, serve_session, serve_wait.
  template <typename Options, typename Session>
  void add(const Socket<Options>& socket, Task<Session> (*open)(Backend&, std::string id, Options),
           Task<void> (*serve)(net::Exchange&, Session)) {
    add(net::Method::get, socket.path, [open, serve](Request& request) { return answer_socket(open, serve, request); });
  }

  void add(net::Method method, std::string_view path, Answer answer);

  /// @errors not_found: "page not found".
  Task<void> handle(Backend& backend, net::Exchange& exchange) const;

 private:
  struct Route {
    net::Method method;
    std::string_view prefix;  // of the path before its parameter; the whole path where there is none
    std::string_view suffix;
    bool has_parameter = false;
    bool with_slashes = false;
    Answer answer;
  };

  const Route* find(net::Method method, std::string_view path, std::string* parameter) const;

  template <typename Options, typename Body, typename Result, typename Function>
  static Task<void> answer_call(Call<Options, Body, Result> call, Function function, Request& request) {
    Options options = read_options<Options>(request);
    Body body{};
    if constexpr (!std::is_same_v<Body, None>) body = api::parse_json<Body>(co_await request.exchange.read_body(kMaxJsonBody));
    auto result = function(request.backend, std::move(request.id), std::move(options), std::move(body));
    if constexpr (std::is_same_v<Result, None>) {
      co_await std::move(result);
      co_await respond_nothing(request.exchange, call.status == kOk ? 204 : call.status);
    } else {
      const Result value = co_await std::move(result);
      co_await respond_json(request.exchange, call.status, api::to_json(value));
    }
  }

  template <typename Options, typename Function>
  static Task<void> answer_stream(Stream<Options> stream, Function function, Request& request) {
    auto open = [](Stream<Options> to, Function opens, Request& asked, std::unique_ptr<ByteSource> upload) -> Task<void> {
      auto source = co_await opens(asked.backend, std::move(asked.id), read_options<Options>(asked), std::move(upload));
      if (source == nullptr) {
        co_await respond_nothing(asked.exchange, 204);
      } else {
        co_await respond_source(asked.exchange, std::move(source), to.content, {});
      }
    };
    if (stream.upload == Upload::no) {
      co_await open(stream, function, request, nullptr);
      co_return;
    }
    LentBody body(request.exchange);
    std::exception_ptr failure;
    try {
      co_await open(stream, function, request, body.lend());
    } catch (...) {
      failure = std::current_exception();
    }
    // Awaited even when cancelled. On a coroutine thread of its own, so that the connection's stays as it is.
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await asio::co_spawn(co_await asio::this_coro::executor, body.released(),
                            asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable));
    co_await asio::this_coro::throw_if_cancelled(true);
    if (failure) std::rethrow_exception(failure);
  }

  template <typename Options, typename Item, typename ItemStream>
  static Task<void> answer_items(Task<std::unique_ptr<ItemStream>> (*function)(Backend&, std::string, Options), Request& request) {
    const auto stream = co_await function(request.backend, std::move(request.id), read_options<Options>(request));
    co_await respond_lines(request.exchange, [from = stream.get()] { return next_line<ItemStream>(*from); });
  }

  template <typename ItemStream>
  static Task<std::string> next_line(ItemStream& stream) {
    const auto item = co_await stream.next();
    if (!item) co_return std::string{};
    co_return api::to_json(*item) + "\n";
  }

  template <typename Options, typename Session>
  static Task<void> answer_socket(Task<Session> (*open)(Backend&, std::string, Options), Task<void> (*serve)(net::Exchange&, Session),
                                  Request& request) {
    Options options = read_options<Options>(request);
    if (!request.exchange.wants_websocket()) throw Error::invalid_argument("this route is a WebSocket");
    co_await serve(request.exchange, co_await open(request.backend, std::move(request.id), std::move(options)));
  }

  std::vector<Route> routes_;  // those without a parameter first, then the longer suffix first
};

// ---- the routes by resource

void add_container_routes(Router& router);
void add_image_routes(Router& router);

}  // namespace sockerless::internal
