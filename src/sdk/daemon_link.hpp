#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/query.hpp"
#include "api/version.hpp"
#include "base/guarded.hpp"
#include "net/client.hpp"
#include "sdk/connection_slots.hpp"
#include "sdk/failure.hpp"
#include "sdk/health.hpp"
#include "sdk/io_thread.hpp"
#include "sockerless/config.hpp"
#include "sockerless/diagnosis.hpp"
#include "sockerless/host_environment.hpp"

// Internal to sdk/.
namespace sockerless {

/// One request, as the generated calls describe it.
struct Call {
  /// How long it may take where its caller does not say.
  enum class Patience : std::uint8_t {
    usual,    ///< DockerConfig::timeout
    long_,    ///< ten times that: work that grows with what there is (prune, commit, disk usage)
    endless,  ///< what the caller waits for may never happen (wait)
  };

  net::Method method = net::Method::get;
  std::string path;  ///< without the version: "/containers/json"
  std::string query = {};
  api::HeaderValues headers = {};
  std::string body = {};  ///< JSON, or nothing
  Patience patience = Patience::usual;
  std::chrono::seconds extra = {};  ///< that the daemon itself was asked to wait
  bool has_version = true;          ///< false: /_ping
};

/// The `t` of stop and restart: the daemon answers that much later; -1: whenever the container ends.
void wait_as_asked(Call& call, const std::optional<std::int64_t>& seconds);

/// A streaming answer and the slot that its connection holds.
struct OpenAnswer {
  std::unique_ptr<net::ClientStream> stream;
  ConnectionSlots::Lease slot;
};

/// A connection that HTTP is done with.
struct OpenConnection {
  net::ResponseHead head;
  std::unique_ptr<ByteStream> stream;  ///< null: the daemon ended it at once (a detached exec)
  ConnectionSlots::Lease slot;
};

enum class Admission : std::uint8_t { usual, always };

/// A connection for whoever speaks HTTP on it himself, and the right to tell what became of it.
struct RawAttempt {
  net::RawConnection connection;
  Health::Permit permit;
};

/// Everything that the calls to one daemon share: connections, health, the version that is spoken.
///
/// An attempt is repeated after a delay when nothing of it had been sent, or when its method is idempotent (GET, HEAD, PUT, DELETE) and the
/// connection broke or the daemon said 429 or 503. A refusal by file permissions is not repeated. Every failure is an exception here
/// (Failure, Error). Threads: any; a call runs on its caller's executor. Owned by shared_ptr: streams outlive the client that opened them.
class DaemonLink : public std::enable_shared_from_this<DaemonLink> {
 public:
  /// @errors Error invalid_argument: the configuration cannot be used.
  explicit DaemonLink(DockerConfig config, HealthSources sources = {}, const HostEnvironment& environment = process_host_environment());
  ~DaemonLink();
  DaemonLink(const DaemonLink&) = delete;
  DaemonLink& operator=(const DaemonLink&) = delete;

  /// The whole exchange. @errors Failure, also for a status from 300 on.
  Task<net::Response> request(Call call, CallOptions options);
  /// Waits for the answer's head; the body streams.
  Task<OpenAnswer> open(Call call, CallOptions options);
  /// Sends the head only; the caller writes the body and waits for the answer.
  Task<OpenAnswer> open_upload(Call call, CallOptions options);
  /// Asks for the raw connection.
  Task<OpenConnection> hijack(Call call, CallOptions options);
  Task<OpenConnection> hijack_websocket(Call call, CallOptions options);
  /// A connection for one exchange of the caller's own. Not counted among the slots.
  /// @param kept  the caller's own of an earlier exchange, taken if it is still good; may be null.
  /// @param reuse  whether it may be another one that was kept.
  /// @errors Failure: the breaker is open, or there is no connection: with the reason and the way out.
  /// @param admission  `always`: also while the breaker refuses calls, for whoever knows that somebody listens again.
  Task<RawAttempt> begin_raw(net::RawConnection* kept, net::Reuse reuse, Admission admission);
  /// The version that is spoken; asks the daemon the first time.
  Task<api::ApiVersion> version(Deadline deadline);
  /// One /_ping, also while the breaker is open. @errors Failure.
  Task<net::Response> ping(Deadline deadline);

