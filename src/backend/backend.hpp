#pragma once

#include <string_view>

#include "backend/capabilities.hpp"
#include "backend/relay.hpp"
#include "backend/roles.hpp"
#include "base/error.hpp"
#include "base/task.hpp"

namespace sockerless {

/// A Docker daemon without HTTP. A role that a backend lacks is a null pointer; require() words the 501.
///
/// Implementations: the engine over four drivers (memory, local), another process (backend/remote), decorators around any of these.
/// Threads: any. The roles live as long as the backend.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual const Capabilities& capabilities() const = 0;

  virtual SystemRole& system() = 0;
  virtual ContainerRole& containers() = 0;
  virtual StatsRole* stats() { return nullptr; }
  virtual FilesRole* files() { return nullptr; }
  virtual ExecRole* exec() { return nullptr; }
  virtual ImageRole* images() { return nullptr; }
  virtual RegistryRole* registry() { return nullptr; }
  virtual BuildRole* builder() { return nullptr; }
  virtual CommitRole* committer() { return nullptr; }
  virtual NetworkRole* networks() { return nullptr; }
  virtual VolumeRole* volumes() { return nullptr; }
  /// Where there is a daemon behind this backend that speaks the API itself: requests then go to it as they are, not to the other roles.
  virtual RelayRole* relay() { return nullptr; }

  /// Finds again what an earlier process left behind. Called once, before the first request.
  virtual Task<void> start() = 0;
  /// Ends what the backend itself runs (timers, health checks, restarts to come) and flushes its state. Containers go on.
  virtual Task<void> stop() = 0;
};

/// The role, or the 501 in its one wording.
/// @param feature  what the client wanted, as a noun: "exec", "pulling images".
template <typename Role>
Role& require(Role* role, const Backend& backend, std::string_view feature) {
  if (role == nullptr) throw Error::not_implemented("the {} backend does not support {}", backend.capabilities().backend, feature);
  return *role;
}

}  // namespace sockerless
