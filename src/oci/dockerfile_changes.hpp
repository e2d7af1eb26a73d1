#pragma once

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "base/time.hpp"
#include "oci/digest.hpp"
#include "oci/manifest.hpp"

namespace sockerless::oci {

/// An empty "config" member of an image configuration, with the members and in the order that Docker writes.
boost::json::object make_empty_config();

/// Carries out Dockerfile instructions on a "config" member, as `docker import --change` and `docker commit --change` do: CMD, ENTRYPOINT,
/// ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR, with quotes, variables, JSON and shell forms.
/// @errors invalid_argument, in Docker's words: "run is not a valid change command".
boost::json::object apply_changes(boost::json::object config, const std::vector<std::string>& changes);

/// The configuration document of an image made of one imported layer, as dockerd writes it.
std::string make_import_document(const boost::json::object& config, const Platform& platform, const Digest& diff_id, TimePoint created,
                                 const std::string& message);

/// What `docker commit` adds to an image.
struct CommittedLayer {
  boost::json::object config;            ///< the new image's, complete
  boost::json::object container_config;  ///< that of the container it was made of
  std::string container;                 ///< its id
  std::string author;
  std::string comment;
  Digest diff_id;
  TimePoint created;
};

/// The configuration document of an image made of a container, as dockerd writes it. A layer without a file in it is left out.
std::string make_commit_document(const ImageDocument& parent, const CommittedLayer& layer);

/// A duration as Go writes it ("1h30m", "1.5s", "300ms"), in nanoseconds. @errors invalid_argument: time: invalid duration "x".
std::int64_t parse_go_duration(std::string_view text);

}  // namespace sockerless::oci
