#include "oci/registry_challenge.hpp"

#include <algorithm>
#include <cctype>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "net/http.hpp"

namespace sockerless::oci {

namespace {

namespace json = boost::json;

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/// Reads the header from the left.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  void skip(std::string_view what) {
    while (!text_.empty() && what.contains(text_.front())) text_.remove_prefix(1);
  }
  std::string_view word() {
    const auto end = std::min(text_.find_first_of(" \t,="), text_.size());
    const std::string_view word = text_.substr(0, end);
    text_.remove_prefix(end);
    return word;
  }
  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::string value() {
    if (!take('"')) return std::string(word());
    std::string value;
    while (!text_.empty() && text_.front() != '"') {
      if (text_.front() == '\\' && text_.size() > 1) text_.remove_prefix(1);
      value += text_.front();
      text_.remove_prefix(1);
    }
    take('"');
    return value;
  }
  bool at_end() const { return text_.empty(); }

 private:
  std::string_view text_;
};

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* member = object.if_contains(name);
  return member != nullptr && member->is_string() ? std::string(std::string_view(member->get_string())) : std::string();
}

std::string default_code(int status) {
  switch (status) {
    case 401:
      return "UNAUTHORIZED";
    case 403:
      return "DENIED";
    case 429:
      return "TOOMANYREQUESTS";
    default:
      return {};
  }
}

}  // namespace

std::optional<RegistryChallenge> RegistryChallenge::find(std::string_view header) {
  std::optional<RegistryChallenge> found;
  Scanner scanner(header);
  for (scanner.skip(" \t,"); !scanner.at_end(); scanner.skip(" \t,")) {
    const std::string word = lower(scanner.word());
    if (word.empty()) return found;  // not what the grammar allows
    if (!scanner.take('=')) {
      if (found) return found;
      if (word == "basic" || word == "bearer") found = RegistryChallenge{word, {}};
      continue;
    }
    std::string value = scanner.value();
    if (found) found->parameters.insert_or_assign(word, std::move(value));
  }
  return found;
}

std::string RegistryChallenge::parameter(const std::string& name) const {
  const auto at = parameters.find(name);
  return at == parameters.end() ? std::string() : at->second;
}

RegistryRefusal RegistryRefusal::read(int status, const std::string& body) {
  RegistryRefusal refusal{status, {}, {}};
  boost::system::error_code failure;
  const json::value document = json::parse(body, failure);
  if (!failure && document.is_object()) {
    const json::object& object = document.get_object();
    const json::value* errors = object.if_contains("errors");
    if (errors != nullptr && errors->is_array() && !errors->get_array().empty() && errors->get_array().front().is_object()) {
      const json::object& first = errors->get_array().front().get_object();
      refusal.code = text_of(first, "code");
      refusal.message = text_of(first, "message");
    }
    if (refusal.message.empty()) refusal.message = text_of(object, "details");
    if (refusal.message.empty()) refusal.message = text_of(object, "message");
  }
  if (refusal.code.empty()) refusal.code = default_code(status);
  return refusal;
}

std::string RegistryRefusal::text() const {
  if (code.empty()) {
    return fmt::format("received unexpected HTTP status: {} {}{}{}", status, net::reason_of(status), message.empty() ? "" : ": ", message);
  }
  std::string words = lower(code);
  std::ranges::replace(words, '_', ' ');
  const std::string fallback = code == "UNAUTHORIZED"      ? "authentication required"
                               : code == "DENIED"          ? "requested access to the resource is denied"
                               : code == "TOOMANYREQUESTS" ? "too many requests"
                                                           : words;
  return words + ": " + (message.empty() ? fallback : message);
}

}  // namespace sockerless::oci
