#include "base/settings.hpp"

#include <algorithm>
#include <cstdlib>

#include <yaml-cpp/yaml.h>

#include "base/error.hpp"

namespace sockerless {

namespace {

std::vector<std::string> values_of(const YAML::Node& node, const SettingSpec& spec, std::string_view place) {
  if (node.IsScalar()) return {node.Scalar()};
  if (node.IsSequence() && spec.repeatable) {
    std::vector<std::string> values;
    for (const YAML::Node& item : node) {
      if (!item.IsScalar()) throw Error::invalid_argument("{}: \"{}\" wants a list of plain values", place, spec.name);
      values.push_back(item.Scalar());
    }
    return values;
  }
  throw Error::invalid_argument("{}: \"{}\" wants {}", place, spec.name, spec.repeatable ? "a value or a list of values" : "one value");
}

Settings::Values read_yaml(const std::vector<SettingSpec>& specs, const std::string& text, std::string_view file_name) {
  Settings::Values values;
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::ParserException& error) {
    throw Error::invalid_argument("{}:{}: {}", file_name, error.mark.line + 1, error.msg);
  }
  if (root.IsNull()) return values;
  if (!root.IsMap()) throw Error::invalid_argument("{}:{}: want `key: value` lines", file_name, root.Mark().line + 1);
  for (const auto& entry : root) {
    const std::string place = fmt::format("{}:{}", file_name, entry.first.Mark().line + 1);
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : std::string("?");
    const auto spec = std::ranges::find(specs, key, &SettingSpec::name);
    if (spec == specs.end()) throw Error::invalid_argument("{}: unknown key \"{}\"", place, key);
    if (values.contains(key)) throw Error::invalid_argument("{}: \"{}\" is given twice", place, key);
    values[key] = values_of(entry.second, *spec, place);
  }
  return values;
}

}  // namespace

Settings Settings::resolve(const std::vector<SettingSpec>& specs, const Values& flags, Environment environment,
                           const std::optional<std::string>& yaml, std::string_view file_name) {
  const Values file = yaml ? read_yaml(specs, *yaml, file_name) : Values{};
  Settings settings;
  for (const SettingSpec& spec : specs) {
    auto& value = settings.values_[spec.name];
    value = spec.defaults;
    if (const auto it = file.find(spec.name); it != file.end()) value = it->second;
    if (!spec.environment.empty()) {
      if (const auto from_environment = environment(spec.environment)) value = {*from_environment};
    }
    if (const auto it = flags.find(spec.name); it != flags.end() && !it->second.empty()) value = it->second;
  }
  return settings;
}

std::string Settings::get(std::string_view name) const {
  const auto values = get_all(name);
  return values.empty() ? std::string() : values.back();
}

std::vector<std::string> Settings::get_all(std::string_view name) const {
  const auto it = values_.find(std::string(name));
  SOCKERLESS_ASSERT(it != values_.end(), "every setting that is read is declared");
  return it->second;
}

bool Settings::get_bool(std::string_view name) const {
  const std::string value = get(name);
  for (const std::string_view yes : {"1", "true", "yes", "on"}) {
    if (value == yes) return true;
  }
  for (const std::string_view no : {"", "0", "false", "no", "off"}) {
    if (value == no) return false;
  }
  throw Error::invalid_argument("{}: \"{}\" is neither true nor false", name, value);
}

std::optional<std::string> process_environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace sockerless
