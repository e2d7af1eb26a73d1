#include "oci/registry_client.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json.hpp>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/base64.hpp"
#include "base/byte_stream.hpp"

namespace sockerless::oci {

namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr int kMaxRedirects = 5;
constexpr std::size_t kMaxErrorBody = 64UL * 1024;
constexpr std::string_view kManifestTypes =
    "application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// Docker Hub answers under another name than its images carry.
std::string host_of(const std::string& domain) { return domain == "docker.io" ? "registry-1.docker.io" : domain; }

asio::ip::address plain(const asio::ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
  return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
}

/// Only what runs here, or beside this machine on its link, is meant by these.
bool is_inner(const asio::ip::address& any) {
  const asio::ip::address address = plain(any);
  if (address.is_v6()) return address.is_loopback() || address.is_unspecified() || address.to_v6().is_link_local();
  const auto bytes = address.to_v4().to_bytes();
  return bytes[0] == 0 || bytes[0] == 127 || (bytes[0] == 169 && bytes[1] == 254);
}

std::vector<asio::ip::address> addresses_of_interfaces() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) throw from_errno(errno, "list the addresses of this machine");
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(first, &::freeifaddrs);
  std::vector<asio::ip::address> all;
  for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr) continue;
    if (at->ifa_addr->sa_family == AF_INET) {
      sockaddr_in v4{};
      std::memcpy(&v4, at->ifa_addr, sizeof v4);
      all.emplace_back(asio::ip::address_v4(ntohl(v4.sin_addr.s_addr)));
    } else if (at->ifa_addr->sa_family == AF_INET6) {
      sockaddr_in6 v6{};
      std::memcpy(&v6, at->ifa_addr, sizeof v6);
      asio::ip::address_v6::bytes_type bytes{};
      std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
      all.emplace_back(asio::ip::address_v6(bytes));
    }
  }
  return all;
}

/// Whether one of these is an address of this machine's interfaces. They come and go with networks, so they are asked for each time.
bool any_of_interfaces(const std::vector<asio::ip::address>& addresses) {
  const auto own = addresses_of_interfaces();
  return std::ranges::any_of(addresses, [&](const auto& address) { return std::ranges::find(own, plain(address)) != own.end(); });
}

/// By name: what a name leads to is its owner's word, which decides nothing.
bool is_loopback(const RegistryUrl& url) {
  boost::system::error_code error;
  const auto address = asio::ip::make_address(url.host, error);
  return url.host == "localhost" || (!error && address.is_loopback());
}

bool equal_hosts(std::string_view one, std::string_view other) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return std::ranges::equal(one, other, {}, lower, lower);
}

Task<void> look_up(std::string host, std::vector<asio::ip::address>* found) {
  boost::system::error_code error;
  if (const auto numeric = asio::ip::make_address(host, error); !error) {
    found->push_back(numeric);
    co_return;
  }
  asio::ip::tcp::resolver resolver(co_await asio::this_coro::executor);
  const auto entries = co_await resolver.async_resolve(host, "", asio::redirect_error(asio::use_awaitable, error));
  if (error == asio::error::operation_aborted) throw Error::cancelled();
  if (error || entries.empty()) throw Error::internal("dial tcp: lookup {}: {}", host, error ? "no such host" : "no addresses");
  for (const auto& entry : entries) found->push_back(entry.endpoint().address());
}

std::string repository_path(std::string_view repository, std::string_view rest) { return fmt::format("/v2/{}/{}", repository, rest); }

std::string scope_of(std::string_view repository, std::string_view actions) { return fmt::format("repository:{}:{}", repository, actions); }

ErrorCode code_of(const RegistryRefusal& refusal) {
  switch (refusal.status) {
    case 401:
      return ErrorCode::unauthorized;
    case 403:
      return ErrorCode::forbidden;
    case 404:
      return ErrorCode::not_found;
    case 429:
    case 502:
    case 503:
    case 504:
      return ErrorCode::unavailable;
    default:
      return ErrorCode::internal;
  }
}

