#include "backends/local/build_context.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/dockerfile_lines.hpp"
#include "base/byte_stream.hpp"
#include "base/error.hpp"
#include "net/client.hpp"
#include "oci/layer.hpp"
#include "oci/rooted_dir.hpp"
#include "oci/spool.hpp"
#include "oci/tar.hpp"

namespace sockerless::local {

namespace {

constexpr std::uint64_t kMaxDockerfile = 8UL << 20;
constexpr std::uint64_t kMaxEntries = 4'000'000;
constexpr int kMaxRedirects = 10;
constexpr auto kFetchTime = std::chrono::minutes(10);
constexpr auto kStallTime = std::chrono::seconds(60);  // a body from which nothing comes is given up

void blocking_unpack(const oci::Blob& blob, const std::string& directory) {
  const auto source = blob.open();
  oci::UnpackOptions options;
  options.max_bytes = oci::blocking_room_in(directory);
  options.max_entries = kMaxEntries;
  options.last_padding = oci::LastPadding::optional;
  options.climbing_symlinks = true;  // a link out of the context is no crime: a build reads it within the context
  try {
    oci::blocking_unpack_tar(oci::RootedDir::blocking_open(directory), *source, options);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument) throw;
    // dockerd takes a damaged context for its own failure.
    throw Error(ErrorCode::internal, "Error processing tar file(exit status 1): " + error.message(), error.detail());
  }
}

void write_dockerfile(const oci::Blob& blob, const std::string& directory) {
  const UniqueFd file = blocking_open(directory + "/Dockerfile", O_WRONLY | O_CREAT | O_EXCL, 0644);
  oci::blocking_write_all(file.get(), as_bytes(blob.blocking_read_all(kMaxDockerfile)), "write the Dockerfile");
}

struct Url {
  bool tls = false;
  std::string host;
  std::uint16_t port = 0;
  std::string target;
};

std::optional<Url> parse_url(std::string_view text) {
  Url url;
  url.tls = text.starts_with("https://");
  if (!url.tls && !text.starts_with("http://")) return std::nullopt;
  text.remove_prefix(url.tls ? 8 : 7);
  const std::size_t slash = std::min(text.find_first_of("/?#"), text.size());
  std::string_view authority = text.substr(0, slash);
  url.target = std::string(text.substr(slash, std::min(text.find('#'), text.size()) - slash));
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) authority.remove_prefix(at + 1);
  const bool has_port = authority.find(':') != std::string_view::npos && !authority.ends_with(']');
  const net::Address address = net::Address::parse(fmt::format("tcp://{}{}", authority, has_port ? "" : url.tls ? ":443" : ":80"));
  url.host = address.host;
  url.port = address.port;
  return url;
}

/// A stream that fails once it is longer than the disk has room for.
class BoundedSource final : public ByteSource {
 public:
  BoundedSource(ByteSource& source, std::uint64_t limit) : source_(source), limit_(limit) {}
  Task<std::span<const std::byte>> next() override {
    const auto bytes = co_await source_.next();
    taken_ += bytes.size();
    if (taken_ > limit_) throw Error::too_large("the build context is larger than {} bytes", limit_);
    co_return bytes;
  }

 private:
  ByteSource& source_;
  const std::uint64_t limit_;
  std::uint64_t taken_ = 0;
};

Task<oci::Blob> spool_bounded(BlockingPool* pool, ByteSource* source, std::string directory) {
  const std::uint64_t limit = co_await run_blocking(*pool, [&] { return oci::blocking_room_in(directory); });
  BoundedSource bounded(*source, limit);
  co_return co_await oci::spool(pool, &bounded, directory);
}

class FetchedBody final : public ByteSource {
 public:
  explicit FetchedBody(net::ClientStream& stream) : stream_(stream) {}
  Task<std::span<const std::byte>> next() override {
    std::size_t count = 0;
    co_await with_deadline(read(&stream_, buffer_, &count), Deadline::in(kStallTime), "the download");
    co_return std::span<const std::byte>(buffer_).first(count);
  }

 private:
  static Task<void> read(net::ClientStream* stream, std::span<std::byte> buffer, std::size_t* count) {
    *count = co_await stream->read_some(buffer);
  }

  net::ClientStream& stream_;
  std::array<std::byte, 64UL * 1024> buffer_{};
};

struct Fetched {
  oci::Blob blob;
  std::string content_type;
  std::string redirect;
};

Task<Fetched> fetch_once(BlockingPool* pool, Url url, std::string remote, std::string directory) {
  net::ClientOptions options;
  if (url.tls) options.tls = net::TlsConfig{.server_name = url.host};
  net::HttpClient client(net::Address::tcp(url.host, url.port), std::move(options));
  const auto stream = co_await client.open({.method = net::Method::get, .target = url.target, .headers = {{"Accept-Encoding", "identity"}}},
                                           net::BodyMode::whole, Deadline::in(kFetchTime));
  const net::ResponseHead& head = stream->head();
  Fetched fetched;
  if (head.status >= 300 && head.status < 400) {
    fetched.redirect = std::string(head.headers.find("Location").value_or(""));
    if (fetched.redirect.starts_with('/')) {
      fetched.redirect = fmt::format("{}://{}:{}{}", url.tls ? "https" : "http", url.host, url.port, fetched.redirect);
    }
    co_return fetched;
  }
  if (head.status >= 400) {
    throw Error(
        error_code_of_status(head.status),
        fmt::format("error downloading remote context {0}: failed to GET {0} with status {1} {2}", remote, head.status, head.reason));
  }
  fetched.content_type = std::string(head.headers.find("Content-Type").value_or(""));
  FetchedBody body(*stream);
  fetched.blob = co_await spool_bounded(pool, &body, directory);
  co_return fetched;
}

