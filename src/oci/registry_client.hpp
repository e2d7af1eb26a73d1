#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/guarded.hpp"
#include "base/task.hpp"
#include "net/client.hpp"
#include "oci/digest.hpp"
#include "oci/manifest.hpp"
#include "oci/registry_challenge.hpp"
#include "oci/registry_url.hpp"

// A client of one registry: OCI distribution-spec v1.1 and Docker Registry HTTP API v2, with Docker's token authentication.
//
// A registry is not trusted. It can hang (every step has a deadline), send without end (documents are bounded, blobs end at the size their
// manifest gave), answer anything (digests are checked by whoever reads a blob, here for documents), and lead elsewhere: a redirect or a
// token server is followed, a redirect a few times and without the credentials. From a registry on another machine neither leads to
// loopback, to a link-local address or to one of this machine's interfaces; other private ranges are open, company registries live there.
// HTTPS does not lead to HTTP, and over HTTP credentials go to the registry's own host only.

namespace sockerless::oci {

struct RegistryOptions {
  std::vector<std::string> insecure_registries;  ///< "host", "host:port": may speak HTTP and show any certificate, as loopback may
  std::chrono::milliseconds answer = std::chrono::seconds(30);  ///< for an answer's head, or a whole document
  std::chrono::milliseconds stall = std::chrono::seconds(60);   ///< a blob from which nothing comes is given up
};

/// A refusal by the registry, with what it said.
class RegistryError : public Error {
 public:
  RegistryError(ErrorCode code, RegistryRefusal refusal) : Error(code, refusal.text()), refusal_(std::move(refusal)) {}
  const RegistryRefusal& refusal() const { return refusal_; }

 private:
  RegistryRefusal refusal_;
};

struct FetchedManifest {
  std::string raw;
  std::string media_type;
  Digest digest;
};

/// A blob on its way in.
struct BlobStream {
  std::unique_ptr<net::ClientStream> body;
  std::uint64_t offset = 0;  ///< of the first byte that comes: 0 where the registry does not resume
};

/// What becomes of an upload that was begun.
struct BlobUpload {
  bool is_mounted = false;  ///< the registry has taken it from the other repository
  RegistryUrl location;     ///< else: where the bytes go
};

/// Threads: any; each call runs on its caller's executor. Cancellation: any.
/// @errors (all) RegistryError; internal with the request's address: cannot connect; deadline_exceeded.
class RegistryClient {
 public:
  /// @param domain  of a canonical image name: "docker.io", "127.0.0.1:5000".
  RegistryClient(std::string domain, RegistryCredentials credentials, RegistryOptions options);
  ~RegistryClient();
  RegistryClient(const RegistryClient&) = delete;
  RegistryClient& operator=(const RegistryClient&) = delete;

  /// Finds out how the registry is spoken to. Before anything else, once.
  Task<void> connect();
  /// Checks the credentials. @return an identity token, where the token server gives one. @errors unauthorized.
  Task<std::string> log_in();

  /// @param reference  a tag or a digest, which then must be the document's.
  Task<FetchedManifest> manifest(std::string repository, std::string reference);
  /// A small blob: its digest and size are checked.
  Task<std::string> document(std::string repository, Descriptor descriptor);
  /// A blob's bytes from `offset` on; checking them is the reader's.
  Task<BlobStream> open_blob(std::string repository, Digest digest, std::uint64_t offset);

  /// The blob's size, or nothing where the repository does not have it.
  Task<std::optional<std::uint64_t>> find_blob(std::string repository, Digest digest);
  /// @param mount_from  another repository of this registry that has the blob; empty: none.
  Task<BlobUpload> begin_upload(std::string repository, Digest digest, std::string mount_from);
  /// The upload's body; write to it, then finish_upload.
  Task<std::unique_ptr<net::ClientStream>> open_upload(std::string repository, BlobUpload upload);
  Task<void> finish_upload(std::string repository, std::unique_ptr<net::ClientStream> body, BlobUpload upload, Digest digest);
  Task<void> put_manifest(std::string repository, std::string reference, std::string media_type, std::string raw);

  /// What a GET of the registry's own API says, whatever its status; for the old search. The body is bounded.
  Task<net::Response> get(std::string target);

  const RegistryOptions& options() const { return options_; }
  std::string origin() const { return base_.origin(); }

 private:
  struct Token {
    std::string text;
    std::chrono::steady_clock::time_point until;
  };
  struct Call;

  std::vector<RegistryUrl> candidates() const;
  bool is_insecure(const RegistryUrl& url) const;
  /// @errors forbidden: HTTPS would lead to HTTP.
  void refuse_plain(const RegistryUrl& from, const RegistryUrl& to) const;
  Task<std::shared_ptr<net::HttpClient>> client_of(RegistryUrl url);
  Task<std::unique_ptr<net::ClientStream>> send(Call call);
  Task<std::unique_ptr<net::ClientStream>> send_once(RegistryUrl url, net::ClientRequest request, net::BodyMode mode);
  Task<std::unique_ptr<net::ClientStream>> expect(Call call, std::vector<int> statuses);
  std::optional<RegistryChallenge> challenge() const;
  void set_challenge(std::string_view header);
  Task<std::string> authorization(std::string scope);
  Task<std::string> fetch_token(std::string scope, bool offline, std::string* identity_token);

  // Set by connect(), then not changed.
  const std::string domain_;
  const RegistryCredentials credentials_;
  const RegistryOptions options_;
  RegistryUrl base_;
  bool is_local_ = false;         ///< the registry is named by a loopback address: it may lead anywhere
  bool is_on_interface_ = false;  ///< it answered at an address of this machine's interfaces: it may lead to the others
  // Any thread.
  Guarded<std::optional<RegistryChallenge>> challenge_;
  Guarded<std::map<std::string, std::shared_ptr<net::HttpClient>>> clients_;  // by origin
  Guarded<std::map<std::string, Token>> tokens_;                              // by scope
};

/// All of a body. @errors too_large.
Task<std::string> read_body(net::BodyReader* body, std::size_t limit, Deadline deadline);

}  // namespace sockerless::oci
