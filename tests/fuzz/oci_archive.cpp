// An image archive: refused, or images whose documents and layers can be read.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "oci/archive.hpp"
#include "oci/source.hpp"
#include "oci_tar_fix.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sockerless;  // NOLINT(google-build-using-namespace)
  static const std::string directory = std::filesystem::temp_directory_path().string();
  const std::string tar = with_checksums(data, size);
  auto file = std::make_shared<UniqueFd>(oci::blocking_open_anonymous_file(directory));
  oci::blocking_write_all(file->get(), std::as_bytes(std::span(tar)), "write the input");
  oci::ArchiveOptions options;
  options.max_bytes = 1UL << 20;
  try {
    for (const auto& image : oci::blocking_read_archive(oci::Blob::whole(std::move(file)), directory, options)) {
      SOCKERLESS_ASSERT(image.layers.size() == image.document.diff_ids.size(), "a layer for each diff id");
      SOCKERLESS_ASSERT(oci::ImageDocument::parse(image.document.raw).id() == image.document.id(), "a document reads back as itself");
      for (const auto& layer : image.layers)
        SOCKERLESS_ASSERT(layer.content.blocking_read_all(1UL << 24).size() == layer.content.size, "a layer is there");
    }
  } catch (const Error&) {}
  return 0;
}
