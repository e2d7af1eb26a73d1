#pragma once

#include <string>

#include "api/types.hpp"

namespace sockerless::local {

/// One file of a v1 blkio controller: lines "8:0 Read 4096", and a total that is not a device's.
std::vector<api::ContainerBlkioStatEntry> parse_blkio_file(const std::string& text);

/// io.stat of a v2 group: "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 ...".
api::ContainerBlkioStats parse_io_stat(const std::string& text);

/// What a control group has read and written. @param directory  its blkio (v1) or its only (v2) folder. May block.
api::ContainerBlkioStats blocking_block_stats(const std::string& directory, bool unified);

}  // namespace sockerless::local
