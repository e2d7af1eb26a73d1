// The script of some 200 requests that the relay is held against: played to dockerd and to Sockerless in front of it, both answers must be
// the same text. What differs from run to run is replaced, and nothing else: ids, times, process numbers, sizes that depend on them.

#include "tests/differential/script.hpp"

#include <regex>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include "base/byte_stream.hpp"
#include "base/error.hpp"
#include "oci/tar.hpp"
#include "tests/support/http_probe.hpp"

namespace sockerless::differential {

namespace {

std::string replaced(std::string text) {
  static const std::vector<std::pair<std::regex, std::string>> kVolatile = {
      {std::regex("[0-9a-f]{64}"), "<id>"},
      {std::regex("\\b[0-9a-f]{12}\\b"), "<short id>"},
      {std::regex("\\b[0-9a-f]{32}\\b"), "<trace id>"},
      {std::regex("\\b[0-9a-z]{25}\\b"), "<cache id>"},
      {std::regex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\\.[0-9]+)?(Z|[+-][0-9:]{5})"), "<time>"},
      {std::regex(
           "\"(Pid|Created|time|timeNano|NFd|NGoroutines|NEventsListener|Started|StartedAt|LastTagTime|SystemTime|UpdatedAt|UsageCount)\":"
           "(-?[0-9]+|\"[^\"]*\")"),
       "\"$1\":<volatile>"},
      {std::regex("(Up|Exited \\([0-9]+\\)) [A-Za-z0-9 ]+"), "$1 <duration>"},
      {std::regex("\\[\"root\",\"[0-9]+\",\"[0-9]+\",\"[0-9]+\",\"[0-9:]+\""), "[\"root\",<process>"},
  };
  for (const auto& [pattern, by] : kVolatile) text = std::regex_replace(text, pattern, by);
  return text;
}

std::string text_of(const WireAnswer& answer, bool has_volatile_body) {
  const std::string body = has_volatile_body ? "<volatile>" : replaced(answer.body);
  std::string text = answer.status_line + "\n";
  for (const auto& [name, value] : answer.headers) {
    const bool is_own_length = name == "Content-Length" && body != answer.body;
    const bool is_stat = name == "X-Docker-Container-Path-Stat";  // base64 of a time, among others
    text += name + ": " + (name == "Date" || is_own_length || is_stat ? "<volatile>" : replaced(value)) + "\n";
  }
  return text + "(" + answer.framing + ")\n" + body;
}

constexpr std::string_view kJson = "application/json";

struct Extra {
  bool is_chunked = false;
  bool is_body_volatile = false;
};

class Player {
 public:
  explicit Player(const std::string& socket) : socket_(socket), wire_(socket) {}

  std::vector<Line> take_lines() { return std::move(lines_); }

  /// One request on the kept-alive connection.
  WireAnswer ask(std::string_view method, const std::string& target, std::string_view body = {}, std::string_view type = kJson,
                 const Extra& extra = {}) {
    std::string request = fmt::format("{} {} HTTP/1.1\r\nHost: docker\r\nUser-Agent: differential\r\n", method, target);
    if (!body.empty()) request += fmt::format("Content-Type: {}\r\n", type);
    if (extra.is_chunked) {
      request += "Transfer-Encoding: chunked\r\n\r\n";
      for (std::string_view rest = body; !rest.empty(); rest.remove_prefix(std::min<std::size_t>(rest.size(), 5000))) {
        request += fmt::format("{:x}\r\n{}\r\n", std::min<std::size_t>(rest.size(), 5000), rest.substr(0, 5000));
      }
      request += "0\r\n\r\n";
    } else {
      if (!body.empty() || method == "POST" || method == "PUT") request += fmt::format("Content-Length: {}\r\n", body.size());
      request += "\r\n";
      request += body;
    }
    return exchange(request, method == "HEAD", extra.is_body_volatile);
  }

  WireAnswer exchange(const std::string& request, bool to_head, bool is_body_volatile = false) {
    WireAnswer answer;
    try {
      wire_.send(request);
      answer = wire_.read_answer(to_head);
    } catch (Error& error) {
      error.add_context(fmt::format("request {} of the script, {}", lines_.size(), request.substr(0, request.find("\r\n"))));
      throw;
    }
    note(request, text_of(answer, is_body_volatile));
    const bool is_old = answer.status_line.starts_with("HTTP/1.0") && answer.header("Connection") != "keep-alive";
    if (answer.header("Connection") == "close" || answer.framing == "close" || is_old) {
      note(request, "the connection then gives: " + wire_.read_to_end());
      wire_ = Wire(socket_);
    }
    return answer;
  }

