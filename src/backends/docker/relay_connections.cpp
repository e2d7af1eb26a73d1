#include "backends/docker/relay_connections.hpp"

#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

namespace sockerless {

namespace {

using namespace std::chrono_literals;

constexpr auto kPingPatience = 2s;
constexpr auto kUsualRetry = 1s;

[[noreturn]] void throw_unreachable(const DockerError& error) {
  throw DaemonUnreachable(error.message, error.retry_after.value_or(kUsualRetry));
}

/// Whether somebody listens at a unix socket. Does not wait.
bool is_listened_at(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

class LinkAttempt final : public RelayRole::Attempt {
 public:
  explicit LinkAttempt(RawAttempt attempt) : attempt_(std::move(attempt)) {}

  net::RawConnection& connection() override { return attempt_.connection; }
  void answered() override { attempt_.permit.reached(); }
  void broke(const Error& error) override { attempt_.permit.failed(docker_error_of(error)); }

 private:
  RawAttempt attempt_;
};

class RelayConnections final : public RelayRole {
 public:
  explicit RelayConnections(std::shared_ptr<DaemonLink> link) : link_(std::move(link)) {}

  Task<std::unique_ptr<Attempt>> begin(net::RawConnection* kept, net::Reuse reuse) override {
    std::optional<DockerError> refusal;
    try {
      co_return std::make_unique<LinkAttempt>(co_await link_->begin_raw(kept, reuse, Admission::usual));
    } catch (const Failure& failure) {
      refusal = failure.error();
    }
    if (!may_be_back(*refusal)) throw_unreachable(*refusal);
    try {
      co_return std::make_unique<LinkAttempt>(co_await link_->begin_raw(nullptr, reuse, Admission::always));
    } catch (const Failure& failure) {
      refusal = failure.error();
    }
    throw_unreachable(*refusal);
  }

  Task<bool> is_alive() override {
    try {
      std::ignore = co_await link_->ping(Deadline::in(kPingPatience));
      co_return true;
    } catch (const Failure&) {
      co_return false;
    }
  }

  ConnectionHealth health() const override {
    const DockerConnectionState state = link_->health().state();
    return {.is_connected = state.is_connected,
            .last_error = state.last_error ? state.last_error->message : std::string(),
            .last_success = state.last_successful_connection,
            .failures = state.retry_count,
            .next_retry_at = state.next_retry_at};
  }

  Task<std::vector<std::string>> advice() override {
    const auto error = link_->health().state().last_error;
    const bool is_unix = link_->endpoint().kind == Endpoint::Kind::unix_socket;
    if (!error || !is_unix || error->code == 0 || error->is_api_error()) co_return std::vector<std::string>{};
    co_return (co_await link_->diagnose(error->code)).ways_out;
  }

 private:
  /// While the breaker is open nobody asks a daemon that did not answer. One whose socket refused connections is asked by the kernel's
  /// leave: whether anybody listens there again costs no waiting, and a client that saw the daemon start needs no second try.
  bool may_be_back(const DockerError& refusal) const {
    return refusal.retry_after && refusal.type != DockerErrorType::timeout && link_->endpoint().kind == Endpoint::Kind::unix_socket &&
           is_listened_at(link_->endpoint().path);
  }

  std::shared_ptr<DaemonLink> link_;  // shared with the client whose calls it also serves
};

}  // namespace

std::unique_ptr<RelayRole> make_relay_connections(std::shared_ptr<DaemonLink> link) {
  return std::make_unique<RelayConnections>(std::move(link));
}

}  // namespace sockerless
