#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "oci/digest.hpp"
#include "oci/test_support.hpp"

// Images for tests, as `docker save` and OCI tools write them. Included by tests only.

namespace sockerless::oci::testing_support {

inline std::string diff_ids_of(const std::vector<std::string>& layers) {
  std::string list;
  for (const auto& layer : layers) list += fmt::format("{}\"{}\"", list.empty() ? "" : ",", Digest::of(std::string_view(layer)).str());
  return list;
}

/// A configuration document for these layers' (uncompressed) tars.
inline std::string make_config(const std::vector<std::string>& layers, std::string_view config = R"({"Cmd":["sh"],"Env":["A=b"]})") {
  return fmt::format(R"({{"architecture":"amd64","config":{},"created":"2024-01-02T03:04:05.123456789Z",)"
                     R"("history":[{{"created":"2024-01-02T03:04:05Z","created_by":"/bin/sh -c #(nop) ADD"}}],"os":"linux",)"
                     R"("rootfs":{{"type":"layers","diff_ids":[{}]}}}})",
                     config, diff_ids_of(layers));
}

/// What `docker save` writes for one image.
inline std::string docker_archive(const std::vector<std::string>& layers, const std::vector<std::string>& names,
                                  const std::string& config = {}) {
  const std::string document = config.empty() ? make_config(layers) : config;
  const std::string file = Digest::of(std::string_view(document)).hex() + ".json";
  TarBuilder tar;
  std::string paths;
  for (const auto& layer : layers) {
    const std::string directory = Digest::of(std::string_view("directory " + std::to_string(paths.size()) + layer)).hex();
    tar.directory(directory).file(directory + "/VERSION", "1.0").file(directory + "/json", "{}").file(directory + "/layer.tar", layer);
    paths += fmt::format("{}\"{}/layer.tar\"", paths.empty() ? "" : ",", directory);
  }
  std::string tags;
  for (const auto& name : names) tags += fmt::format("{}\"{}\"", tags.empty() ? "" : ",", name);
  tar.file(file, document);
  return tar.file("manifest.json", fmt::format(R"([{{"Config":"{}","RepoTags":[{}],"Layers":[{}]}}])", file, tags, paths)).finish();
}

/// An OCI layout, put together piece by piece.
class OciLayoutBuilder {
 public:
  OciLayoutBuilder() { tar_.file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"); }

  TarBuilder& tar() { return tar_; }
  /// @return the digest.
  std::string add_blob(const std::string& content) {
    const std::string digest = Digest::of(std::string_view(content)).str();
    add_named_blob(digest, content);
    return digest;
  }
  void add_named_blob(const std::string& digest, const std::string& content) {
    tar_.file("blobs/sha256/" + digest.substr(7), content);
    sizes_[digest] = content.size();
  }
  std::string descriptor(const std::string& digest, const std::string& more) {
    return fmt::format(R"({{"mediaType":"application/octet-stream","digest":"{}","size":{}{}{}}})", digest, sizes_[digest],
                       more.empty() ? "" : ",", more);
  }
  std::string add_manifest(const std::vector<std::string>& layers, const char* filter) {
    std::string list;
    for (const auto& layer : layers) {
      const std::string blob = *filter == '\0' ? layer : compress(layer, filter);
      list += (list.empty() ? "" : ",") + descriptor(add_blob(blob), "");
    }
    return add_blob(fmt::format(R"({{"schemaVersion":2,"config":{},"layers":[{}]}})", descriptor(add_blob(make_config(layers)), ""), list));
  }
  void add_image(const std::vector<std::string>& layers, const char* filter, const std::string& annotations) {
    add_descriptor(descriptor(add_manifest(layers, filter), "\"annotations\":" + annotations));
  }
  void add_descriptor(const std::string& descriptor) { manifests_ += (manifests_.empty() ? "" : ",") + descriptor; }
  /// May be called again: what was added stays.
  std::string finish() {
    if (finished_.empty()) {
      tar_.file("index.json", fmt::format(R"({{"schemaVersion":2,"manifests":[{}]}})", manifests_));
      finished_ = tar_.finish();
    }
    return finished_;
  }

 private:
  TarBuilder tar_;
  std::map<std::string, std::size_t> sizes_;
  std::string manifests_;
  std::string finished_;
};

}  // namespace sockerless::oci::testing_support
