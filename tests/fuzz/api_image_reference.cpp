// An image's name: refused, or both its forms read back as the same reference.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "api/image_reference.hpp"
#include "base/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using sockerless::api::ImageReference;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto reference = ImageReference::find(text);
  if (!reference) return 0;
  SOCKERLESS_ASSERT(ImageReference::parse(reference->canonical()) == *reference, "the canonical form is the same reference");
  const auto familiar = ImageReference::find(reference->familiar());
  // One exception, which is Docker's too: a familiar name of 64 hex digits is taken for an id.
  SOCKERLESS_ASSERT(familiar ? *familiar == *reference : reference->familiar().size() == 64, "the familiar form is the same reference");
  return 0;
}
