#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "api/filters.hpp"
#include "api/json.hpp"
#include "api/params.hpp"
#include "api/query.hpp"
#include "api/types_json.hpp"
#include "backend/roles.hpp"
#include "base/error.hpp"
#include "net/http.hpp"

// How arguments look in the queries and headers of /internal/v1. Each options struct is described once, by describe(); the writer (client)
// and the reader (server) are two visitors of that description.

namespace sockerless {

void write_json(api::JsonWriter& writer, const PathStat& value);
void read_json(api::JsonReader& reader, PathStat& value);

}  // namespace sockerless

namespace sockerless::internal {

/// No options, no body, no result.
struct None {};

std::string percent_encode(std::string_view text);
/// RFC 4648 without padding, in the alphabet for URLs; both alphabets are read. @errors invalid_argument.
std::string base64_encode(std::string_view bytes);
std::string base64_decode(std::string_view text);

/// Writes options into a query and headers.
class OptionWriter {
 public:
  void operator()(std::string_view name, bool value) { add(name, value ? "1" : "0"); }
  void operator()(std::string_view name, const std::string& value) {
    if (!value.empty()) add(name, value);
  }
  void operator()(std::string_view name, const std::vector<std::string>& values) {
    for (const std::string& value : values) add(name, value);
  }
  void operator()(std::string_view name, std::int64_t value) { add(name, std::to_string(value)); }
  void operator()(std::string_view name, std::uint64_t value) { add(name, std::to_string(value)); }
  void operator()(std::string_view name, TimePoint value);
  void operator()(std::string_view name, const api::Filters& value) {
    if (!value.empty()) add(name, value.to_json());
  }
  void operator()(std::string_view name, WaitCondition value);
  void operator()(std::string_view name, TerminalSize value);
  template <typename Choice>
    requires(std::is_enum_v<Choice> && !std::is_same_v<Choice, WaitCondition>)
  void operator()(std::string_view name, Choice value) {
    add(name, value == Choice::yes ? "1" : "0");
  }
  template <typename T>
  void operator()(std::string_view name, const std::optional<T>& value) {
    if constexpr (std::is_same_v<T, std::string>) {
      if (value) add(name, *value);
    } else {
      if (value) (*this)(name, *value);
    }
  }

  void header(std::string_view name, const std::string& value) {
    if (!value.empty()) headers_.set(name, value);
  }
  void header(std::string_view name, const std::optional<api::AuthConfig>& value) {
    if (value) headers_.set(name, base64_encode(api::to_json(*value)));
  }

  /// "" or "?a=1&b=2".
  const std::string& query() const { return query_; }
  net::Headers& headers() { return headers_; }

 private:
  void add(std::string_view name, std::string_view value);

  std::string query_;
  net::Headers headers_;
};

/// Reads them again. What is absent keeps the value it has. @errors invalid_argument: malformed, in Docker's words.
class OptionReader {
 public:
  OptionReader(const api::Query& query, const net::Headers& headers) : query_(query), headers_(headers) {}

  void operator()(std::string_view name, bool& value) { value = query_.boolean_or(name, value); }
  void operator()(std::string_view name, std::string& value) {
    if (query_.contains(name)) value = query_.text(name);
  }
  void operator()(std::string_view name, std::vector<std::string>& values) { values = query_.all(name); }
  void operator()(std::string_view name, std::optional<std::string>& value) {
    if (query_.contains(name)) value = query_.text(name);
  }
  void operator()(std::string_view name, std::optional<std::int64_t>& value) { value = query_.integer(name); }
  void operator()(std::string_view name, std::optional<std::uint64_t>& value) { value = query_.tail(name); }
  void operator()(std::string_view name, std::optional<TimePoint>& value) { value = query_.time(name); }
  void operator()(std::string_view name, api::Filters& value) { value = api::Filters::parse(query_.text(name)); }
  void operator()(std::string_view name, WaitCondition& value);
  void operator()(std::string_view name, TerminalSize& value);
  void operator()(std::string_view name, std::optional<TerminalSize>& value);
  template <typename Choice>
    requires(std::is_enum_v<Choice> && !std::is_same_v<Choice, WaitCondition>)
  void operator()(std::string_view name, Choice& value) {
    value = query_.boolean_or(name, value == Choice::yes) ? Choice::yes : Choice::no;
  }

  void header(std::string_view name, std::string& value) {
    if (const auto text = headers_.find(name)) value = *text;
  }
  void header(std::string_view name, std::optional<api::AuthConfig>& value);

