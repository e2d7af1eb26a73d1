#pragma once
// Docker's types are the client library's public types: generated, installed as sockerless/types.hpp.

#include "sockerless/types.hpp"  // IWYU pragma: export
