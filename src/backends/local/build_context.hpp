#pragma once

#include <memory>
#include <string>

#include "base/byte_source.hpp"
#include "base/task.hpp"

namespace sockerless::local {

/// Unpacks what a client sends, or `remote` names, into an empty directory: a tar, compressed or not, or a Dockerfile alone.
///
/// The caller keeps `pool`. @errors internal, as dockerd: damaged or hostile; too_large; not_implemented: a git repository;
/// internal: it cannot be fetched.
Task<void> open_context(BlockingPool* pool, std::string remote, std::unique_ptr<ByteSource> body, std::string directory);

/// The text of the Dockerfile at `path` in the context, links resolved within it; it and .dockerignore leave the context when the latter
/// says so. @errors internal, as dockerd: "Cannot locate specified Dockerfile: x".
std::string blocking_take_dockerfile(const std::string& directory, std::string path);

}  // namespace sockerless::local
