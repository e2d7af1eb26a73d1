#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sockerless {

/// One setting of a program, with every place it can come from. Flags beat environment beat file beat default.
struct SettingSpec {
  std::string name;                   ///< the key in the YAML file and the flag without its dashes: "api-version"
  std::string environment;            ///< "SOCKERLESS_API_VERSION"; empty: none
  std::vector<std::string> defaults;  ///< one value, or several of a repeatable setting
  bool repeatable = false;
};

/// The values of all settings after the four sources were laid over each other.
class Settings {
 public:
  using Values = std::map<std::string, std::vector<std::string>>;
  using Environment = std::optional<std::string> (*)(const std::string& name);

  /// @param flags  what the command line gave.
  /// @param yaml   the text of the configuration file (`file_name` is used in messages), or nothing.
  /// @errors invalid_argument: malformed YAML, an unknown key or a value of the wrong kind, with the file's name and line.
  static Settings resolve(const std::vector<SettingSpec>& specs, const Values& flags, Environment environment,
                          const std::optional<std::string>& yaml, std::string_view file_name);

  /// The value of a setting; empty when it has none.
  std::string get(std::string_view name) const;
  std::vector<std::string> get_all(std::string_view name) const;
  /// Docker's booleans: "1", "true", "yes", "on". @errors invalid_argument for anything else that is not a "no".
  bool get_bool(std::string_view name) const;

 private:
  Values values_;
};

/// getenv(3) as Settings wants it.
std::optional<std::string> process_environment(const std::string& name);

}  // namespace sockerless