/// Puts the address before a failure to reach it, as Go's client does.
Error reaching(const Error& error, std::string_view method, const RegistryUrl& url) {
  if (error.code() == ErrorCode::cancelled || dynamic_cast<const RegistryError*>(&error) != nullptr) return error;
  const ErrorCode code =
      error.code() == ErrorCode::deadline_exceeded || error.code() == ErrorCode::invalid_argument ? error.code() : ErrorCode::internal;
  return {code, fmt::format("{} \"{}\": {}", method, url.str().substr(0, url.str().find('?')), error.message()), error.detail()};
}

std::string first_text(const json::object& object, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const json::value* member = object.if_contains(name);
    if (member != nullptr && member->is_string() && !member->get_string().empty())
      return std::string(std::string_view(member->get_string()));
  }
  return {};
}

std::chrono::seconds lifetime_of(const json::object& object) {
  const json::value* member = object.if_contains("expires_in");
  const std::int64_t seconds = member != nullptr && member->is_int64() ? member->get_int64() : 60;
  return std::chrono::seconds(std::clamp<std::int64_t>(seconds, 60, 3600));
}

Task<void> read_body_into(net::BodyReader* body, std::size_t limit, std::string* out) {
  std::array<std::byte, 16384> piece{};
  while (const std::size_t count = co_await body->read_some(piece)) {
    if (out->size() + count > limit) throw Error::too_large("the registry's answer is longer than {} bytes", limit);
    out->append(as_text(std::span(piece).first(count)));
  }
}

}  // namespace

Task<std::string> read_body(net::BodyReader* body, std::size_t limit, Deadline deadline) {
  std::string out;
  co_await with_deadline(read_body_into(body, limit, &out), deadline, "reading the registry's answer");
  co_return out;
}

/// One request to the registry, with what it needs to be sent again.
struct RegistryClient::Call {
  net::Method method = net::Method::get;
  RegistryUrl url;
  std::string scope;
  net::Headers headers = {};
  std::string body = {};
  net::BodyMode mode = net::BodyMode::whole;
};

RegistryClient::RegistryClient(std::string domain, RegistryCredentials credentials, RegistryOptions options)
    : domain_(std::move(domain)), credentials_(std::move(credentials)), options_(std::move(options)) {}
RegistryClient::~RegistryClient() = default;

bool RegistryClient::is_insecure(const RegistryUrl& url) const {
  if (is_loopback(url)) return true;
  return std::ranges::any_of(options_.insecure_registries,
                             [&](const std::string& name) { return name == url.host || name == fmt::format("{}:{}", url.host, url.port); });
}

void RegistryClient::refuse_plain(const RegistryUrl& from, const RegistryUrl& to) const {
  if (from.tls && !to.tls && !is_insecure(to)) throw Error::forbidden("{} redirects from HTTPS to HTTP", from.origin());
}

std::vector<RegistryUrl> RegistryClient::candidates() const {
  std::vector<RegistryUrl> all{RegistryUrl::of_host(host_of(domain_), true)};
  if (is_insecure(all.front())) all.push_back(RegistryUrl::of_host(host_of(domain_), false));
  return all;
}

/// The client of an address. The name is looked up here, so that what is connected to is what was looked at.
Task<std::shared_ptr<net::HttpClient>> RegistryClient::client_of(RegistryUrl url) {
  const auto known = clients_.read([&](const auto& clients) {
    const auto at = clients.find(url.origin());
    return at == clients.end() ? nullptr : at->second;
  });
  if (known) co_return known;
  std::vector<asio::ip::address> addresses;
  co_await with_deadline(look_up(url.host, &addresses), Deadline::in(options_.answer), "lookup of " + url.host);
  const bool is_open = is_local_ || url.origin() == base_.origin();
  if (!is_open && (std::ranges::any_of(addresses, is_inner) || (!is_on_interface_ && any_of_interfaces(addresses)))) {
    throw Error::forbidden("the registry {} leads to {}, an address of this machine", domain_, url.origin());
  }
  net::ClientOptions client{.host_header = url.authority(), .connect_timeout = options_.answer};
  if (url.tls) client.tls = net::TlsConfig{.verify_peer = !is_insecure(url), .server_name = url.host};
  // One address is chosen: a machine with several is known to answer at the first that was given.
  const auto first = std::ranges::find_if(addresses, [](const auto& address) { return address.is_v4(); });
  const auto& chosen = first == addresses.end() ? addresses.front() : *first;
  auto made = std::make_shared<net::HttpClient>(net::Address::tcp(chosen.to_string(), url.port), client);
  co_return clients_.write([&](auto& clients) { return clients.emplace(url.origin(), std::move(made)).first->second; });
}

