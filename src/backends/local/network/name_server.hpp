#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <sys/types.h>

namespace sockerless::local {

/// A container as others on its network find it.
struct NamedEndpoint {
  std::string container;  ///< id
  std::string ipv4;
  std::string ipv6;
  std::vector<std::string> names;
  std::vector<std::string> name_servers{};  ///< asked instead of the host's
};

/// A network's part of the name service.
struct NamedNetwork {
  std::vector<std::string> listen{};  ///< addresses of the bridge
  std::vector<NamedEndpoint> endpoints{};
};

/// The file of one network in the form that aardvark-dns reads. Names that it cannot hold are left out.
std::string make_names_file(const NamedNetwork& network);

/// One aardvark-dns process for all user networks of the daemon. It answers on the bridges' addresses and asks the host's name servers what
/// it does not know. It outlives the daemon; the next one takes it over. Threads: any; everything blocks.
class NameServer {
 public:
  /// @param directory  made at the first use.
  explicit NameServer(std::string directory);

  /// Writes the network's names and has the process read them; starts it when it does not run.
  void blocking_set(const std::string& network, const NamedNetwork& names);
  void blocking_remove(const std::string& network);
  /// Keeps these networks' files only.
  void blocking_keep_only(const std::vector<std::string>& networks);
  void blocking_stop();

 private:
  pid_t find_process() const;
  void reload();
  void start();

  const std::string directory_;
  std::mutex mutex_;  // one change at a time
};

}  // namespace sockerless::local
