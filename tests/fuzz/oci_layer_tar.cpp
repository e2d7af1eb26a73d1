// A layer's tar: refused, or unpacked with nothing changed outside its root. Runs on real directories, as root.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hpp"
#include "oci/layer.hpp"
#include "oci/source.hpp"
#include "oci_tar_fix.hpp"

namespace {

namespace fs = std::filesystem;

/// <temp>/jail/root is unpacked into; <temp>/jail/canary must stay as it is.
struct Jail {
  fs::path path;

  Jail() {
    std::string pattern = fs::temp_directory_path() / "sockerless-fuzz-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path = pattern;
    std::ofstream(path / "canary") << "alive";
    ::chmod((path / "canary").c_str(), 0600);
  }
  ~Jail() { sockerless::oci::blocking_remove_tree(AT_FDCWD, path.string()); }

  bool is_unharmed() const {
    struct stat status{};
    const bool same = ::lstat((path / "canary").c_str(), &status) == 0 && status.st_mode == (S_IFREG | 0600U) && status.st_nlink == 1 &&
                      status.st_size == 5;
    return same && std::distance(fs::directory_iterator(path), fs::directory_iterator()) == 2;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Jail jail;
  const std::string root = jail.path / "root";
  sockerless::oci::blocking_remove_tree(AT_FDCWD, root);
  fs::create_directory(root);
  sockerless::oci::LayerOptions options;
  options.max_bytes = 1UL << 20;
  options.max_entries = 100;
  try {
    sockerless::oci::MemorySource source(with_checksums(data, size));
    const auto layer = sockerless::oci::blocking_apply_layer(sockerless::oci::RootedDir::blocking_open(root), source, options);
    SOCKERLESS_ASSERT(layer.tar_bytes <= 64UL << 20, "decompression is bounded by what the limits let through");
  } catch (const sockerless::Error&) {}
  SOCKERLESS_ASSERT(jail.is_unharmed(), "nothing outside the root is written");
  return 0;
}
