#include "backend/capabilities.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/error.hpp"

namespace sockerless {

namespace {

namespace json = boost::json;

/// Calls `visit(name, member)` for every flag and number, in wire order. One list for both directions.
template <typename C, typename Visitor>
void visit_members(C& capabilities, Visitor&& visit) {
  visit("exec", capabilities.exec);
  visit("attach", capabilities.attach);
  visit("logs", capabilities.logs);
  visit("logs_follow", capabilities.logs_follow);
  visit("volumes", capabilities.volumes);
  visit("networks", capabilities.networks);
  visit("health_checks", capabilities.health_checks);
  visit("image_pull", capabilities.image_pull);
  visit("image_load", capabilities.image_load);
  visit("max_timeout_seconds", capabilities.max_timeout_seconds);
  visit("agent_required", capabilities.agent_required);
}

const json::value& member(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr) throw Error::invalid_argument("capabilities without \"{}\"", name);
  return *value;
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value& value = member(object, name);
  if (!value.is_string()) throw Error::invalid_argument("capabilities: \"{}\" is not a string", name);
  return std::string(value.get_string());
}

void read(const json::object& flags, std::string_view name, bool& out) {
  const json::value& value = member(flags, name);
  if (!value.is_bool()) throw Error::invalid_argument("capabilities: \"{}\" is not a boolean", name);
  out = value.get_bool();
}

void read(const json::object& flags, std::string_view name, std::int64_t& out) {
  const json::value& value = member(flags, name);
  boost::system::error_code failed;
  out = value.to_number<std::int64_t>(failed);
  if (failed) throw Error::invalid_argument("capabilities: \"{}\" is not a whole number", name);
}

}  // namespace

std::string to_json(const Capabilities& capabilities) {
  json::object flags;
  visit_members(capabilities, [&](std::string_view name, const auto& value) { flags.emplace(name, value); });
  json::object document;
  document.emplace("backend", capabilities.backend);
  document.emplace("version", capabilities.version);
  document.emplace("capabilities", std::move(flags));
  return json::serialize(document);
}

Capabilities parse_capabilities(std::string_view text) {
  boost::system::error_code failed;
  const json::value document = json::parse(text, failed);
  if (failed || !document.is_object()) throw Error::invalid_argument("capabilities are not a JSON object");
  Capabilities capabilities;
  capabilities.backend = text_of(document.get_object(), "backend");
  capabilities.version = text_of(document.get_object(), "version");
  const json::value& flags = member(document.get_object(), "capabilities");
  if (!flags.is_object()) throw Error::invalid_argument("capabilities: \"capabilities\" is not an object");
  visit_members(capabilities, [&](std::string_view name, auto& value) { read(flags.get_object(), name, value); });
  return capabilities;
}

}  // namespace sockerless