  const DockerConfig& config() const { return config_; }
  const Endpoint& endpoint() const { return endpoint_; }
  Health& health() { return health_; }
  const ConnectionSlots& calls() const { return calls_; }
  const ConnectionSlots& streams() const { return streams_; }
  std::size_t idle_count() const { return http_.idle_count(); }
  /// Why the unix socket cannot be connected to, and the ways out. Looks at the machine.
  Task<ConnectDiagnosis> diagnose(int connect_errno);
  /// Forgets what was learnt of a daemon that may have been replaced: its version and the idle connections.
  void forget_daemon();
  /// A thread for what needs one all the time; started when first asked for.
  IoThread& io_thread();
  /// By when a call must be done.
  Deadline deadline_of(const Call& call, const CallOptions& options) const;

 private:
  using Attempt = std::function<Task<std::optional<DockerError>>(net::RequestProgress*)>;

  net::ClientOptions http_options();
  Task<void> with_retries(std::string what, bool idempotent, bool timeout_is_failure, CallOptions options, Deadline deadline,
                          Attempt attempt);
  Task<net::ClientRequest> prepare(Call* call, Deadline deadline);
  Task<std::optional<DockerError>> attempt_request(const net::ClientRequest* request, Deadline deadline, net::RequestProgress* progress,
                                                   net::Response* out);
  /// The same; a DELETE that was sent before, whose answer was lost, and that finds nothing now has succeeded then.
  Task<std::optional<DockerError>> attempt_again(const net::ClientRequest* request, Deadline deadline, net::RequestProgress* progress,
                                                 net::Response* out, bool* was_sent);
  Task<std::optional<DockerError>> attempt_open(const net::ClientRequest* request, Deadline deadline, net::RequestProgress* progress,
                                                OpenAnswer* out);
  Task<std::optional<DockerError>> attempt_upload(const net::ClientRequest* request, Deadline deadline, net::RequestProgress* progress,
                                                  OpenAnswer* out);
  Task<std::optional<DockerError>> attempt_hijack(const net::ClientRequest* request, Deadline deadline, net::RequestProgress* progress,
                                                  OpenConnection* out);
  Task<void> run_request(Call call, CallOptions options, Deadline deadline, net::Response* out);
  Task<void> run_open(Call call, CallOptions options, net::BodyMode mode, OpenAnswer* out);
  Task<void> run_hijack(Call call, CallOptions options, OpenConnection* out);
  Task<void> run_websocket(Call call, Deadline deadline, OpenConnection* out);
  /// The error that the caller gets: of a socket that cannot be reached with the reason and the way out.
  Task<DockerError> explain(DockerError error, net::RequestProgress progress);
  /// By when the answer's head must be there.
  Deadline answer_deadline(Deadline deadline) const;
  Task<UniqueFd> dial_ssh();

  // Set in the constructor, never changed.
  const DockerConfig config_;
  const Endpoint endpoint_;
  const HostEnvironment& environment_;
  // Any thread.
  Health health_;
  ConnectionSlots calls_;
  ConnectionSlots streams_;
  Guarded<std::optional<api::ApiVersion>> version_;
  Guarded<std::string> ssh_failure_;
  BlockingPool& blocking_pool();
  std::once_flag pool_once_;
  std::unique_ptr<BlockingPool> pool_;
  std::once_flag io_once_;
  std::unique_ptr<IoThread> io_thread_;
  net::HttpClient http_;
};

/// Ends `operation` with `cancelled` when the token asks for it.
Task<void> with_stop(Task<void> operation, std::stop_token stop);

}  // namespace sockerless
