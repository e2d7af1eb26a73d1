#pragma once

#include <memory>
#include <string>

#include "base/task.hpp"
#include "base/time.hpp"
#include "engine/drivers.hpp"

namespace sockerless::memory {

/// Images without layers: a load or import reads the archive to its end, checks it and keeps the configuration only; a pull makes an image
/// of the reference's name, the same one each time.
/// @param spool_directory  where an archive that is being read lies meanwhile, as a file without a name.
std::unique_ptr<ImageDriver> make_image_driver(BlockingPool& pool, Clock& clock, std::string spool_directory);

}  // namespace sockerless::memory
