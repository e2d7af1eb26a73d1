// Each step is one that a client takes too, from the address to the version, so that the report names the step that fails and not a guess.

#include "sdk/doctor.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <sys/socket.h>
#include <sys/un.h>

#include "api/json.hpp"
#include "api/types_json.hpp"
#include "api/version.hpp"
#include "base/error.hpp"
#include "net/client.hpp"
#include "sdk/discovery.hpp"
#include "sdk/ssh_dial.hpp"

namespace sockerless {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::array<DoctorResultRow, 13> kResults{{
    {DoctorResult::reachable, "reachable", "a daemon answers and a version of its API is spoken here"},
    {DoctorResult::failed, "failed", "something else; the report has the words"},
    {DoctorResult::bad_configuration, "bad_configuration", "a variable, the docker configuration or a docker context cannot be used"},
    {DoctorResult::permission, "permission", "this user may not connect to the socket, or the daemon refuses the request"},
    {DoctorResult::not_found, "not_found", "there is no socket"},
    {DoctorResult::not_listening, "not_listening", "nobody listens at the address"},
    {DoctorResult::timeout, "timeout", "the daemon, or the way to it, did not answer in time"},
    {DoctorResult::version_mismatch, "version_mismatch",
     "the daemon speaks no version of the API that is spoken here, or not the one that is pinned"},
    {DoctorResult::wrong_context, "wrong_context", "the chosen address is dead while another daemon of this user answers"},
    {DoctorResult::tls, "tls", "TLS failed, or is wanted by one side only"},
    {DoctorResult::unreachable_host, "unreachable_host", "the host has no address or no route"},
    {DoctorResult::not_docker, "not_docker", "what answers is not a Docker daemon"},
    {DoctorResult::ssh, "ssh", "ssh failed"},
}};

std::string_view name_of(DoctorResult result) { return std::ranges::find(kResults, result, &DoctorResultRow::result)->name; }

void conclude(DoctorReport& report, DoctorResult result, std::string problem, std::vector<std::string> ways_out = {}) {
  report.result = result;
  report.problem = std::move(problem);
  report.ways_out = std::move(ways_out);
}

// ---- which daemon

std::optional<DiscoveredEndpoint> discover(const HostEnvironment& environment, const DiscoveryOptions& options, DoctorReport& report) {
  try {
    DiscoveredEndpoint found = find_endpoint(environment, options);
    report.address = found.endpoint.str();
    report.origin = found.origin;
    return found;
  } catch (const Error& error) {
    conclude(report, DoctorResult::bad_configuration, error.what());
    return std::nullopt;
  }
}

// ---- a connection to a unix socket

/// @return an errno; 0 when it can be connected to.
int blocking_try_connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return errno;
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

DoctorResult result_of(const ConnectDiagnosis& diagnosis, int error_number) {
  switch (diagnosis.problem) {
    case ConnectProblem::not_in_group:
    case ConnectProblem::stale_login:
    case ConnectProblem::not_permitted:
    case ConnectProblem::selinux_denial:
    case ConnectProblem::apparmor_denial:
    case ConnectProblem::directory_not_searchable:
      return DoctorResult::permission;
    case ConnectProblem::dangling_link:
    case ConnectProblem::no_such_file:
    case ConnectProblem::not_a_socket:
      return DoctorResult::not_found;
    case ConnectProblem::nobody_listening:
      return DoctorResult::not_listening;
    case ConnectProblem::wrong_context:
      return DoctorResult::wrong_context;
    case ConnectProblem::rootless_elsewhere:
    case ConnectProblem::unknown:
      break;
  }
  if (error_number == EACCES || error_number == EPERM) return DoctorResult::permission;
  if (error_number == ENOENT || error_number == ENOTDIR) return DoctorResult::not_found;
  return error_number == ECONNREFUSED ? DoctorResult::not_listening : DoctorResult::failed;
}

bool check_socket(const HostEnvironment& environment, const DiscoveredEndpoint& found, DoctorReport& report) {
  const std::string& path = found.endpoint.path;
  const int error_number = blocking_try_connect(path);
  if (error_number == 0) return true;
  if (error_number == EAGAIN) {
    conclude(report, DoctorResult::timeout, fmt::format("the daemon at {} takes no connections: its queue is full", path),
             {"it may be stopped or hang: look at its log and restart it"});
    return false;
  }
  if (error_number == ENAMETOOLONG) {
    conclude(report, DoctorResult::bad_configuration, fmt::format("the path of a unix socket has at most 107 bytes: {}", path));
    return false;
  }
  const ConnectDiagnosis diagnosis =
      diagnose_connect(blocking_gather_connect_facts(path, error_number, found.source, found.context, environment));
  report.connect_problem = diagnosis.problem;
  conclude(report, result_of(diagnosis, error_number), diagnosis.summary, diagnosis.ways_out);
  return false;
}

// ---- a connection to a host

Task<void> connect_host(const Endpoint& endpoint, DoctorReport& report, bool& connected) {
  const auto executor = co_await asio::this_coro::executor;
  boost::system::error_code error;
  asio::ip::tcp::resolver resolver(executor);
  const auto found =
      co_await resolver.async_resolve(endpoint.host, std::to_string(endpoint.port), asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::operation_aborted) throw Error::cancelled();
  if (error)
    co_return conclude(report, DoctorResult::unreachable_host, fmt::format("{} has no address: {}", endpoint.host, error.message()));
  asio::ip::tcp::socket socket(executor);
  co_await asio::async_connect(socket, found, asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::operation_aborted) throw Error::cancelled();
  connected = !error;
  if (error == asio::error::connection_refused) {
    conclude(report, DoctorResult::not_listening, fmt::format("nobody listens at {}", endpoint.str()),
             {"have the daemon listen there (dockerd's --host), with TLS; or reach it by ssh://"});
  } else if (error) {
    conclude(report, DoctorResult::unreachable_host, fmt::format("{} cannot be reached: {}", endpoint.str(), error.message()));
  }
}

Task<bool> check_host(Endpoint endpoint, Deadline deadline, DoctorReport& report) {
  bool connected = false;
  try {
    co_await with_deadline(connect_host(endpoint, report, connected), deadline, fmt::format("connecting to {}", endpoint.str()));
  } catch (const Error& error) {
    conclude(report, error.code() == ErrorCode::deadline_exceeded ? DoctorResult::timeout : DoctorResult::failed, error.what());
  }
  co_return connected;
}

// ---- a conversation

net::ClientOptions client_options(const Endpoint& endpoint) {
  net::ClientOptions options;
  if (endpoint.kind == Endpoint::Kind::tls) {
    options.tls = net::TlsConfig{.ca_file = endpoint.tls.ca_file,
                                 .certificate_file = endpoint.tls.certificate_file,
                                 .key_file = endpoint.tls.key_file,
                                 .verify_peer = endpoint.tls.verify};
  }
  return options;
}

net::Address address_of(const Endpoint& endpoint) {
  return endpoint.kind == Endpoint::Kind::unix_socket ? net::Address::unix_socket(endpoint.path)
                                                      : net::Address::tcp(endpoint.host, endpoint.port);
}

Task<net::Response> ask_over_http(Endpoint endpoint, Deadline deadline, DoctorReport& report) {
  net::HttpClient client(address_of(endpoint), client_options(endpoint));
  const auto start = Clock::now();
  net::Response answer = co_await client.request({.target = "/_ping"}, deadline);
  report.answered_after = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
  if (answer.status == 200) answer = co_await client.request({.target = "/version"}, deadline);
  co_return answer;
}

/// What cannot be written any more may have been answered already, or the reader learns why: as with any HTTP.
Task<void> write_if_heard(ByteStream& stream, std::string_view text) {
  try {
    co_await stream.write(as_bytes(text));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unavailable) throw;
  }
}

