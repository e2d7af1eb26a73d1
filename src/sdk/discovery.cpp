// Which daemon the docker command would talk to. Found by running the command itself and reading its rules: a flag beats DOCKER_HOST beats
// DOCKER_CONTEXT beats currentContext; what wins decides alone, an error in it does not fall through to the next.

#include "sdk/discovery.hpp"

#include <algorithm>
#include <cerrno>

#include "api/json.hpp"
#include "api/version.hpp"
#include "base/error.hpp"
#include "net/address.hpp"
#include "oci/digest.hpp"
#include "sdk/config_file.hpp"
#include "sdk/ssh_target.hpp"

namespace sockerless {

namespace {

constexpr std::string_view kDefaultContext = "default";
constexpr std::uint16_t kTlsPort = 2376;

std::string trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1));
}

std::string value_of(const HostEnvironment& environment, const std::string& name) {
  return environment.variable(name).value_or(std::string());
}

Endpoint tcp_endpoint(std::string_view rest, Endpoint::Kind kind) {
  const net::Address address = net::Address::parse(fmt::format("tcp://{}", rest));
  Endpoint endpoint;
  endpoint.kind = kind;
  endpoint.host = rest.empty() || rest.starts_with(':') ? "localhost" : address.host;  // a name, which a certificate can be for
  const std::string_view authority = rest.substr(0, rest.find('/'));
  const bool names_port = authority.rfind(':') != std::string_view::npos && !authority.ends_with(']');
  endpoint.port = kind == Endpoint::Kind::tls && !names_port ? kTlsPort : address.port;
  const auto is_of_a_host = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("._:%-").contains(c);
  };
  if (!std::ranges::all_of(endpoint.host, is_of_a_host)) throw Error::invalid_argument("its host has a character that no host has");
  if (endpoint.port == 0) throw Error::invalid_argument("a daemon is not at port 0");
  return endpoint;
}

bool exists(const HostEnvironment& environment, const std::string& path) { return environment.kind_of(path).has_value(); }

// ---- TLS material: files of fixed names in one folder

/// DOCKER_TLS_VERIFY and DOCKER_TLS: the certificate authority must be there, what identifies us only if it is.
std::optional<TlsFiles> tls_of_variables(const HostEnvironment& environment) {
  const bool verify = !value_of(environment, "DOCKER_TLS_VERIFY").empty();
  if (!verify && value_of(environment, "DOCKER_TLS").empty()) return std::nullopt;
  const std::string switched_on = verify ? "DOCKER_TLS_VERIFY" : "DOCKER_TLS";
  const std::string cert_path = value_of(environment, "DOCKER_CERT_PATH");
  const std::string folder = cert_path.empty() ? config_directory(environment) : cert_path;
  const std::string named =
      cert_path.empty() ? "DOCKER_CERT_PATH is not set, so it is looked for there" : "DOCKER_CERT_PATH names that folder";
  TlsFiles files{
      .ca_file = folder + "/ca.pem", .certificate_file = folder + "/cert.pem", .key_file = folder + "/key.pem", .verify = verify};
  if (const auto kind = environment.kind_of(files.ca_file); !kind) {
    throw from_errno(kind.error(), fmt::format("{} is set and wants {} ({})", switched_on, files.ca_file, named));
  }
  if (!exists(environment, files.certificate_file)) files.certificate_file.clear();
  if (!exists(environment, files.key_file)) files.key_file.clear();
  if (files.certificate_file.empty() != files.key_file.empty()) {
    throw Error::invalid_argument("{} has one of cert.pem and key.pem without the other ({})", folder, named);
  }
  return files;
}

/// The files of a context, which are each optional. TLS is on if there is one of them, or if the context says not to verify.
std::optional<TlsFiles> tls_of_context(const HostEnvironment& environment, const std::string& folder, bool skip_verification) {
  TlsFiles files{.ca_file = folder + "/ca.pem",
                 .certificate_file = folder + "/cert.pem",
                 .key_file = folder + "/key.pem",
                 .verify = !skip_verification};
  for (std::string* file : {&files.ca_file, &files.certificate_file, &files.key_file}) {
    if (!exists(environment, *file)) file->clear();
  }
  if (files.certificate_file.empty() != files.key_file.empty()) {
    throw Error::invalid_argument("{} has one of cert.pem and key.pem without the other", folder);
  }
  if (files.ca_file.empty() && files.certificate_file.empty() && !skip_verification) return std::nullopt;
  return files;
}

bool is_over_tcp(const Endpoint& endpoint) { return endpoint.kind == Endpoint::Kind::tcp || endpoint.kind == Endpoint::Kind::tls; }