Task<Fetched> fetch(BlockingPool* pool, std::string remote, std::string directory) {
  std::string where = remote;
  for (int hop = 0; hop < kMaxRedirects; ++hop) {
    const auto url = parse_url(where);
    if (!url) throw Error::internal("remoteURL ({}) could not be recognized as URL", where);
    Fetched fetched = co_await fetch_once(pool, *url, remote, directory);
    if (fetched.redirect.empty()) co_return fetched;
    where = fetched.redirect;
  }
  throw Error::internal("error downloading remote context {0}: Get \"{0}\": stopped after {1} redirects", remote, kMaxRedirects);
}

bool is_git(std::string_view remote) {
  const std::string_view path = remote.substr(0, std::min(remote.find('#'), remote.size()));
  return remote.starts_with("git://") || remote.starts_with("git@") || remote.starts_with("github.com/") ||
         (remote.starts_with("http") && path.ends_with(".git"));
}

Task<void> open_remote(BlockingPool* pool, std::string remote, std::string directory) {
  if (is_git(remote)) {
    throw Error::not_implemented("building from a git repository is not supported: clone {} and build the folder", remote);
  }
  if (!parse_url(remote)) throw Error::internal("remoteURL ({}) could not be recognized as URL", remote);
  Fetched fetched;
  std::optional<Error> failure;
  try {
    fetched = co_await fetch(pool, remote, directory);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unavailable && error.code() != ErrorCode::deadline_exceeded) throw;
    failure = error;
  }
  if (failure) {
    throw Error(ErrorCode::internal, fmt::format("error downloading remote context {0}: Get \"{0}\": {1}", remote, failure->message()),
                failure->detail());
  }
  const bool is_text = co_await run_blocking(*pool, [&] {
    // As dockerd: what the server says of a text counts, and otherwise what it is.
    std::array<std::byte, 512> start{};
    const std::size_t count = fetched.blob.open()->blocking_read(start);
    const bool looks_like_text = std::ranges::none_of(std::span(start).first(count), [](std::byte b) { return b == std::byte{0}; });
    const std::string_view magic = as_text(std::span(start).first(count));
    const bool compressed = magic.starts_with("\x1f\x8b") || magic.starts_with("BZh") ||
                            magic.starts_with(
                                "\xfd"
                                "7zXZ");
    return fetched.content_type.starts_with("text/plain") || (looks_like_text && !compressed);
  });
  co_await run_blocking(*pool, [&] { is_text ? write_dockerfile(fetched.blob, directory) : blocking_unpack(fetched.blob, directory); });
}

/// A pattern of .dockerignore against a name without folders.
bool matches(std::string_view pattern, const std::string& name) {
  std::string cleaned = oci::clean_path(pattern);
  while (cleaned.starts_with("**/")) cleaned.erase(0, 3);
  return cleaned == "**" || ::fnmatch(cleaned.c_str(), name.c_str(), FNM_PATHNAME) == 0;
}

bool is_ignored(std::string_view patterns, const std::string& name) {
  bool ignored = false;
  while (!patterns.empty()) {
    const std::size_t end = std::min(patterns.find('\n'), patterns.size());
    std::string_view line = trim(patterns.substr(0, end));
    patterns.remove_prefix(std::min(end + 1, patterns.size()));
    if (line.empty() || line.starts_with('#')) continue;
    const bool keeps = line.starts_with('!');
    if (keeps) line = trim(line.substr(1));
    if (matches(line, name)) ignored = !keeps;
  }
  return ignored;
}

/// A regular file in the context. Nothing: there is none.
std::optional<std::string> read_file(const oci::RootedDir& context, const std::string& path) {
  auto file = std::make_shared<UniqueFd>(context.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!*file || ::fstat(file->get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  return oci::Blob::whole(std::move(file)).blocking_read_all(kMaxDockerfile);
}

}  // namespace

Task<void> open_context(BlockingPool* pool, std::string remote, std::unique_ptr<ByteSource> body, std::string directory) {
  if (!remote.empty() && remote != "client-session") co_return co_await open_remote(pool, std::move(remote), std::move(directory));
  const oci::Blob blob = co_await spool_bounded(pool, body.get(), directory);
  if (blob.size > 0) co_await run_blocking(*pool, [&] { blocking_unpack(blob, directory); });
}

std::string blocking_take_dockerfile(const std::string& directory, std::string path) {
  const oci::RootedDir context = oci::RootedDir::blocking_open(directory);
  if (path.empty()) path = "Dockerfile";
  const std::string cleaned = oci::clean_path(path);
  if (oci::climbs_out(cleaned)) throw Error::internal("forbidden path outside the build context: {} ()", path);
  auto text = read_file(context, cleaned);
  if (!text && cleaned == "Dockerfile") text = read_file(context, "dockerfile");
  if (!text) throw Error::internal("Cannot locate specified Dockerfile: {}", path);
  const auto patterns = read_file(context, ".dockerignore");
  if (!patterns) return *text;
  if (is_ignored(*patterns, ".dockerignore")) ::unlinkat(context.fd(), ".dockerignore", 0);
  if (cleaned.find('/') == std::string::npos && is_ignored(*patterns, cleaned)) ::unlinkat(context.fd(), cleaned.c_str(), 0);
  return *text;
}

}  // namespace sockerless::local
