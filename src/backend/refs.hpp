#pragma once

#include <string>

namespace sockerless {

/// What a client wrote to mean an object: a full id, a unique prefix of one, or a name. Resolved by the backend, never by the frontend.
struct ContainerRef {
  std::string text;
};
struct ExecRef {
  std::string text;
};
/// An image id, prefix or reference ("busybox", "busybox:1.36", "repo@sha256:...").
struct ImageRef {
  std::string text;
};
struct NetworkRef {
  std::string text;
};
struct VolumeRef {
  std::string text;
};

}  // namespace sockerless
