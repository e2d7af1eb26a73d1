#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "api/types.hpp"
#include "base/byte_source.hpp"
#include "base/task.hpp"
#include "base/time.hpp"

// A part of the workload driver that may be missing: what is in a container, from outside. Without it `docker cp`, export, diff and commit
// answer 501. Docker's semantics (paths, headers, refusals, turns) are the engine's.

namespace sockerless {

struct WorkloadSpec;

struct FileStat {
  std::int64_t size = 0;
  std::uint32_t mode = 0;  ///< st_mode of stat(2): kind and permission bits
  TimePoint mtime;
};

struct WriteFilesOptions {
  bool keep_kinds = false;  ///< refuse a directory in the place of something else, and the other way round
  std::string owner;        ///< a user of the container's everything is given to; empty: whom the archive names
};

/// A container's files, opened. What is mounted for this stays until close() or the end of the object.
///
/// Paths are absolute ("/etc/passwd"); nothing outside of the container is ever reached, whatever links are in them. Threads: the executor
/// it was opened on.
class ContainerFiles {
 public:
  virtual ~ContainerFiles() = default;
  /// The path with every link in it followed; what does not exist is taken as it is named.
  virtual Task<std::string> follow_links(std::string path) = 0;
  /// What a followed path, or a name in one, is; a link is not followed. @errors not_found.
  virtual Task<FileStat> stat(std::string path) = 0;
  /// A tar of what is there, which gets the name `name` in it ("passwd", "etc"; "" for the root). Keeps the files open.
  virtual Task<std::unique_ptr<ByteSource>> read(std::string path, std::string name) = 0;
  /// A tar of everything, by bare names ("bin/", "bin/ls"). Keeps the files open.
  virtual Task<std::unique_ptr<ByteSource>> read_all() = 0;
  /// Unpacks a tar, compressed or not, into a directory. What was written before a failure stays. @errors invalid_argument.
  virtual Task<void> write(std::string folder, WriteFilesOptions options, std::unique_ptr<ByteSource> tar) = 0;
  /// Unmounts what is mounted for this; nothing else may be called afterwards.
  virtual Task<void> close() = 0;
  /// Hands over what must last as long as the mounts do, also when the object ends without close(); then let go on any thread.
  virtual void keep(std::shared_ptr<void> held) = 0;
};

struct OpenedFiles {
  std::unique_ptr<ContainerFiles> files;
  bool is_running = false;  ///< as the container's processes see them; else nobody may start or remove it while they are open
};

enum class FileAccess {
  read,      ///< with its volumes and mounts
  write,     ///< the same
  own_root,  ///< the image and the writable layer alone, to be read
};

class FileDriver {
 public:
  virtual ~FileDriver() = default;
  /// Of a container that runs, or of one that nobody starts or removes meanwhile.
  virtual Task<OpenedFiles> open(WorkloadSpec spec, FileAccess access) = 0;
  /// What differs from the image, sorted by path.
  virtual Task<std::vector<api::FilesystemChange>> changes(WorkloadSpec spec) = 0;
  /// The writable layer as the tar of an image's layer.
  virtual Task<std::unique_ptr<ByteSource>> layer(WorkloadSpec spec) = 0;
};

}  // namespace sockerless