Task<std::unique_ptr<net::ClientStream>> RegistryClient::send_once(RegistryUrl url, net::ClientRequest request, net::BodyMode mode) {
  std::optional<Error> failure;
  net::RequestProgress progress;
  const auto method = net::name_of(request.method);
  try {
    const auto client = co_await client_of(url);
    request.target = url.target;
    request.headers.add("User-Agent", "sockerless");
    const auto deadline = Deadline::in(options_.answer);
    auto stream = co_await client->open(std::move(request), mode, deadline, &progress);
    if (mode == net::BodyMode::whole) co_await stream->wait_head(deadline);
    co_return stream;
  } catch (const RegistryError&) {
    throw;
  } catch (const Error& error) {
    failure = error;
  }
  if (progress.connect_errno != 0) {
    std::string reason = std::strerror(progress.connect_errno);
    reason.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(reason.front())));
    failure = Error::unavailable("dial tcp {}:{}: connect: {}", url.host, url.port, reason);
  }
  throw reaching(*failure,
                 fmt::format("{}{}", method.substr(0, 1),
                             method == "GET"    ? "et"
                             : method == "HEAD" ? "ead"
                                                : method.substr(1)),
                 url);
}

/// Sends with authorization, once more when the registry asks for another one, and follows where a download is redirected to.
Task<std::unique_ptr<net::ClientStream>> RegistryClient::send(Call call) {
  bool asked_again = false;
  int redirects = 0;
  RegistryUrl url = call.url;
  for (;;) {
    net::ClientRequest request{.method = call.method, .target = url.target, .headers = call.headers, .body = call.body};
    if (url.origin() == base_.origin()) {
      if (const std::string value = co_await authorization(call.scope); !value.empty()) request.headers.add("Authorization", value);
    }
    auto stream = co_await send_once(url, std::move(request), call.mode);
    if (call.mode == net::BodyMode::streamed) co_return stream;
    const net::ResponseHead& head = stream->head();
    if (head.status == 401 && !asked_again && url.origin() == base_.origin()) {
      asked_again = true;  // a token that was taken back, or a challenge that only the resource gives
      if (const auto header = head.headers.find("WWW-Authenticate"); header && !challenge()) set_challenge(*header);
      tokens_.write([&](auto& tokens) { tokens.erase(call.scope); });
      if (challenge()) continue;
    }
    const auto location = head.headers.find("Location");
    const bool redirected = head.status >= 301 && head.status <= 308 && head.status != 304 && location;
    const bool follows = call.method == net::Method::get || call.method == net::Method::head;
    if (!redirected || !follows) co_return stream;
    if (++redirects > kMaxRedirects) throw Error::internal("stopped after {} redirects of {}", kMaxRedirects, call.url.str());
    const RegistryUrl next = url.resolve(*location);
    refuse_plain(url, next);
    url = next;
  }
}

Task<std::unique_ptr<net::ClientStream>> RegistryClient::expect(Call call, std::vector<int> statuses) {
  auto stream = co_await send(std::move(call));
  const int status = stream->head().status;
  if (std::ranges::find(statuses, status) != statuses.end()) co_return stream;
  std::string body;
  try {
    body = co_await read_body(stream.get(), kMaxErrorBody, Deadline::in(options_.answer));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) throw;  // else: the status says enough
  }
  RegistryRefusal refusal = RegistryRefusal::read(status, body);
  const ErrorCode code = code_of(refusal);
  throw RegistryError(code, std::move(refusal));
}

std::optional<RegistryChallenge> RegistryClient::challenge() const {
  return challenge_.read([](const auto& challenge) { return challenge; });
}

