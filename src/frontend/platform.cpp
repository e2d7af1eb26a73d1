#include "frontend/platform.hpp"

#include <map>

#include "api/json.hpp"
#include "base/error.hpp"

namespace sockerless::frontend {

namespace {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;

  std::string str() const { return os + "/" + architecture + (variant.empty() ? "" : "/" + variant); }
};

std::string text_member(const std::map<std::string, api::RawJson>& members, const std::string& name) {
  const auto found = members.find(name);
  return found == members.end() ? std::string() : api::parse_json<std::string>(found->second.text);
}

Platform read_platform(const std::string& json) {
  Platform platform;
  try {
    const auto members = api::parse_json<std::map<std::string, api::RawJson>>(json);
    platform = {
        .os = text_member(members, "os"), .architecture = text_member(members, "architecture"), .variant = text_member(members, "variant")};
  } catch (const Error& error) {
    throw Error::invalid_argument("failed to parse platform").with_detail(error.message());
  }
  if (platform.os.empty() || platform.architecture.empty()) throw Error::invalid_argument("both OS and Architecture must be provided");
  return platform;
}

}  // namespace

void check_platform(const api::ImageInspect& image, const std::string& name, const std::string& platform) {
  if (platform.empty()) return;
  const Platform wanted = read_platform(platform);
  const bool same = image.os == wanted.os && image.architecture == wanted.architecture &&
                    (wanted.variant.empty() || image.variant.value_or("") == wanted.variant);
  if (!same)
    throw Error::not_found("image with reference {} was found but does not provide the specified platform ({})", name, wanted.str());
}

std::string parse_platform(const std::string& json) { return read_platform(json).str(); }

}  // namespace sockerless::frontend