void use_tls(Endpoint& endpoint, std::optional<TlsFiles> files) {
  if (!files || !is_over_tcp(endpoint)) return;
  endpoint.kind = Endpoint::Kind::tls;
  endpoint.tls = std::move(*files);
}

// ---- contexts

struct ContextMetadata {
  std::string host;
  bool skip_tls_verify = false;
  bool has_docker = false;
};

void read_docker_endpoint(api::JsonReader& reader, ContextMetadata& metadata) {
  metadata.has_docker = true;
  if (reader.read_null()) return;
  reader.read_object("docker.EndpointMeta", [&](std::string_view name) {
    api::RawJson unused;
    if (name == "Host") return api::read_json(reader, metadata.host);
    if (name == "SkipTLSVerify") return api::read_json(reader, metadata.skip_tls_verify);
    reader.read(unused);
  });
}

ContextMetadata parse_context(std::string_view text) {
  ContextMetadata metadata;
  api::JsonReader reader(text);
  reader.read_object("store.Metadata", [&](std::string_view name) {
    api::RawJson unused;
    if (name != "Endpoints") return reader.read(unused);
    if (reader.read_null()) return;
    reader.read_object("map[string]interface", [&](std::string_view endpoint) {
      if (endpoint == "docker") return read_docker_endpoint(reader, metadata);
      reader.read(unused);
    });
  });
  reader.finish();
  return metadata;
}

/// @param origin  what chose the context, for messages: "DOCKER_CONTEXT".
Endpoint endpoint_of_context(const HostEnvironment& environment, const std::string& name, const std::string& origin) {
  const std::string folder = config_directory(environment);
  const std::string id = oci::Digest::of(std::string_view(name)).hex();
  const std::string path = fmt::format("{}/contexts/meta/{}/meta.json", folder, id);
  const auto text = environment.read_file(path);
  if (!text && text.error() == ENOENT) {
    throw Error::not_found(
        "{} chooses the docker context \"{}\", which does not exist: there is no {}; `docker context ls` lists those there are", origin,
        name, path);
  }
  if (!text) throw from_errno(text.error(), fmt::format("read {} (the docker context \"{}\", chosen by {})", path, name, origin));
  try {
    const ContextMetadata metadata = parse_context(*text);
    if (!metadata.has_docker) throw Error::invalid_argument("it has no endpoint named \"docker\"");
    Endpoint endpoint = metadata.host.empty() ? Endpoint::unix_socket(std::string(kDefaultDockerSocket)) : endpoint_of_text(metadata.host);
    use_tls(endpoint, tls_of_context(environment, fmt::format("{}/contexts/tls/{}/docker", folder, id), metadata.skip_tls_verify));
    return endpoint;
  } catch (const Error& error) {
    throw Error::invalid_argument("{} (the docker context \"{}\", chosen by {}): {}", path, name, origin, error.message());
  }
}

// ---- the order

DiscoveredEndpoint from_context(const HostEnvironment& environment, const std::string& name, EndpointSource source,
                                const std::string& origin) {
  DiscoveredEndpoint found;
  found.endpoint = endpoint_of_context(environment, name, origin);
  found.source = source;
  found.context = name;
  found.origin = fmt::format("the docker context \"{}\" ({})", name, origin);
  return found;
}

DiscoveredEndpoint from_host(const HostEnvironment& environment, const std::string& host, EndpointSource source,
                             const std::string& origin) {
  DiscoveredEndpoint found;
  try {
    found.endpoint = endpoint_of_text(host);
  } catch (const Error& error) {
    throw Error::invalid_argument("{} is \"{}\": {}", origin, host, error.message());
  }
  if (is_over_tcp(found.endpoint)) use_tls(found.endpoint, tls_of_variables(environment));
  found.source = source;
  found.origin = origin;
  return found;
}

DiscoveredEndpoint from_nothing(const HostEnvironment& environment) {
  DiscoveredEndpoint found;
  found.origin = "the default, since neither DOCKER_HOST nor a docker context is set";
  if (auto tls = tls_of_variables(environment)) {
    found.endpoint = tcp_endpoint(fmt::format("localhost:{}", kTlsPort), Endpoint::Kind::tls);
    found.endpoint.tls = std::move(*tls);
    return found;
  }
  found.endpoint = Endpoint::unix_socket(std::string(kDefaultDockerSocket));
  const auto kind = environment.kind_of(found.endpoint.path);
  if (kind || (kind.error() != ENOENT && kind.error() != ENOTDIR)) return found;
  for (const std::string& path : usual_sockets(environment)) {
    if (environment.kind_of(path) != HostEnvironment::FileKind::socket) continue;
    found.endpoint.path = path;
    found.source = EndpointSource::usual_socket;
    found.origin = fmt::format("a usual place, since there is no {}", kDefaultDockerSocket);
    break;
  }
  return found;
}

