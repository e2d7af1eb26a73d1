#include "net/test_support.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <arpa/inet.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.hpp"

namespace sockerless::net {

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "net-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw from_errno(errno, "mkdtemp");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // a left-over in /tmp fails no test
  std::filesystem::remove_all(path_, ignored);
}

// ---- certificates

namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Key make_key() { return {EVP_EC_gen("P-256"), EVP_PKEY_free}; }

void add_extension(X509* certificate, X509* issuer, int what, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Certificate make_certificate(const char* name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key) {
  static long serial = 1;
  Certificate certificate(X509_new(), X509_free);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 24L * 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name), -1,
                             -1, 0);
  X509* signer = issuer != nullptr ? issuer : certificate.get();
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(signer));
  if (issuer == nullptr) {
    add_extension(certificate.get(), signer, NID_basic_constraints, "critical,CA:TRUE");
    add_extension(certificate.get(), signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else {
    add_extension(certificate.get(), signer, NID_subject_alt_name, "IP:127.0.0.1,DNS:localhost");
  }
  X509_sign(certificate.get(), issuer_key, EVP_sha256());
  return certificate;
}

void save(const std::string& path, X509* certificate) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  PEM_write_X509(file, certificate);
  std::fclose(file);
}

void save(const std::string& path, EVP_PKEY* key) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
}

}  // namespace

TestCertificates::TestCertificates() {
  const auto authority = [&](const std::string& name) {
    Key key = make_key();
    Certificate certificate = make_certificate(name.c_str(), key.get(), nullptr, key.get());
    save(directory.file(name + ".pem"), certificate.get());
    return std::make_pair(std::move(certificate), std::move(key));
  };
  const auto identity = [&](const std::string& name, const auto& signer) {
    const Key key = make_key();
    save(directory.file(name + ".pem"), make_certificate(name.c_str(), key.get(), signer.first.get(), signer.second.get()).get());
    save(directory.file(name + "-key.pem"), key.get());
    return TlsConfig{.ca_file = directory.file("ca.pem"),
                     .certificate_file = directory.file(name + ".pem"),
                     .key_file = directory.file(name + "-key.pem")};
  };
  const auto ours = authority("ca");
  const auto other = authority("other-ca");
  server = identity("server", ours);
  client = identity("client", ours);
  stranger = identity("stranger", other);
}

// ---- server

TestContext::TestContext(int threads) : context_(threads), work_(context_.get_executor()) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { context_.run(); });
}

TestContext::~TestContext() {
  work_.reset();
  threads_.clear();
}

TestServer::TestServer(Handler handler, TestServerOptions options)
    : grace_(options.grace),
      context_(options.threads),
      server_(std::make_unique<HttpServer>(strands_of(context_.executor()), std::move(handler), std::move(options.server))),
      unix_address_(server_->listen(Address::unix_socket(directory_.file("s.sock")))),
      tcp_address_(server_->listen(Address::tcp("127.0.0.1", 0))) {}

TestServer::~TestServer() { stop(); }

void TestServer::stop() {
  if (std::exchange(stopped_, true)) return;
  asio::co_spawn(asio::make_strand(context_.executor()), server_->stop(grace_), asio::use_future).get();
}

// ---- raw client

RawClient::RawClient(const Address& address) {
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (address.kind == Address::Kind::unix_socket) {
    auto& name = reinterpret_cast<sockaddr_un&>(storage);
    name.sun_family = AF_UNIX;
    address.path.copy(name.sun_path, sizeof name.sun_path - 1);
    length = sizeof name;
  } else {
    auto& name = reinterpret_cast<sockaddr_in&>(storage);
    name.sin_family = AF_INET;
    name.sin_port = htons(address.port);
    ::inet_pton(AF_INET, address.host.c_str(), &name.sin_addr);
    length = sizeof name;
  }
  fd_.reset(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  give_up_after_a_while();
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0)
    throw from_errno(errno, "connect to " + address.str());
}

RawClient::RawClient(UniqueFd connected) : fd_(std::move(connected)) { give_up_after_a_while(); }

void RawClient::give_up_after_a_while() const {
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

bool RawClient::try_send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void RawClient::send(std::string_view bytes) {
  if (!try_send(bytes)) throw from_errno(errno, "send");
}

void RawClient::half_close() { ::shutdown(fd_.get(), SHUT_WR); }

bool RawClient::more() {
  std::array<char, 16384> buffer{};
  const ssize_t count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  if (count < 0 && errno == ECONNRESET) {
    was_reset_ = true;
    return false;
  }
  if (count < 0) throw from_errno(errno, "recv");
  received_.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0;
}

std::string RawClient::read_until(std::string_view end) {
  for (;;) {
    const std::size_t found = received_.find(end);
    if (found != std::string::npos) {
      std::string result = received_.substr(0, found + end.size());
      received_.erase(0, result.size());
      return result;
    }
    if (!more()) throw Error::unavailable("the connection ended after: {}", received_);
  }
}

std::string RawClient::read_exactly(std::size_t count) {
  while (received_.size() < count) {
    if (!more()) throw Error::unavailable("the connection ended after: {}", received_);
  }
  std::string result = received_.substr(0, count);
  received_.erase(0, count);
  return result;
}

std::string RawClient::read_response() {
  std::string head = read_until("\r\n\r\n");
  static constexpr std::string_view kName = "Content-Length: ";
  const std::size_t at = head.find(kName);
  return at == std::string::npos ? head : head + read_exactly(std::strtoul(head.c_str() + at + kName.size(), nullptr, 10));
}

std::string RawClient::read_to_end() {
  while (more()) {}
  return std::exchange(received_, {});
}

std::string talk(const Address& address, std::string_view bytes) {
  RawClient client(address);
  std::ignore = client.try_send(bytes);  // the server may refuse before it has read all
  return client.read_to_end();
}

}  // namespace sockerless::net
