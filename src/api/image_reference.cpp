#include "api/image_reference.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace sockerless::api {

namespace {

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::string_view kLegacyDomain = "index.docker.io";
constexpr std::string_view kOfficialPrefix = "library/";
constexpr std::size_t kMaxPathLength = 255;
constexpr std::size_t kMaxTagLength = 128;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alnum(char c) { return is_digit(c) || is_lower(c) || is_upper(c); }
bool is_lower_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_hex(char c) { return is_lower_hex(c) || (c >= 'A' && c <= 'F'); }

[[noreturn]] void fail_format() { throw Error::invalid_argument("invalid reference format"); }

/// Calls check for each part between separators; false when one fails.
template <typename F>
bool every_part(std::string_view text, char separator, F check) {
  while (true) {
    const std::size_t end = text.find(separator);
    if (!check(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

bool is_domain_label(std::string_view label) {
  return !label.empty() && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-'; });
}

/// host[:port] with a name, an IPv4 address or an IPv6 address in brackets.
bool is_domain(std::string_view text) {
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    if (!std::ranges::all_of(text.substr(1, end - 1), [](char c) { return is_hex(c) || c == ':'; })) return false;
    const std::string_view rest = text.substr(end + 1);
    if (rest.empty()) return true;
    if (!rest.starts_with(':')) return false;
    port = rest.substr(1);
    has_port = true;
  } else {
    const std::size_t colon = text.find(':');
    if (!every_part(text.substr(0, colon), '.', is_domain_label)) return false;
    has_port = colon != std::string_view::npos;
    if (has_port) port = text.substr(colon + 1);
  }
  return !has_port || (!port.empty() && std::ranges::all_of(port, is_digit));
}

/// [a-z0-9]+ joined by one dot, one or two underscores, or any number of hyphens.
bool is_path_component(std::string_view text) {
  const auto is_word = [](char c) { return is_lower(c) || is_digit(c); };
  if (text.empty() || !is_word(text.front()) || !is_word(text.back())) return false;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && !is_word(text[end])) ++end;
    const std::string_view joint = text.substr(i, end - i);
    const bool fits =
        joint.empty() || joint == "." || joint == "_" || joint == "__" || joint.find_first_not_of('-') == std::string_view::npos;
    if (!fits) return false;
    i = end;
    while (i < text.size() && is_word(text[i])) ++i;
  }
  return true;
}

bool is_tag(std::string_view text) {
  const auto is_word = [](char c) { return is_alnum(c) || c == '_'; };
  return !text.empty() && text.size() <= kMaxTagLength && is_word(text.front()) &&
         std::ranges::all_of(text, [&](char c) { return is_word(c) || c == '.' || c == '-'; });
}

/// What the grammar of a reference takes for a digest; check_digest says whether it is one.
bool looks_like_digest(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  std::string algorithm(text.substr(0, colon));
  std::ranges::replace_if(algorithm, [](char c) { return c == '_' || c == '+' || c == '.'; }, '-');
  const bool named = every_part(algorithm, '-', [](std::string_view part) {
    return !part.empty() && !is_digit(part.front()) && std::ranges::all_of(part, is_alnum);
  });
  const std::string_view hex = text.substr(colon + 1);
  return named && hex.size() >= 32 && std::ranges::all_of(hex, is_hex);
}

struct Split {
  std::string domain;
  std::string remainder;
};

/// Where a first part is a host, it says so: by a dot, a port, an upper-case letter, or as localhost.
bool starts_with_host(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view first = text.substr(0, slash);
  return slash != std::string_view::npos &&
         (first.find_first_of(".:") != std::string_view::npos || first == "localhost" || std::ranges::any_of(first, is_upper));
}

Split split_domain(std::string_view text) {
  const bool has_host = starts_with_host(text);
  const std::size_t slash = text.find('/');
  Split split{std::string(has_host ? text.substr(0, slash) : kDefaultDomain), std::string(has_host ? text.substr(slash + 1) : text)};
  if (split.domain == kLegacyDomain) split.domain = kDefaultDomain;
  if (split.domain == kDefaultDomain && split.remainder.find('/') == std::string::npos) split.remainder.insert(0, kOfficialPrefix);
  return split;
}

}  // namespace

void check_digest(std::string_view digest) {
  const std::size_t colon = digest.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == digest.size()) {
    throw Error::invalid_argument("invalid checksum digest format");
  }
  const std::string_view algorithm = digest.substr(0, colon);
  const std::string_view hex = digest.substr(colon + 1);
  const std::size_t length = algorithm == "sha256" ? 64 : algorithm == "sha384" ? 96 : algorithm == "sha512" ? 128 : 0;
  if (length == 0) throw Error::invalid_argument("unsupported digest algorithm");
  if (hex.size() != length) throw Error::invalid_argument("invalid checksum digest length");
  if (!std::ranges::all_of(hex, is_lower_hex)) throw Error::invalid_argument("invalid checksum digest format");
}

