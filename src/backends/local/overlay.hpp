#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sockerless::local {

/// Where an image's layers lie on disk. Implemented by the image store.
class LayerSource {
 public:
  virtual ~LayerSource() = default;
  /// The folders of an image's unpacked layers, the topmost first; empty for an image without layers. May block.
  /// @errors not_found: no such image.
  virtual std::vector<std::string> blocking_layer_folders(const std::string& image_id) = 0;
  /// Keeps the image's layers until the hold of this name is released, also when the image is removed. Both are idempotent.
  virtual void blocking_hold(const std::string& name, const std::string& image_id) = 0;
  virtual void blocking_release(const std::string& name) = 0;
  /// The names of all holds.
  virtual std::vector<std::string> holds() const = 0;
};

/// Whether anybody will look at a writable layer after this machine has crashed. Unmounting an overlay writes the whole file system behind
/// its upper layer to the disk; for a layer that is thrown away after the run (--rm) that is left out (overlay's `volatile`).
enum class LayerLife { kept, thrown_away };

/// Mounts `lower` (topmost first) with the writable `upper` at `target`. Folders are made where they are missing. Idempotent: a target
/// that is a mount already is left as it is. May block.
/// @errors from_errno, with what the kernel wants named.
void blocking_mount_overlay(const std::vector<std::string>& lower, const std::string& upper, const std::string& work,
                            const std::string& target, LayerLife life);

/// Mounts layers (topmost first, at least one) at `target` to be read only. May block. @errors from_errno.
void blocking_mount_layers(const std::vector<std::string>& layers, const std::string& target);

/// What may be mounted in a container's directory: its root, and the /dev/shm that it shares with other containers.
inline constexpr std::array kMountPoints{"rootfs", "shm"};

/// The folder of mounts that a container's own mounts stand on: parts of volumes, images (mount_sources.hpp).
inline constexpr const char* kHelperMounts = "mounts";

/// Mounts a tmpfs of that many bytes for a shared /dev/shm. Idempotent. May block.
void blocking_mount_shared_memory(const std::string& target, std::int64_t size);

/// Unmounts everything of a container's directory. Idempotent. May block.
void blocking_unmount_all(const std::string& directory);

/// Unmounts, also when it is busy. Idempotent. May block.
void blocking_unmount(const std::string& target);

/// True when something is mounted exactly there. May block.
bool blocking_is_mount_point(const std::string& path);

}  // namespace sockerless::local
