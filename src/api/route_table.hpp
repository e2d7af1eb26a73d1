#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "api/route.hpp"

namespace sockerless::api {

/// The routes of one first path segment: [begin, end) of routes().
struct RouteBucket {
  std::string_view segment;
  std::size_t begin;
  std::size_t end;
};

std::span<const RouteBucket> route_buckets();

}  // namespace sockerless::api
