#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "backends/local/confined_program.hpp"
#include "oci/digest.hpp"
#include "oci/manifest.hpp"
#include "oci/source.hpp"

// Where buildah works, below `build/` of the state directory, mode 0700:
//
//   *.conf *policy.json ignore   written anew at each start: buildah reads these and none of the machine's
//   storage/       its image store: bases that were handed over, and the steps of builds, kept for later ones
//   bases/<hex>    the bases; when the daemon has lost one of them, all of storage/ goes
//   work/<n>/      one build: context, Dockerfile, mounts, result. Emptied at start

namespace sockerless::local {

class BuildStorage {
 public:
  /// Makes what is missing and removes what an interrupted process left. @param runtime  a name or a path; empty: what is there.
  static BuildStorage blocking_open(const std::string& directory, const std::string& runtime);

  /// The folder of a new build. It goes with blocking_remove_work.
  std::string blocking_make_work() const;
  void blocking_remove_work(const std::string& work) const;

  /// "sha256:..." is in buildah's store.
  bool has_image(std::string_view id) const;
  void blocking_remember_base(std::string_view id) const;
  /// Ids of the images that were handed over.
  std::vector<std::string> blocking_bases() const;
  /// An image's configuration. @errors internal: it is not there, or damaged.
  oci::ImageDocument blocking_document(std::string_view id) const;
  /// Forgets everything. Nobody may build meanwhile. @return the bytes that are free again.
  std::uint64_t blocking_clear() const;

  /// `buildah COMMAND ARGUMENTS` on this storage. @errors not_implemented: buildah is not installed.
  ConfinedCommand command(const std::string& work, const std::string& name, std::vector<std::string> arguments) const;
  /// Flags of commands that make containers.
  std::vector<std::string> isolation() const;
  /// A file of patterns without any: what a context leaves out the client has left out.
  std::string ignore_file() const { return directory_ + "/ignore"; }

 private:
  explicit BuildStorage(std::string directory, std::string runtime);

  std::string directory_;
  std::string runtime_;
};

}  // namespace sockerless::local
