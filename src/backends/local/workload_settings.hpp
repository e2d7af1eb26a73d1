#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backends/local/network/host_networks.hpp"
#include "backends/local/runtime_config.hpp"
#include "engine/drivers.hpp"

namespace sockerless::local {

/// The pid of another running container, for "container:<id>" modes. @errors as the driver words it.
using FindPid = std::function<std::int64_t(const std::string& id)>;

/// A workload in the terms of the OCI configuration.
/// @param directory  the container's own; its root file system is in "rootfs".
/// @errors invalid_argument, not_implemented: options this backend does not take.
OciSettings make_settings(const WorkloadSpec& spec, const std::string& directory, const FindPid& find_pid);

/// What create has to say about options that are approximated here. @errors what make_settings and the OCI configuration would refuse.
std::vector<std::string> check_workload(const WorkloadSpec& spec, const OciHost& host);

/// The resources part alone: for an update.
OciResources make_oci_resources(const api::HostConfig& host);

/// Writes hosts, hostname and resolv.conf into the container's directory. May block.
/// @param facts  of its networks; empty for a container without one.
void blocking_write_network_files(const WorkloadSpec& spec, const OciSettings& settings, const NetworkFacts& facts,
                                  const std::string& directory);

/// Makes the host folders of `-v` binds that are missing. May block. @errors invalid_argument: a missing `--mount` source, in Docker's
/// words.
void blocking_prepare_sources(const std::vector<MountSpec>& mounts);

}  // namespace sockerless::local