/// One exchange of HTTP/1.0, whose answer ends with the connection: no pool and no chunks are needed to ask one question.
Task<void> exchange(ByteStream& stream, std::string& text) {
  constexpr std::size_t kMaxAnswer = 1024UL * 1024;
  co_await write_if_heard(stream, "GET /version HTTP/1.0\r\nHost: docker\r\n\r\n");
  std::array<std::byte, 16UL * 1024> buffer{};
  while (const std::size_t count = co_await stream.read_some(buffer)) {
    text += as_text(std::span(buffer).first(count));
    if (text.size() > kMaxAnswer) throw Error::internal("the answer is too long");
  }
}

Task<net::Response> ask_over_ssh(Endpoint endpoint, const HostEnvironment& environment, Deadline deadline, DoctorReport& report) {
  const auto start = Clock::now();
  const auto stream = open_ssh_stream(co_await asio::this_coro::executor, endpoint, environment);
  std::string text;
  co_await with_deadline(exchange(*stream, text), deadline, fmt::format("an answer from {}", endpoint.str()));
  report.answered_after = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
  net::Response answer;
  const std::size_t head_end = text.find("\r\n\r\n");
  const bool is_http = text.starts_with("HTTP/1.") && text.size() > 12 && head_end != std::string::npos;
  answer.status = is_http ? std::atoi(text.c_str() + 9) : 0;
  answer.body = is_http ? text.substr(head_end + 4) : text;
  co_return answer;
}

