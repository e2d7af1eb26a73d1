// Is a container what a program asks for? The daemon fills in what was left open: the image's command, default limits, empty lists. So the
// question is not whether two configurations are equal but whether everything that is asked for is there: the request as JSON must be
// part of what inspect tells. Nothing here knows the members, so it holds for those that the API gets next year as well.

#include <algorithm>

#include <boost/json.hpp>

#include "api/json.hpp"
#include "api/types_json.hpp"
#include "sdk/high_level.hpp"

namespace sockerless {

namespace {

namespace json = boost::json;

/// What Go's zero values are: the same as if nothing was said.
bool is_nothing(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return true;
    case json::kind::bool_:
      return !value.get_bool();
    case json::kind::string:
      return value.get_string().empty();
    case json::kind::array:
      return value.get_array().empty();
    case json::kind::object:
      return value.get_object().empty();
    default:
      return value.is_number() && value.to_number<double>() == 0;
  }
}

class Comparison {
 public:
  explicit Comparison(bool ports_may_differ) : ports_may_differ_(ports_may_differ) {}

  void compare(const std::string& path, const json::value& asked, const json::value* has) {
    if (is_nothing(asked)) {
      // An empty map's entry ("80/tcp": {}) asks for its key, which compare_object sees to.
    } else if (path == "Env" && has && has->is_array()) {
      compare_set(path, asked.as_array(), has->get_array());
    } else if (asked.is_object() && has && has->is_object()) {
      compare_object(path, asked.get_object(), has->get_object());
    } else if (asked.is_array() && has && has->is_array() && asked.get_array().size() == has->get_array().size()) {
      for (std::size_t i = 0; i < asked.get_array().size(); ++i) {
        compare(path + "[" + std::to_string(i) + "]", asked.get_array()[i], &has->get_array()[i]);
      }
    } else if (!has || asked != *has) {
      tell(path, json::serialize(asked), has);
    }
  }

  void compare_object(const std::string& path, const json::object& asked, const json::object& has) {
    const bool is_map = path == "Labels" || path == "ExposedPorts" || path == "Volumes" || path == "HostConfig.PortBindings";
    for (const auto& [key, value] : asked) {
      const json::value* theirs = has.if_contains(key);
      std::string member = std::string(path).append(path.empty() ? "" : ".").append(key);
      if (is_map && !theirs) {
        tell(member, json::serialize(value), nullptr);
      } else if (!(ports_may_differ_ && key == "HostPort")) {
        compare(member, value, theirs);
      }
    }
  }

  std::vector<std::string> take() { return std::move(found_); }

 private:
  void compare_set(const std::string& path, const json::array& asked, const json::array& has) {
    for (const json::value& value : asked) {
      if (std::ranges::find(has, value) == has.end()) found_.push_back(fmt::format("{} has no {}", path, name_only(value)));
    }
  }

  /// Of an environment variable the name: its value may be a secret.
  static std::string name_only(const json::value& variable) {
    const std::string text(variable.as_string());
    return text.substr(0, text.find('=')) + " of that value";
  }

  void tell(const std::string& path, const std::string& asked, const json::value* has) {
    if (path.starts_with("Env")) {
      found_.push_back("Env has other variables");
    } else {
      found_.push_back(
          fmt::format("{} is {}, not {}", path, has && !has->is_null() ? json::serialize(*has) : std::string("absent"), asked));
    }
  }

  bool ports_may_differ_;
  std::vector<std::string> found_;
};

template <typename T>
json::value json_of(const T& value) {
  return json::parse(api::to_json(value));
}

}  // namespace

std::vector<std::string> differences(const api::ContainerCreateRequest& asked, const api::ContainerInspectResponse& container,
                                     bool ports_may_differ) {
  json::object request = json_of(asked).as_object();
  for (const char* shown_elsewhere : {"HostConfig", "NetworkingConfig"}) request.erase(shown_elsewhere);
  Comparison comparison(ports_may_differ);
  const json::value config = json_of(container.config);
  comparison.compare("", request, &config);
  if (asked.host_config) {
    const json::value host = json_of(container.host_config);
    comparison.compare("HostConfig", json_of(*asked.host_config), &host);
  }
  std::vector<std::string> found = comparison.take();
  if (!asked.networking_config || !asked.networking_config->endpoints_config) return found;
  for (const auto& [network, ignored] : *asked.networking_config->endpoints_config) {
    const bool is_in =
        container.network_settings && container.network_settings->networks && container.network_settings->networks->contains(network);
    if (!is_in) found.push_back(fmt::format("it is not in the network {}", network));
  }
  return found;
}

}  // namespace sockerless
