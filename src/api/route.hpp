#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "api/operation.hpp"
#include "api/version.hpp"

namespace sockerless::api {

/// One endpoint: `head` {parameter} `tail` {second_parameter}, where what a path has not is empty.
struct Route {
  std::string_view method;
  std::string_view path;  ///< as in the API document: /containers/{id}/json
  std::string_view head;
  std::string_view parameter;
  std::string_view tail;
  std::string_view second_parameter;
  Operation operation;
  Tag tag;
  ApiVersion since;  ///< below it dockerd answers 400; 0.0 where it was always there
};

/// A route and what its parameters stand for, as views of the path that was looked up: still percent-encoded.
struct RouteMatch {
  const Route* route;
  std::string_view parameter;
  std::string_view second_parameter;
};

/// Every route, those of one first path segment side by side.
std::span<const Route> routes();

/// Finds the endpoint of a path without its /vX.YY prefix and query. A parameter may hold slashes ("registry/team/image"), so it reaches to
/// the last fixed part of the path.
std::optional<RouteMatch> find_route(std::string_view method, std::string_view path);

}  // namespace sockerless::api
