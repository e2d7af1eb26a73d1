#pragma once
// What nearly every translation unit above base/ includes: base/'s precompiled header, and Docker's types on top. Not a header to include.
#include "api/types.hpp"
#include "base/error.hpp"
#include "base/pch.hpp"
#include "base/task.hpp"
