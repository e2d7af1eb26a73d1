#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/daemon.hpp"
#include "tests/support/process.hpp"

namespace sockerless::bench {

using namespace support;

/// A server under measurement: its process, its socket, a directory of its own.
class Peer {
 public:
  Peer(std::string name, std::vector<std::string> argv, std::string socket, std::shared_ptr<TempDir> directory);

  const std::string& name() const { return name_; }
  const std::string& socket() const { return socket_; }
  pid_t pid() const { return process_.pid(); }
  std::string directory() const { return directory_->path(); }
  /// Waits until it answers GET /_ping. @errors unavailable with the tail of its log.
  void wait_ready();
  /// Imports the busybox root file system as bench:latest.
  void import_image(const std::string& rootfs_tar);

 private:
  std::string name_;
  std::string socket_;
  std::shared_ptr<TempDir> directory_;  // shared with nobody while it runs; declared before the process, so it outlives it
  Process process_;
};

/// Starts one and waits until it answers. nullopt: not installed here.
/// @param threads  0: one a core. @param more  flags of `serve`.
std::optional<Peer> start_sockerless(const std::filesystem::path& program, const std::string& backend, int threads,
                                     const std::vector<std::string>& more = {});
std::optional<Peer> start_nginx();
enum class Networks : std::uint8_t { none, own };
std::optional<Peer> start_dockerd(Networks networks = Networks::none);
/// The bare copier (copier.hpp) in front of another peer.
std::optional<Peer> start_copier(const Peer& to);
/// @param runtime  the OCI runtime it is to use: the one that runs beside it.
std::optional<Peer> start_podman(const std::string& runtime);

}  // namespace sockerless::bench