void conclude_from_error(const Error& error, const Endpoint& endpoint, DoctorReport& report) {
  switch (error.code()) {
    case ErrorCode::deadline_exceeded:
      return conclude(report, DoctorResult::timeout,
                      fmt::format("{} accepts connections and does not answer: {}", endpoint.str(), error.what()),
                      {"it may be stopped or hang: look at its log and restart it"});
    case ErrorCode::invalid_argument:
      return conclude(report, DoctorResult::bad_configuration, error.what());
    default:
      break;
  }
  if (endpoint.kind == Endpoint::Kind::ssh) {
    return conclude(
        report, DoctorResult::ssh, error.what(),
        {fmt::format("try by hand: `ssh {}{}{} docker version`", endpoint.user, endpoint.user.empty() ? "" : "@", endpoint.host)});
  }
  if (endpoint.kind == Endpoint::Kind::tls) {
    return conclude(
        report, DoctorResult::tls, error.what(),
        {"check that the daemon uses TLS, that ca.pem has signed its certificate and that the certificate is for this host's name",
         "if the daemon verifies clients, cert.pem and key.pem must be there and signed by its authority"});
  }
  conclude(report, DoctorResult::not_docker,
           fmt::format("what listens at {} does not answer as a Docker daemon: {}", endpoint.str(), error.what()));
}

// ---- the answer

void judge_refusal(const net::Response& answer, const Endpoint& endpoint, DoctorReport& report) {
  if (answer.status == 400 && answer.body.contains("HTTPS server")) {
    return conclude(report, DoctorResult::tls, fmt::format("the daemon at {} wants TLS", endpoint.str()),
                    {"set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem"});
  }
  const std::string words = answer.body.substr(0, std::min(answer.body.find_first_of("\r\n"), std::size_t{300}));
  const std::string text = fmt::format("{} answered with status {}: {}", endpoint.str(), answer.status, words);
  if (answer.status == 401 || answer.status == 403) return conclude(report, DoctorResult::permission, text);
  conclude(report, answer.status >= 500 ? DoctorResult::failed : DoctorResult::not_docker, text);
}

std::optional<DoctorReport::Daemon> read_daemon(const std::string& body) {
  try {
    const auto version = api::parse_json<api::SystemVersion>(body);
    if (!version.api_version) return std::nullopt;
    return DoctorReport::Daemon{.version = version.version.value_or(""),
                                .api_version = *version.api_version,
                                .min_api_version = version.min_api_version.value_or(""),
                                .platform = fmt::format("{}/{}", version.os.value_or("?"), version.arch.value_or("?"))};
  } catch (const Error&) {  // not the JSON of a Docker daemon, which is what the caller says
    return std::nullopt;
  }
}

void judge_version(const DoctorReport::Daemon& daemon, const std::optional<std::string>& pinned, DoctorReport& report) {
  const auto newest = api::ApiVersion::find(daemon.api_version);
  const auto oldest = api::ApiVersion::find(daemon.min_api_version).value_or(api::kMinApiVersion);
  if (!newest)
    return conclude(report, DoctorResult::not_docker, fmt::format("the daemon's version of the API is none: \"{}\"", daemon.api_version));
  if (pinned) {
    const api::ApiVersion version = api::ApiVersion::parse(*pinned);
    report.api_version = *pinned;
    if (version >= oldest && version <= *newest) return conclude(report, DoctorResult::reachable, {});
    return conclude(report, DoctorResult::version_mismatch,
                    fmt::format("DOCKER_API_VERSION pins {}, and the daemon speaks {} to {}", *pinned, oldest.str(), newest->str()),
                    {"unset DOCKER_API_VERSION: the version is negotiated then"});
  }
  if (*newest < api::kMinApiVersion || oldest > api::kDefaultApiVersion) {
    return conclude(report, DoctorResult::version_mismatch,
                    fmt::format("the daemon speaks {} to {} of the API, this client {} to {}", oldest.str(), newest->str(),
                                api::kMinApiVersion.str(), api::kDefaultApiVersion.str()),
                    {*newest < api::kMinApiVersion ? "update the daemon" : "update this client"});
  }
  report.api_version = std::min(*newest, api::kDefaultApiVersion).str();
  conclude(report, DoctorResult::reachable, {});
}