void RegistryClient::set_challenge(std::string_view header) {
  challenge_.write([&](auto& challenge) { challenge = RegistryChallenge::find(header); });
}

Task<void> RegistryClient::connect() {
  std::optional<Error> failure;
  for (const RegistryUrl& candidate : candidates()) {
    base_ = candidate.at("/v2/");
    is_local_ = is_loopback(base_);
    try {
      const auto stream = co_await send_once(base_, {.method = net::Method::get}, net::BodyMode::whole);
      std::ignore = co_await read_body(stream.get(), kMaxErrorBody, Deadline::in(options_.answer));
      const auto header = stream->head().headers.find("WWW-Authenticate");
      if (stream->head().status == 401 && header) set_challenge(*header);
      // The address that answered, not another look-up of its name, which might say something else by now.
      const auto client = co_await client_of(base_);
      is_on_interface_ = any_of_interfaces({asio::ip::make_address(client->address().host)});
      co_return;
    } catch (const Error& reason) {
      if (reason.code() == ErrorCode::cancelled) throw;
      failure = reason;
    }
  }
  throw *failure;
}

Task<std::string> RegistryClient::authorization(std::string scope) {
  if (!credentials_.registry_token.empty()) co_return "Bearer " + credentials_.registry_token;
  const auto asked = challenge();
  if (!asked) co_return std::string();
  if (asked->scheme == "basic") {
    if (!credentials_.has_password()) throw Error::internal("Get \"{}\": no basic auth credentials", base_.str());
    co_return "Basic " + encode_base64(credentials_.username + ":" + credentials_.password);
  }
  const auto known = tokens_.read([&](const auto& tokens) {
    const auto at = tokens.find(scope);
    return at == tokens.end() || at->second.until < std::chrono::steady_clock::now() ? std::string() : at->second.text;
  });
  if (!known.empty()) co_return "Bearer " + known;
  co_return "Bearer " + co_await fetch_token(std::move(scope), false, nullptr);
}

/// Source: distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
Task<std::string> RegistryClient::fetch_token(std::string scope, bool offline, std::string* identity_token) {
  const auto asked = challenge();
  if (!asked) throw Error::internal("the registry {} asks for no token", domain_);
  const RegistryUrl realm = base_.resolve(asked->parameter("realm"));
  const bool has_secret = credentials_.has_password() || !credentials_.identity_token.empty();
  if (base_.tls && !realm.tls && !is_insecure(realm)) throw Error::forbidden("the token server of {} speaks plain HTTP", domain_);
  if (has_secret && !realm.tls && !equal_hosts(realm.host, base_.host)) {
    throw Error::forbidden("the credentials of {} are not sent to its token server {}, which speaks plain HTTP", domain_, realm.origin());
  }
  std::string query = "service=" + encode_query(asked->parameter("service"));
  if (!scope.empty()) query += "&scope=" + encode_query(scope);
  net::ClientRequest request;
  RegistryUrl url = realm;
  if (!credentials_.identity_token.empty()) {
    request.method = net::Method::post;
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.body = "grant_type=refresh_token&client_id=docker&refresh_token=" + encode_query(credentials_.identity_token) + "&" + query;
  } else {
    if (credentials_.has_password()) {
      query += "&account=" + encode_query(credentials_.username);
      if (offline) query += "&offline_token=true&client_id=docker";
      request.headers.add("Authorization", "Basic " + encode_base64(credentials_.username + ":" + credentials_.password));
    }
    url.target += (url.target.contains('?') ? "&" : "?") + query;
  }
  const auto stream = co_await send_once(url, std::move(request), net::BodyMode::whole);
  const std::string body = co_await read_body(stream.get(), 1UL << 20, Deadline::in(options_.answer));
  if (const int status = stream->head().status; status != 200) {
    RegistryRefusal refusal = RegistryRefusal::read(status, body);
    if (refusal.code == "UNAUTHORIZED" && refusal.message.empty()) refusal.message = "incorrect username or password";
    const ErrorCode code = code_of(refusal);
    throw RegistryError(code, std::move(refusal));
  }
  boost::system::error_code failure;
  const json::value answer = json::parse(body, failure);
  if (failure || !answer.is_object())
    throw Error::internal("unable to decode token response: {}", failure ? failure.message() : "not an object");
  Token token{first_text(answer.get_object(), {"token", "access_token"}),
              std::chrono::steady_clock::now() + lifetime_of(answer.get_object())};
  if (token.text.empty()) throw Error::internal("authorization server did not include a token in the response");
  const bool clean = std::ranges::all_of(token.text, [](char c) { return c > ' ' && c < '\x7f'; });
  if (!clean) throw Error::internal("the token server's token is malformed");
  if (identity_token != nullptr) *identity_token = first_text(answer.get_object(), {"refresh_token"});
  tokens_.write([&](auto& tokens) { tokens.insert_or_assign(scope, token); });
  co_return token.text;
}

