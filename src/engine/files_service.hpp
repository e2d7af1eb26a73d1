#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/roles.hpp"
#include "engine/container_lifecycle.hpp"
#include "engine/engine_context.hpp"
#include "engine/file_driver.hpp"

namespace sockerless {

/// FilesRole: Docker's rules about paths and what may be written where, over the driver's view of a container's files.
///
/// A container that does not run is held as it is (no start, no removal) until the operation, or the archive that is being read, is over.
class FilesService final : public FilesRole {
 public:
  FilesService(EngineContext& context, const ContainerLifecycle& lifecycle, FileDriver& driver)
      : context_(context), lifecycle_(lifecycle), driver_(driver) {}

  Task<PathStat> stat_path(ContainerRef container, std::string path) override;
  Task<ArchiveStream> get_archive(ContainerRef container, std::string path) override;
  Task<void> put_archive(ContainerRef container, PutArchiveOptions options, std::unique_ptr<ByteSource> tar) override;
  Task<std::unique_ptr<ByteSource>> export_files(ContainerRef container) override;
  Task<std::vector<api::FilesystemChange>> changes(ContainerRef container) override;

 private:
  struct Opened;
  Task<Opened> open(std::string name, FileAccess access);

  EngineContext& context_;
  const ContainerLifecycle& lifecycle_;
  FileDriver& driver_;
};

/// A path of the archive calls as Docker takes it.
struct ArchivePath {
  std::string folder;  ///< links in it are followed
  std::string name;    ///< below it, not followed; empty or ".": the folder itself
  std::string base;    ///< what an archive calls it: "passwd", "." for "/etc/.", "/" for the root

  /// "a/../b/" is "/b/": absolute and clean, with a slash or "/." at its end kept.
  static std::string clean(std::string_view path);
  static ArchivePath parse(std::string_view path);
};

/// The bits of Go's os.FileMode for a mode of stat(2).
std::uint32_t go_file_mode(std::uint32_t mode);

}  // namespace sockerless