ImageReference ImageReference::parse(std::string_view text) {
  if (text.size() == 64 && std::ranges::all_of(text, is_lower_hex)) {
    throw Error::invalid_argument("invalid repository name ({}), cannot specify 64-byte hexadecimal strings", text);
  }
  const Split split = split_domain(text);
  const std::string remote = split.remainder.substr(0, split.remainder.find(':'));
  if (std::ranges::any_of(remote, is_upper)) {
    throw Error::invalid_argument("invalid reference format: repository name ({}) must be lowercase", remote);
  }
  ImageReference reference;
  std::string_view rest = split.remainder;
  const std::size_t at = rest.find('@');
  if (at != std::string_view::npos) {
    reference.digest_ = rest.substr(at + 1);
    if (!looks_like_digest(reference.digest_)) fail_format();
    rest = rest.substr(0, at);
  }
  const std::size_t colon = rest.find(':');
  if (colon != std::string_view::npos) {
    reference.tag_ = rest.substr(colon + 1);
    if (!is_tag(reference.tag_)) fail_format();
    rest = rest.substr(0, colon);
  }
  if (!is_domain(split.domain) || !every_part(rest, '/', is_path_component)) fail_format();
  if (rest.size() > kMaxPathLength) throw Error::invalid_argument("repository name must not be more than {} characters", kMaxPathLength);
  if (!reference.digest_.empty()) check_digest(reference.digest_);
  reference.domain_ = split.domain;
  reference.path_ = rest;
  return reference;
}

std::optional<ImageReference> ImageReference::find(std::string_view text) {
  try {
    return parse(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string ImageReference::familiar_name() const {
  // "docker.io/a.b/c" keeps its domain: without it, "a.b" would be read as one.
  if (domain_ != kDefaultDomain || starts_with_host(path_)) return canonical_name();
  const bool official = path_.starts_with(kOfficialPrefix) && path_.find('/', kOfficialPrefix.size()) == std::string::npos;
  return official ? path_.substr(kOfficialPrefix.size()) : path_;
}

std::string ImageReference::suffix() const {
  std::string text;
  if (!tag_.empty()) text += ":" + tag_;
  if (!digest_.empty()) text += "@" + digest_;
  return text;
}

ImageReference ImageReference::with_default_tag() const {
  ImageReference copy = *this;
  if (tag_.empty() && digest_.empty()) copy.tag_ = "latest";
  return copy;
}

ImageReference ImageReference::with_tag(std::string_view tag) const {
  if (!is_tag(tag)) throw Error::invalid_argument("invalid tag format");
  ImageReference copy = *this;
  copy.tag_ = tag;
  copy.digest_.clear();
  return copy;
}

ImageReference ImageReference::with_digest(std::string_view digest) const {
  check_digest(digest);
  ImageReference copy = *this;
  copy.tag_.clear();
  copy.digest_ = digest;
  return copy;
}

}  // namespace sockerless::api