  /// A connection of its own: sends the request and `input`, half-closes, notes all that comes.
  void hijack(const std::string& target, std::string_view body, std::string_view input, bool upgrade, std::string_view protocol = "tcp") {
    Wire wire(socket_);
    const std::string request =
        fmt::format("POST {} HTTP/1.1\r\nHost: docker\r\n{}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", target,
                    upgrade ? fmt::format("Connection: Upgrade\r\nUpgrade: {}\r\n", protocol) : std::string(), body.size(), body);
    wire.send(request);
    const WireAnswer answer = wire.read_answer(false);
    std::string text = text_of(answer, false);
    if (answer.framing == "raw") {
      if (!input.empty()) wire.send(input);
      wire.half_close();
      text += wire.read_to_end();
    }
    note(request, text);
  }

  /// dockerd ends an exec's stream a moment before it knows that the exec has ended. Not part of the script.
  void await_end_of_exec(const std::string& id) {
    support::HttpProbe probe(socket_);
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (probe.must("GET", "/exec/" + id + "/json").find(R"("Running":true)") != std::string::npos) {
      if (std::chrono::steady_clock::now() > give_up) throw Error::unavailable("the exec {} does not end", id);
    }
  }

  /// Reads the first bytes of a stream that does not end, up to `end`, then goes away.
  void watch(const std::string& target, std::string_view end, std::string_view then_method = {}, const std::string& then_target = {}) {
    Wire wire(socket_);
    wire.send(fmt::format("GET {} HTTP/1.1\r\nHost: docker\r\n\r\n", target));
    std::string text = wire.read_until("\r\n\r\n");
    if (!then_method.empty()) ask(then_method, then_target);
    text += wire.read_until(end);
    text = std::regex_replace(text, std::regex("Date: [^\r]*"), "Date: <volatile>");
    note("GET " + target, replaced(text));
  }

 private:
  void note(std::string_view request, std::string answer) {
    lines_.push_back({.request = replaced(std::string(request.substr(0, std::min<std::size_t>(request.find("\r\n\r\n"), 300)))),
                      .answer = std::move(answer)});
  }