 private:
  const api::Query& query_;
  const net::Headers& headers_;
};

// ---- options that are only a part of a role's arguments

struct CreateQuery {
  std::string name;
  std::string platform;
};
struct SizeQuery {
  WithSize size = WithSize::no;
};
struct SignalQuery {
  std::string signal;
};
struct NameQuery {
  std::string name;
};
struct WaitQuery {
  WaitCondition condition = WaitCondition::not_running;
};
struct ResizeQuery {
  TerminalSize size;
};
struct TopQuery {
  std::string ps_args;
};
struct PathQuery {
  std::string path;
};
struct FiltersQuery {
  api::Filters filters;
};
struct ForceQuery {
  Force force = Force::no;
};
struct TagQuery {
  std::string repo;
  std::string tag;
};
struct LoadQuery {
  bool quiet = false;
};
struct SaveQuery {
  std::vector<std::string> names;
};
struct PushQuery {
  std::string tag;
  std::optional<api::AuthConfig> auth;
};
struct AuthQuery {
  std::optional<api::AuthConfig> auth;
};

// ---- the descriptions

template <typename V>
void describe(V&, None&) {}
template <typename V>
void describe(V& v, CreateQuery& q) {
  v("name", q.name);
  v("platform", q.platform);
}
template <typename V>
void describe(V& v, SizeQuery& q) {
  v("size", q.size);
}
template <typename V>
void describe(V& v, SignalQuery& q) {
  v("signal", q.signal);
}
template <typename V>
void describe(V& v, NameQuery& q) {
  v("name", q.name);
}
template <typename V>
void describe(V& v, WaitQuery& q) {
  v("condition", q.condition);
}
template <typename V>
void describe(V& v, ResizeQuery& q) {
  v("", q.size);
}
template <typename V>
void describe(V& v, TopQuery& q) {
  v("ps_args", q.ps_args);
}
template <typename V>
void describe(V& v, PathQuery& q) {
  v("path", q.path);
}
template <typename V>
void describe(V& v, FiltersQuery& q) {
  v("filters", q.filters);
}
template <typename V>
void describe(V& v, ForceQuery& q) {
  v("force", q.force);
}
template <typename V>
void describe(V& v, TagQuery& q) {
  v("repo", q.repo);
  v("tag", q.tag);
}
template <typename V>
void describe(V& v, LoadQuery& q) {
  v("quiet", q.quiet);
}
template <typename V>
void describe(V& v, SaveQuery& q) {
  v("names", q.names);
}
template <typename V>
void describe(V& v, AuthQuery& q) {
  v.header("X-Registry-Auth", q.auth);
}

template <typename V>
void describe(V& v, PushQuery& q) {
  v("tag", q.tag);
  v.header("X-Registry-Auth", q.auth);
}
template <typename V>
void describe(V& v, DiskUsageOptions& o) {
  v("containers", o.containers);
  v("images", o.images);
  v("volumes", o.volumes);
  v("build_cache", o.build_cache);
}
template <typename V>
void describe(V& v, EventOptions& o) {
  v("since", o.since);
  v("until", o.until);
  v("filters", o.filters);
}
template <typename V>
void describe(V& v, ListContainersOptions& o) {
  v("all", o.all);
  v("limit", o.limit);
  v("size", o.size);
  v("filters", o.filters);
}
template <typename V>
void describe(V& v, StopOptions& o) {
  v("signal", o.signal);
  v("t", o.timeout_seconds);
}
template <typename V>
void describe(V& v, RemoveContainerOptions& o) {
  v("force", o.force);
  v("v", o.volumes);
  v("link", o.link);
}
template <typename V>
void describe(V& v, LogOptions& o) {
  v("follow", o.follow);
  v("stdout", o.show_stdout);
  v("stderr", o.show_stderr);
  v("since", o.since);
  v("until", o.until);
  v("timestamps", o.timestamps);
  v("details", o.details);
  v("tail", o.tail);
}
template <typename V>
void describe(V& v, AttachOptions& o) {
  v("logs", o.logs);
  v("stream", o.stream);
  v("stdin", o.use_stdin);
  v("stdout", o.use_stdout);
  v("stderr", o.use_stderr);
  v("detachKeys", o.detach_keys);
}
template <typename V>
void describe(V& v, StatsOptions& o) {
  v("stream", o.stream);
  v("one-shot", o.one_shot);
}
template <typename V>
void describe(V& v, PutArchiveOptions& o) {
  v("path", o.path);
  v("noOverwriteDirNonDir", o.no_overwrite_dir_non_dir);
  v("copyUIDGID", o.copy_uid_gid);
}
template <typename V>
void describe(V& v, ExecStartOptions& o) {
  v("detach", o.detach);
  v("tty", o.tty);
  v("", o.console_size);
}
template <typename V>
void describe(V& v, ListImagesOptions& o) {
  v("all", o.all);
  v("shared-size", o.shared_size);
  v("digests", o.digests);
  v("filters", o.filters);
}
template <typename V>
void describe(V& v, RemoveImageOptions& o) {
  v("force", o.force);
  v("noprune", o.no_prune);
}
template <typename V>
void describe(V& v, ImportImageOptions& o) {
  v("repo", o.repo);
  v("tag", o.tag);
  v("message", o.message);
  v("platform", o.platform);
  v("fromSrc", o.source);
  v("changes", o.changes);
}
template <typename V>
void describe(V& v, PullImageOptions& o) {
  v("fromImage", o.image);
  v("tag", o.tag);
  v("platform", o.platform);
  v.header("X-Registry-Auth", o.auth);
}
template <typename V>
void describe(V& v, SearchImagesOptions& o) {
  v("term", o.term);
  v("limit", o.limit);
  v("filters", o.filters);
}
template <typename V>
void describe(V& v, api::ImageCommitParams& p) {
  v("container", p.container);
  v("repo", p.repo);
  v("tag", p.tag);
  v("comment", p.comment);
  v("author", p.author);
  v("pause", p.pause);
  v("changes", p.changes);
}
template <typename V>
void describe(V& v, api::ImageBuildParams& p) {
  v("dockerfile", p.dockerfile);
  v("t", p.t);
  v("extrahosts", p.extrahosts);
  v("remote", p.remote);
  v("q", p.q);
  v("nocache", p.nocache);
  v("cachefrom", p.cachefrom);
  v("pull", p.pull);
  v("rm", p.rm);
  v("forcerm", p.forcerm);
  v("memory", p.memory);
  v("memswap", p.memswap);
  v("cpushares", p.cpushares);
  v("cpusetcpus", p.cpusetcpus);
  v("cpuperiod", p.cpuperiod);
  v("cpuquota", p.cpuquota);
  v("buildargs", p.buildargs);
  v("shmsize", p.shmsize);
  v("squash", p.squash);
  v("labels", p.labels);
  v("networkmode", p.networkmode);
  v("contenttype", p.content_type);
  v.header("X-Registry-Config", p.x_registry_config);
  v("platform", p.platform);
  v("target", p.target);
  v("outputs", p.outputs);
  v("version", p.version);
  v("cgroupparent", p.cgroupparent);
  v("cpusetmems", p.cpusetmems);
  v("isolation", p.isolation);
  v("ulimits", p.ulimits);
  v("securityopt", p.securityopt);
  v("session", p.session);
  v("buildid", p.buildid);
}

// ---- documents of our own

/// The roles a backend has beyond system and containers: GET /roles.
struct RoleList {
  std::vector<std::string> roles;
};
void write_json(api::JsonWriter& writer, const RoleList& value);
void read_json(api::JsonReader& reader, RoleList& value);

/// {"message": "..."}
std::string error_body(const Error& error);
/// The Error of an answer: its status, and its message where the body is {"message": "..."}.
Error error_of_answer(int status, std::string_view body);

/// {"errorDetail":{"code":404,"message":"..."},"error":"..."} and the line's end: how a stream of lines fails.
std::string error_line(const Error& error);
/// The Error of such a line; nothing when it is another line.
std::optional<Error> find_error_line(std::string_view line);

/// The Content-Type of a container's output, which tells its framing.
constexpr std::string_view content_type(Framing framing) {
  return framing == Framing::raw ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream";
}

/// The text messages of a WebSocket that streams. A message without any member is the end of input.
struct Control {
  std::optional<Framing> framing;
  std::optional<Error> error;        ///< the end of the session
  std::optional<Error> stdin_error;  ///< input is not taken any more
};
std::string control_framing(Framing framing);
std::string control_error(const Error& error);
std::string control_stdin_error(const Error& error);
/// @errors unavailable: not a message of this protocol.
Control parse_control(std::string_view text);

}  // namespace sockerless::internal