Task<std::string> RegistryClient::log_in() {
  std::string identity_token;
  if (const auto asked = challenge(); asked && asked->scheme == "bearer" && credentials_.registry_token.empty()) {
    std::ignore = co_await fetch_token({}, true, &identity_token);
  }
  const auto stream = co_await send({.url = base_, .scope = {}});
  if (const int status = stream->head().status; status != 200) {
    const std::string text = fmt::format("login attempt to {} failed with status: {} {}", base_.str(), status, net::reason_of(status));
    throw Error(status == 401 || status == 403 ? ErrorCode::unauthorized : ErrorCode::internal, text);
  }
  co_return identity_token;
}

Task<FetchedManifest> RegistryClient::manifest(std::string repository, std::string reference) {
  const auto wanted = Digest::find(reference);
  if (!wanted && reference.contains(':')) {  // a digest that cannot be checked: no tag has a colon
    throw Error::invalid_argument("unsupported digest algorithm {}", reference.substr(0, reference.find(':')));
  }
  Call call{.url = base_.at(repository_path(repository, "manifests/" + reference)), .scope = scope_of(repository, "pull")};
  call.headers.add("Accept", kManifestTypes);
  const auto stream = co_await expect(std::move(call), {200});
  std::string raw = co_await read_body(stream.get(), kMaxDocument, Deadline::in(options_.answer));
  std::string type(stream->head().headers.find("Content-Type").value_or(""));
  type.resize(std::min(type.find(';'), type.size()));
  const Digest digest = Digest::of(raw);
  if (wanted && *wanted != digest) {
    throw Error::internal("manifest verification failed for digest {}", reference);
  }
  if (type.starts_with("text/")) throw Error::internal("error parsing manifest: the registry answered {} in place of a manifest", type);
  co_return FetchedManifest{std::move(raw), std::move(type), digest};
}

Task<std::string> RegistryClient::document(std::string repository, Descriptor descriptor) {
  if (descriptor.size > kMaxDocument)
    throw Error::too_large("the document {} is larger than {} bytes", descriptor.digest.str(), kMaxDocument);
  const BlobStream blob = co_await open_blob(std::move(repository), descriptor.digest, 0);
  std::string raw = co_await read_body(blob.body.get(), kMaxDocument, Deadline::in(options_.answer));
  if (Digest::of(raw) != descriptor.digest)
    throw Error::internal("image config verification failed for digest {}", descriptor.digest.str());
  if (raw.size() != descriptor.size) {
    throw Error::internal("the manifest gives {} as {} bytes, but it has {}", descriptor.digest.str(), descriptor.size, raw.size());
  }
  co_return raw;
}

Task<BlobStream> RegistryClient::open_blob(std::string repository, Digest digest, std::uint64_t offset) {
  Call call{.url = base_.at(repository_path(repository, "blobs/" + digest.str())), .scope = scope_of(repository, "pull")};
  if (offset > 0) call.headers.add("Range", fmt::format("bytes={}-", offset));
  BlobStream blob;
  blob.body = co_await expect(std::move(call), {200, 206});
  const auto range = blob.body->head().headers.find("Content-Range");
  if (blob.body->head().status == 206) {
    if (!range || !range->starts_with(fmt::format("bytes {}-", offset)))
      throw Error::internal("the registry resumes at another place than asked");
    blob.offset = offset;
  }
  co_return blob;
}

