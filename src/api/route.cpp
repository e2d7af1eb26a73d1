#include "api/route.hpp"

#include "api/route_table.hpp"

namespace sockerless::api {

namespace {

std::optional<RouteMatch> match(const Route& route, std::string_view path) {
  if (route.parameter.empty()) return path == route.path ? std::optional(RouteMatch{&route, {}, {}}) : std::nullopt;
  if (!path.starts_with(route.head)) return std::nullopt;
  const std::string_view rest = path.substr(route.head.size());
  if (route.second_parameter.empty()) {
    if (rest.size() <= route.tail.size() || !rest.ends_with(route.tail)) return std::nullopt;
    return RouteMatch{&route, rest.substr(0, rest.size() - route.tail.size()), {}};
  }
  const std::size_t at = rest.rfind(route.tail);
  if (at == std::string_view::npos || at == 0 || at + route.tail.size() == rest.size()) return std::nullopt;
  return RouteMatch{&route, rest.substr(0, at), rest.substr(at + route.tail.size())};
}

}  // namespace

std::optional<RouteMatch> find_route(std::string_view method, std::string_view path) {
  if (path == "/networks/") path.remove_suffix(1);
  if (!path.starts_with('/')) return std::nullopt;
  const std::string_view segment = path.substr(1, path.find('/', 1) - 1);
  for (const RouteBucket& bucket : route_buckets()) {
    if (bucket.segment != segment) continue;
    for (const Route& route : routes().subspan(bucket.begin, bucket.end - bucket.begin)) {
      if (route.method != method) continue;
      if (const auto found = match(route, path)) return found;
    }
  }
  return std::nullopt;
}

}  // namespace sockerless::api