void judge(const net::Response& answer, const DiscoveredEndpoint& found, DoctorReport& report) {
  if (answer.status != 200 && answer.status != 0) return judge_refusal(answer, found.endpoint, report);
  report.daemon = answer.status == 200 ? read_daemon(answer.body) : std::nullopt;
  if (!report.daemon) {
    return conclude(report, DoctorResult::not_docker, fmt::format("what answers at {} is not a Docker daemon", report.address),
                    {"check the address"});
  }
  judge_version(*report.daemon, found.api_version, report);
}

Task<void> talk(const HostEnvironment& environment, DiscoveredEndpoint found, Deadline deadline, DoctorReport& report) {
  try {
    const bool by_ssh = found.endpoint.kind == Endpoint::Kind::ssh;
    judge(co_await (by_ssh ? ask_over_ssh(found.endpoint, environment, deadline, report) : ask_over_http(found.endpoint, deadline, report)),
          found, report);
  } catch (const Error& error) {
    // A queue that the first look has filled, or a daemon that has ended since, is a socket's trouble.
    const bool by_socket = found.endpoint.kind == Endpoint::Kind::unix_socket && error.code() == ErrorCode::unavailable;
    if (!by_socket || check_socket(environment, found, report)) conclude_from_error(error, found.endpoint, report);
  }
}

void add_line(std::string& text, std::string_view name, std::string_view value) {
  if (!value.empty()) text += fmt::format("{:<13}{}\n", name, value);
}

}  // namespace

std::span<const DoctorResultRow> doctor_results() { return kResults; }

Task<DoctorReport> examine_daemon(const HostEnvironment& environment, DoctorOptions options) {
  DoctorReport report;
  const Deadline deadline = Deadline::in(options.timeout);
  const auto found = discover(environment, options.discovery, report);
  if (!found) co_return report;
  const Endpoint::Kind kind = found->endpoint.kind;
  if (kind == Endpoint::Kind::unix_socket && !check_socket(environment, *found, report)) co_return report;
  const bool over_tcp = kind == Endpoint::Kind::tcp || kind == Endpoint::Kind::tls;
  if (over_tcp && !co_await check_host(found->endpoint, deadline, report)) co_return report;
  co_await talk(environment, *found, deadline, report);
  co_return report;
}

std::string doctor_text(const DoctorReport& report) {
  std::string text;
  add_line(text, "address", report.address);
  add_line(text, "chosen by", report.origin);
  if (report.answered_after) add_line(text, "answered in", fmt::format("{} ms", report.answered_after->count()));
  if (const auto& daemon = report.daemon) {
    add_line(text, "daemon",
             fmt::format("{}, {}, API {} to {}", daemon->version, daemon->platform, daemon->min_api_version, daemon->api_version));
  }
  add_line(text, "API version", report.api_version);
  if (report.connect_problem) add_line(text, "diagnosis", name_of(*report.connect_problem));
  add_line(text, "problem", report.problem);
  for (const std::string& way : report.ways_out) add_line(text, &way == &report.ways_out.front() ? "way out" : "", way);
  add_line(text, "result", fmt::format("{} (exit code {})", name_of(report.result), static_cast<int>(report.result)));
  return text;
}

std::string doctor_json(const DoctorReport& report) {
  std::string json;
  api::JsonWriter writer(json);
  const auto member = [&writer](std::string_view raw_name, const std::string& value) {
    if (!value.empty()) writer.member(raw_name, value);
  };
  writer.begin_object();
  writer.member("\"result\":", std::string(name_of(report.result)));
  writer.member("\"exit_code\":", static_cast<int>(report.result));
  member("\"address\":", report.address);
  member("\"origin\":", report.origin);
  if (const auto& daemon = report.daemon) {
    writer.raw_key("\"daemon\":");
    writer.begin_object();
    writer.member("\"version\":", daemon->version);
    writer.member("\"api_version\":", daemon->api_version);
    writer.member("\"min_api_version\":", daemon->min_api_version);
    writer.member("\"platform\":", daemon->platform);
    writer.end_object();
  }
  member("\"api_version\":", report.api_version);
  if (report.connect_problem) writer.member("\"connect_problem\":", std::string(name_of(*report.connect_problem)));
  member("\"problem\":", report.problem);
  if (!report.ways_out.empty()) writer.member("\"ways_out\":", report.ways_out);
  writer.end_object();
  return json;
}

}  // namespace sockerless