Task<std::optional<std::uint64_t>> RegistryClient::find_blob(std::string repository, Digest digest) {
  Call call{.method = net::Method::head,
            .url = base_.at(repository_path(repository, "blobs/" + digest.str())),
            .scope = scope_of(repository, "pull,push")};
  const auto stream = co_await expect(std::move(call), {200, 404});
  if (stream->head().status == 404) co_return std::nullopt;
  const std::string length(stream->head().headers.find("Content-Length").value_or("0"));
  co_return std::strtoull(length.c_str(), nullptr, 10);
}

Task<BlobUpload> RegistryClient::begin_upload(std::string repository, Digest digest, std::string mount_from) {
  std::string rest = "blobs/uploads/";
  if (!mount_from.empty()) rest += "?mount=" + encode_query(digest.str()) + "&from=" + encode_query(mount_from);
  Call call{.method = net::Method::post, .url = base_.at(repository_path(repository, rest)), .scope = scope_of(repository, "pull,push")};
  const auto stream = co_await expect(std::move(call), {201, 202});
  if (stream->head().status == 201) co_return BlobUpload{.is_mounted = true, .location = {}};
  const auto location = stream->head().headers.find("Location");
  if (!location) throw Error::internal("the registry does not say where to upload to");
  RegistryUrl to = base_.at(repository_path(repository, rest)).resolve(*location);
  refuse_plain(base_, to);
  co_return BlobUpload{.is_mounted = false, .location = std::move(to)};
}

Task<std::unique_ptr<net::ClientStream>> RegistryClient::open_upload(std::string repository, BlobUpload upload) {
  Call call{
      .method = net::Method::patch, .url = upload.location, .scope = scope_of(repository, "pull,push"), .mode = net::BodyMode::streamed};
  call.headers.add("Content-Type", "application/octet-stream");
  co_return co_await send(std::move(call));
}

Task<void> RegistryClient::finish_upload(std::string repository, std::unique_ptr<net::ClientStream> body, BlobUpload upload,
                                         Digest digest) {
  co_await with_deadline(body->finish_body(), Deadline::in(options_.answer), "the end of an upload");
  co_await body->wait_head(Deadline::in(options_.answer));
  const int status = body->head().status;
  const std::string text = co_await read_body(body.get(), kMaxErrorBody, Deadline::in(options_.answer));
  if (status != 202 && status != 201) {
    RegistryRefusal refusal = RegistryRefusal::read(status, text);
    const ErrorCode code = code_of(refusal);
    throw RegistryError(code, std::move(refusal));
  }
  RegistryUrl url = upload.location.resolve(body->head().headers.find("Location").value_or(upload.location.str()));
  refuse_plain(upload.location, url);
  url.target += (url.target.contains('?') ? "&" : "?") + std::string("digest=") + encode_query(digest.str());
  std::ignore = co_await expect({.method = net::Method::put, .url = url, .scope = scope_of(repository, "pull,push")}, {201, 204});
}

Task<void> RegistryClient::put_manifest(std::string repository, std::string reference, std::string media_type, std::string raw) {
  Call call{.method = net::Method::put,
            .url = base_.at(repository_path(repository, "manifests/" + reference)),
            .scope = scope_of(repository, "pull,push"),
            .body = std::move(raw)};
  call.headers.add("Content-Type", media_type);
  std::ignore = co_await expect(std::move(call), {200, 201, 202});
}

Task<net::Response> RegistryClient::get(std::string target) {
  const RegistryUrl url = base_.at(std::move(target));
  std::unique_ptr<net::ClientStream> stream;
  if (credentials_.has_password()) {
    stream = co_await send({.url = url, .scope = {}});
  } else {
    stream = co_await send_once(url, {.method = net::Method::get}, net::BodyMode::whole);  // an open search beside closed images
  }
  std::string body = co_await read_body(stream.get(), kMaxDocument, Deadline::in(options_.answer));
  co_return net::Response{.status = stream->head().status, .headers = stream->head().headers, .body = std::move(body)};
}

}  // namespace sockerless::oci
