#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.hpp"
#include "base/program.hpp"
#include "base/settings.hpp"

namespace sockerless {

/// What a backend in this process is made from.
struct BackendContext {
  Program& program;
  const Settings& settings;  ///< those of `sockerless serve`
};

using BackendFactory = std::function<std::unique_ptr<Backend>(const BackendContext&)>;

/// The backends that are compiled in, by the name that --backend takes.
class BackendRegistry {
 public:
  void add(std::string name, BackendFactory factory);
  /// @errors invalid_argument: no such backend; the text lists those there are.
  const BackendFactory& get(const std::string& name) const;
  std::vector<std::string> names() const;

 private:
  std::map<std::string, BackendFactory> factories_;
};

/// The one list of what is compiled in.
BackendRegistry builtin_backends();

}  // namespace sockerless
