#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sockerless::api {

/// An image's name: domain/path[:tag][@digest], by the grammar of distribution/reference. What people write ("busybox") is the familiar
/// form of a canonical name ("docker.io/library/busybox").
class ImageReference {
 public:
  /// Reads either form. @errors invalid_argument: in Docker's words ("invalid reference format", "... must be lowercase").
  static ImageReference parse(std::string_view text);
  /// The same, nullopt where parse throws.
  static std::optional<ImageReference> find(std::string_view text);

  const std::string& domain() const { return domain_; }  ///< docker.io
  const std::string& path() const { return path_; }      ///< library/busybox
  const std::string& tag() const { return tag_; }        ///< "" when there is none
  const std::string& digest() const { return digest_; }  ///< sha256:..., "" when there is none

  /// docker.io/library/busybox
  std::string canonical_name() const { return domain_ + "/" + path_; }
  /// busybox
  std::string familiar_name() const;
  /// The canonical name with tag and digest.
  std::string canonical() const { return canonical_name() + suffix(); }
  /// The familiar name with tag and digest.
  std::string familiar() const { return familiar_name() + suffix(); }

  /// This reference, with the tag `latest` when it has neither tag nor digest.
  ImageReference with_default_tag() const;
  /// The same name with another tag and no digest. @errors invalid_argument: "invalid tag format".
  ImageReference with_tag(std::string_view tag) const;
  /// The same name with a digest and no tag. @errors invalid_argument: not a digest.
  ImageReference with_digest(std::string_view digest) const;

  bool operator==(const ImageReference&) const = default;

 private:
  std::string suffix() const;

  std::string domain_;
  std::string path_;
  std::string tag_;
  std::string digest_;
};

/// @errors invalid_argument: "invalid checksum digest format", "unsupported digest algorithm" or "invalid checksum digest length".
void check_digest(std::string_view digest);

}  // namespace sockerless::api