  std::string socket_;
  Wire wire_;
  std::vector<Line> lines_;
};

/// dockerd lists several networks in no order of its own.
constexpr const char* kOneNetwork = "/networks?filters=%7B%22name%22%3A%5B%22none%22%5D%7D";

std::string id_of(const WireAnswer& answer) {
  const auto value = boost::json::parse(answer.body);
  return std::string(value.at("Id").as_string());
}

std::string tar_of(const std::string& name, const std::string& content) {
  struct StringSink final : oci::TarWriter::Sink {
    void blocking_write(std::span<const std::byte> bytes) override { tar += as_text(bytes); }
    std::string tar;
  };
  StringSink sink;
  oci::TarWriter writer(sink);
  writer.blocking_add_file(name, content);
  writer.blocking_finish();
  return std::move(sink.tar);
}

/// Everything that only reads, in every manner of writing the version.
void read_everything(Player& player) {
  for (const std::string version : {"", "/v1.24", "/v1.30", "/v1.39", "/v1.40", "/v1.41", "/v1.99", "/v1.2"}) {
    for (const std::string path :
         {"/_ping", "/version", "/containers/json?all=1", "/images/json", kOneNetwork, "/volumes", "/nodes", "/services", "/plugins",
          "/containers/nope/json", "/images/nope/json", "/exec/nope/json", "/no/such/path"}) {
      player.ask("GET", version + path);
    }
  }
  for (const std::string path : {"/info",
                                 "/system/df",
                                 "/swarm",
                                 "/tasks",
                                 "/secrets",
                                 "/configs",
                                 "/images/busybox/json",
                                 "/images/busybox/history",
                                 "/networks/none",
                                 "/networks/nope",
                                 "/volumes/nope",
                                 "/plugins/nope/json",
                                 "/events?since=1&until=2",
                                 "/containers/json?limit=x",
                                 "/containers/json?filters=%7B%22status%22%3A%5B%22nonsense%22%5D%7D",
                                 "/containers/json?filters=notjson",
                                 "/containers//json",
                                 "//containers/json",
                                 "/images/json?all=1&digests=1",
                                 "/containers/nope/logs?stdout=1",
                                 "/containers/nope/archive?path=/",
                                 "/images/get?names=nope",
                                 "/containers/%2e%2e/json",
                                 "/v1.41",
                                 "/",
                                 "/services/nope",
                                 "/nodes/nope"}) {
    player.ask("GET", path);
  }
  for (const std::string path : {"/_ping", "/version", "/containers/json", "/containers/nope/archive?path=/", "/nothing"})
    player.ask("HEAD", path);
  player.ask("OPTIONS", "/containers/json");
  player.ask("PATCH", "/containers/json");
  player.ask("BREW", "/coffee");
}

void err_everywhere(Player& player) {
  for (const std::string path : {"/containers/nope/start",
                                 "/containers/nope/stop",
                                 "/containers/nope/kill",
                                 "/containers/nope/restart",
                                 "/containers/nope/wait",
                                 "/containers/nope/exec",
                                 "/exec/nope/start",
                                 "/containers/nope/rename?name=x",
                                 "/images/nope/tag?repo=x",
                                 "/images/nope/push",
                                 "/swarm/init",
                                 "/swarm/join",
                                 "/swarm/leave",
                                 "/services/create",
                                 "/secrets/create",
                                 "/configs/create",
                                 "/plugins/nope/enable",
                                 "/plugins/create?name=x",
                                 "/containers/create",
                                 "/networks/create",
                                 "/volumes/create",
                                 "/build",
                                 "/commit?container=nope"}) {
    player.ask("POST", path);
    player.ask("POST", path, "{\"not json");
  }
  player.ask("POST", "/containers/create", "{}", "text/plain");
  player.ask("POST", "/containers/create", R"({"Image":"nope"})");
  player.ask("POST", "/v1.24/containers/create?name=!!", R"({"Image":"busybox"})");
  for (const std::string path : {"/containers/nope", "/images/nope", "/networks/nope", "/volumes/nope", "/plugins/nope", "/secrets/nope"}) {
    player.ask("DELETE", path);
  }
  player.exchange("GET /_ping HTTP/1.0\r\n\r\n", false);
  player.exchange("GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n", false);
  player.exchange("GET /containers/json HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false);
}

void live_a_life(Player& player) {
  const std::string id =
      id_of(player.ask("POST", "/v1.41/containers/create?name=diff",
                       R"({"Image":"busybox","Cmd":["cat"],)"
                       R"("OpenStdin":true,"StdinOnce":true,"AttachStdin":true,"AttachStdout":true,"AttachStderr":true})"));
  const std::string at = "/containers/" + id;
  player.ask("POST", "/containers/create?name=diff", R"({"Image":"busybox"})");
  player.ask("GET", at + "/json");
  player.ask("GET", "/v1.24" + at + "/json?size=1");
  player.ask("POST", at + "/start");
  player.ask("POST", at + "/start");
  player.hijack("/v1.41" + at + "/attach?stream=1&stdin=1&stdout=1&stderr=1&logs=1", "", "typed\n", true);
  player.ask("POST", at + "/wait");
  player.ask("GET", at + "/logs?stdout=1&stderr=1");
  player.ask("GET", at + "/logs?stdout=1&tail=1&follow=1");
  player.ask("GET", at + "/logs");
  player.ask("GET", "/containers/json?all=1");
  player.ask("GET", at + "/top");
  player.ask("POST", at + "/stop");
  player.ask("DELETE", at + "?v=1");
}

void exec_and_copy(Player& player) {
  const std::string id = id_of(player.ask("POST", "/containers/create?name=diff2", R"({"Image":"busybox","Cmd":["sleep","600"]})"));
  const std::string at = "/containers/" + id;
  player.watch(R"(/events?filters=%7B%22container%22%3A%5B%22diff2%22%5D%7D)", "\"start\"", "POST", at + "/start");
  player.ask("GET", at + "/top?ps_args=-o,pid,comm", {}, kJson, {.is_body_volatile = true});
  player.ask("GET", at + "/stats?stream=0&one-shot=1", {}, kJson, {.is_body_volatile = true});
  for (const bool upgrade : {true, false}) {
    for (const std::string tty : {"true", "false"}) {
      const std::string exec = id_of(player.ask("POST", at + "/exec",
                                                R"({"AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"Tty":)" + tty +
                                                    R"(,"Cmd":["sh","-c","read x; echo got $x; exit 3"]})"));
      player.hijack("/exec/" + exec + "/start", R"({"Detach":false,"Tty":)" + tty + "}", "word\n", upgrade);
      player.await_end_of_exec(exec);
      player.ask("GET", "/exec/" + exec + "/json");
    }
  }
  player.ask("PUT", at + "/archive?path=/tmp", tar_of("one", "content\n"), "application/x-tar");
  player.ask("GET", at + "/changes");  // one file: dockerd lists more in no order of its own
  player.ask("PUT", at + "/archive?path=/tmp", tar_of("two", std::string(300000, 'x')), "application/x-tar", {.is_chunked = true});
  player.ask("PUT", at + "/archive?path=/nope", tar_of("one", "content\n"), "application/x-tar");
  player.ask("PUT", at + "/archive?path=/tmp", "this is no tar", "application/x-tar");
  player.ask("HEAD", at + "/archive?path=/tmp/two");
  player.ask("GET", at + "/archive?path=/tmp/two", {}, kJson, {.is_body_volatile = true});
  player.ask("POST", at + "/rename?name=diff3");
  player.ask("POST", at + "/update", R"({"RestartPolicy":{"Name":"no"}})");
  player.ask("POST", at + "/kill?signal=NOPE");
  player.ask("POST", "/commit?container=diff3&repo=diffimage", "{}");
  player.ask("DELETE", at);
  player.ask("POST", at + "/kill");
  player.ask("POST", at + "/wait");
  player.ask("POST", at + "/kill");
  player.ask("DELETE", at);
}

void build_and_load(Player& player) {
  const std::string context = tar_of("Dockerfile", "FROM busybox\nENV A=b\nRUN echo built > /built\nCMD [\"cat\",\"/built\"]\n");
  player.ask("POST", "/build?t=diffbuild&networkmode=none&nocache=1", context, "application/x-tar", {.is_chunked = true});
  player.ask("POST", "/build?t=diffbuild", tar_of("Dockerfile", "NONSENSE\n"), "application/x-tar");
  player.ask("POST", "/build?version=2&buildid=x", context, "application/x-tar", {.is_body_volatile = true});
  player.ask("GET", "/images/diffbuild/json");
  const WireAnswer saved = player.ask("GET", "/images/diffimage/get", {}, kJson, {.is_body_volatile = true});
  player.ask("DELETE", "/images/diffimage");
  player.ask("POST", "/images/load?quiet=1", saved.body, "application/x-tar", {.is_chunked = true});
  player.ask("POST", "/images/load", "no archive", "application/x-tar");
  player.ask("POST", "/images/diffimage/tag?repo=difftag&tag=1");
  player.ask("DELETE", "/images/difftag:1");
  player.ask("DELETE", "/images/diffimage");
  player.ask("DELETE", "/images/diffbuild");
  player.ask("POST", "/images/create?fromSrc=-&repo=diffimport", tar_of("file", "x"), "application/x-tar");
  player.ask("DELETE", "/images/diffimport");
  player.ask("POST", "/build/prune");
  player.hijack("/session", "", "", true, "h2c");
  player.hijack("/grpc", "", "", false);
}

void volumes_and_networks(Player& player) {
  player.ask("POST", "/volumes/create", R"({"Name":"diffvolume","Labels":{"a":"b"}})");
  player.ask("GET", "/volumes/diffvolume");
  player.ask("POST", "/volumes/create", R"({"Name":"diffvolume","Driver":"nope"})");
  player.ask("DELETE", "/volumes/diffvolume");
  player.ask("POST", "/networks/create", R"({"Name":"none"})");
  player.ask("POST", "/networks/create", R"({"Name":"x","Driver":"nope"})");
  player.ask("DELETE", "/networks/none");
  for (const std::string what : {"containers", "volumes", "networks"}) player.ask("POST", "/" + what + "/prune");
}

}  // namespace

std::vector<Line> play(const std::string& socket_path) {
  Player player(socket_path);
  read_everything(player);
  err_everywhere(player);
  live_a_life(player);
  exec_and_copy(player);
  build_and_load(player);
  volumes_and_networks(player);
  return player.take_lines();
}

}  // namespace sockerless::differential