DiscoveredEndpoint find_by_order(const HostEnvironment& environment, const DiscoveryOptions& options) {
  if (!options.host.empty() && !options.context.empty()) throw Error::invalid_argument("a host and a docker context cannot both be given");
  if (!options.host.empty()) return from_host(environment, options.host, EndpointSource::caller, "the given host");
  if (!options.context.empty() && options.context != kDefaultContext) {
    return from_context(environment, options.context, EndpointSource::caller, "the program");
  }
  // A DOCKER_HOST of nothing but spaces is set, so that no context counts, and says nothing.
  if (const std::string host = value_of(environment, "DOCKER_HOST"); !host.empty()) {
    return trimmed(host).empty() ? from_nothing(environment)
                                 : from_host(environment, trimmed(host), EndpointSource::docker_host, "DOCKER_HOST");
  }
  if (!options.context.empty()) return from_nothing(environment);
  if (const std::string context = value_of(environment, "DOCKER_CONTEXT"); !context.empty()) {
    if (context == kDefaultContext) return from_nothing(environment);
    return from_context(environment, context, EndpointSource::docker_context, "DOCKER_CONTEXT");
  }
  const ConfigFile config = read_config_file(environment);
  if (config.current_context.empty() || config.current_context == kDefaultContext) return from_nothing(environment);
  return from_context(environment, config.current_context, EndpointSource::current_context, "currentContext in " + config.path);
}

}  // namespace

Endpoint endpoint_of_text(std::string_view text) {
  const std::string whole = trimmed(text);
  const std::size_t separator = whole.find("://");
  if (separator == std::string::npos) {
    if (whole.starts_with('/')) return Endpoint::unix_socket(whole);
    if (whole.empty()) throw Error::invalid_argument("it is empty");
    return tcp_endpoint(whole, Endpoint::Kind::tcp);
  }
  const std::string_view scheme = std::string_view(whole).substr(0, separator);
  const std::string_view rest = std::string_view(whole).substr(separator + 3);
  if (scheme == "unix") return Endpoint::unix_socket(rest.empty() ? std::string(kDefaultDockerSocket) : std::string(rest));
  if (scheme == "tcp" || scheme == "http") return tcp_endpoint(rest, Endpoint::Kind::tcp);
  if (scheme == "https") return tcp_endpoint(rest, Endpoint::Kind::tls);
  if (scheme == "ssh") return parse_ssh_endpoint(whole);
  throw Error::invalid_argument(
      "\"{}://\" is not an address that this system reaches a daemon by: unix://, tcp://, https:// and ssh:// are", scheme);
}

DiscoveredEndpoint find_endpoint(const HostEnvironment& environment, const DiscoveryOptions& options) {
  DiscoveredEndpoint found = find_by_order(environment, options);
  if (const std::string version = value_of(environment, "DOCKER_API_VERSION"); !version.empty()) {
    const auto parsed = api::ApiVersion::find(std::string_view(version).substr(version.starts_with('v') ? 1 : 0));
    if (!parsed) throw Error::invalid_argument("DOCKER_API_VERSION is \"{}\", which is not a version such as 1.44", version);
    found.api_version = parsed->str();
  }
  return found;
}

std::vector<std::string> usual_sockets(const HostEnvironment& environment) {
  const std::string given = value_of(environment, "XDG_RUNTIME_DIR");
  const std::string run = given.empty() ? fmt::format("/run/user/{}", environment.user_id()) : given;
  const std::string home = environment.home_directory();
  std::vector<std::string> paths = {run + "/docker.sock"};
  if (!home.empty()) {
    for (const char* path :
         {"/.docker/run/docker.sock", "/.docker/desktop/docker.sock", "/.colima/default/docker.sock", "/.colima/docker.sock",
          "/.config/colima/default/docker.sock", "/.rd/docker.sock", "/.orbstack/run/docker.sock"}) {
      paths.push_back(home + path);
    }
  }
  paths.push_back(run + "/podman/podman.sock");
  if (environment.user_id() == 0) paths.emplace_back("/run/podman/podman.sock");
  return paths;
}

std::string Endpoint::str() const {
  if (kind == Kind::unix_socket) return "unix://" + path;
  const std::string name = host.contains(':') ? fmt::format("[{}]", host) : host;
  if (kind != Kind::ssh) return fmt::format("tcp://{}:{}", name, port);
  return fmt::format("ssh://{}{}{}{}{}", user, user.empty() ? "" : "@", name, port == 0 ? std::string() : fmt::format(":{}", port), path);
}

}  // namespace sockerless
