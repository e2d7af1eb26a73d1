#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>

namespace sockerless::local {

struct OciSettings;
struct OciHost;
struct OciMount;

inline constexpr std::string_view kInitDestination = "/sbin/docker-init";

/// `mounts` of the OCI configuration: Docker's own, then hosts, hostname and resolv.conf, then the user's, parents before children.
boost::json::array make_mounts(const OciSettings& settings, const OciHost& host);

/// What `linux.rootfsPropagation` has to be for these mounts; empty: the default.
std::string root_propagation(const std::vector<OciMount>& mounts);

/// Docker's `noexec,nosuid,nodev` laid under the user's options, of which the later of two contrary ones counts.
/// @errors invalid_argument: an option tmpfs does not take.
std::vector<std::string> merge_tmpfs_options(std::string_view options);

/// The text of a container's /etc/hosts. `extra` holds "name:address".
/// @param own_names  names of the container itself, all on `own_address`; no line when the address is empty.
std::string make_hosts_file(const std::vector<std::string>& extra, const std::string& own_address,
                            const std::vector<std::string>& own_names);

/// The text of a container's /etc/resolv.conf, from the host's and the options of the container.
/// @param keep_loopback  name servers on the host's loopback can be reached (host network).
std::string make_resolv_conf(const std::string& host_text, const std::vector<std::string>& servers, const std::vector<std::string>& search,
                             const std::vector<std::string>& options, bool keep_loopback);

}  // namespace sockerless::local
