#include "net/tls.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "base/error.hpp"

// TLS by OpenSSL straight on the socket. Asio's ssl::stream is not used because a hijacked Docker connection needs half-close: one side's
// close_notify must leave the other direction running, and ssl::stream's shutdown insists on both.
namespace sockerless::net {

namespace {

/// The oldest OpenSSL failure of this thread as text; clears the queue.
std::string openssl_text() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "unknown TLS error";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : fmt::format("OpenSSL error {:x}", code);
}

// A BIO over a non-blocking socket that never raises SIGPIPE, which OpenSSL's own does.

int fd_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int bio_read(BIO* bio, char* data, int length) {
  BIO_clear_retry_flags(bio);
  const ssize_t count = ::recv(fd_of(bio), data, static_cast<std::size_t>(length), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(count);
}

int bio_write(BIO* bio, const char* data, int length) {
  BIO_clear_retry_flags(bio);
  const ssize_t count = ::send(fd_of(bio), data, static_cast<std::size_t>(length), MSG_NOSIGNAL);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

long bio_control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return 0;
}

const BIO_METHOD* socket_bio_method() {
  static const BIO_METHOD* const kMethod = [] {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_control);
    return method;
  }();
  return kMethod;
}

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

class TlsTransport final : public Transport {
 public:
  enum class Role : std::uint8_t { server, client };

  TlsTransport(TlsContext context, StreamSocket socket, PeerInfo peer, Role role)
      : context_(std::move(context)), socket_(std::move(socket)), peer_(std::move(peer)), ssl_(SSL_new(context_.get())) {
    if (!ssl_) throw Error::internal("cannot start TLS: {}", openssl_text());
    BIO* bio = BIO_new(socket_bio_method());
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket_.fd())));
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    role == Role::server ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
  }

  SSL* ssl() { return ssl_.get(); }

  Task<void> handshake() override {
    for (;;) {
      require_open();
      ERR_clear_error();
      const int result = SSL_do_handshake(ssl_.get());
      if (result == 1) break;
      co_await wait_for(result, "TLS handshake");
    }
    note_peer();
  }

  Task<std::size_t> read_some(std::span<std::byte> buffer) override {
    for (;;) {
      require_open();
      std::size_t count = 0;
      ERR_clear_error();
      const int result = SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &count);
      if (result == 1) co_return count;
      if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_ZERO_RETURN) co_return 0;
      co_await wait_for(result, "TLS read");
    }
  }

  std::size_t try_write(const Pieces& pieces) override {
    require_open();
    std::size_t total = 0;
    for (const std::string_view piece : pieces) {
      for (std::string_view rest = piece; !rest.empty();) {
        std::size_t count = 0;
        ERR_clear_error();
        const int result = SSL_write_ex(ssl_.get(), rest.data(), rest.size(), &count);
        if (result != 1) {
          const int error = SSL_get_error(ssl_.get(), result);
          if (error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ) return total;
          fail("TLS write");
        }
        total += count;
        rest.remove_prefix(count);
      }
    }
    return total;
  }

  Task<void> wait_writable() override { co_await wait(StreamSocket::wait_write); }
  void watch(std::function<void()> stirred) override { socket_.watch(std::move(stirred)); }
  void unwatch() override { socket_.unwatch(); }
  void cancel() override { socket_.cancel(); }
  Task<void> until_peer_gone() override { return until_hung_up(socket_.get()); }

  Task<void> close_write() override {
    if (!socket_.is_open() || (SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0 || !SSL_is_init_finished(ssl_.get())) co_return;
    for (;;) {
      ERR_clear_error();
      const int result = SSL_shutdown(ssl_.get());  // once: a second call would wait for, and discard, what the peer still sends
      if (result >= 0) co_return;
      if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_WRITE) co_return;  // a peer that is gone needs no end-of-file
      co_await wait(StreamSocket::wait_write);
    }
  }

  void close() override {
    if (socket_.is_open() && SSL_is_init_finished(ssl_.get()) && SSL_get_shutdown(ssl_.get()) == SSL_RECEIVED_SHUTDOWN) {
      ERR_clear_error();
      std::ignore = SSL_shutdown(ssl_.get());  // good manners only
    }
    socket_.close();
  }

  void abort() override { socket_.abort(); }
  void detach() override { socket_.detach(); }
  void attach(const asio::any_io_executor& executor) override { socket_.attach(executor); }

  bool is_quiet() override {
    if (!socket_.is_open() || SSL_pending(ssl_.get()) > 0) return false;
    char byte = 0;
    ERR_clear_error();
    const int result = SSL_peek(ssl_.get(), &byte, 1);  // takes session tickets out of the way, which MSG_PEEK would take for an answer
    return result <= 0 && SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ;
  }

  const PeerInfo& peer() const override { return peer_; }

 private:
  void require_open() const {
    if (!socket_.is_open()) throw Error::cancelled();
  }

  [[noreturn]] void fail(std::string_view doing) {
    const int system_error = errno;
    const long verify = SSL_get_verify_result(ssl_.get());
    std::string text = ERR_peek_error() != 0 ? openssl_text() : (system_error != 0 ? std::strerror(system_error) : "connection closed");
    if (verify != X509_V_OK) text += fmt::format(" ({})", X509_verify_cert_error_string(verify));
    throw Error(ErrorCode::unavailable, fmt::format("{} failed: {}", doing, text));
  }

  Task<void> wait_for(int result, std::string_view doing) {
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        co_await wait(StreamSocket::wait_read);
        break;
      case SSL_ERROR_WANT_WRITE:
        co_await wait(StreamSocket::wait_write);
        break;
      default:
        fail(doing);
    }
  }

  Task<void> wait(StreamSocket::wait_type what) {
    boost::system::error_code error;
    co_await socket_.get().async_wait(what, asio::redirect_error(asio::use_awaitable, error));
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) throw Error::cancelled();
    if (error) throw Error(ErrorCode::unavailable, "the connection was closed by the peer", error.message());
  }

  void note_peer() {
    peer_.transport = PeerInfo::Transport::tls;
    const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(ssl_.get()), X509_free);
    if (!certificate || SSL_get_verify_result(ssl_.get()) != X509_V_OK) return;
    const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), BIO_free);
    X509_NAME_print_ex(text.get(), X509_get_subject_name(certificate.get()), 0, XN_FLAG_RFC2253);
    char* data = nullptr;
    const long length = BIO_get_mem_data(text.get(), &data);
    peer_.tls_subject.assign(data, static_cast<std::size_t>(length));
  }

  TlsContext context_;
  DetachableSocket socket_;
  PeerInfo peer_;
  std::unique_ptr<SSL, SslDeleter> ssl_;
};

TlsContext make_context(const SSL_METHOD* method) {
  TlsContext context(SSL_CTX_new(method), SSL_CTX_free);
  if (!context) throw Error::internal("cannot start TLS: {}", openssl_text());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  return context;
}

void load_identity(SSL_CTX* context, const TlsConfig& config) {
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context, config.certificate_file.c_str()) != 1) {
    throw Error::invalid_argument("cannot read the TLS certificate {}: {}", config.certificate_file, openssl_text());
  }
  if (SSL_CTX_use_PrivateKey_file(context, config.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw Error::invalid_argument("cannot read the TLS key {}: {}", config.key_file, openssl_text());
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    throw Error::invalid_argument("the TLS key {} does not belong to the certificate {}", config.key_file, config.certificate_file);
  }
}

void load_authority(SSL_CTX* context, const std::string& file) {
  ERR_clear_error();
  if (SSL_CTX_load_verify_locations(context, file.c_str(), nullptr) != 1) {
    throw Error::invalid_argument("cannot read the TLS certificate authority {}: {}", file, openssl_text());
  }
}

int select_http_1_1(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_length, const unsigned char* in, unsigned in_length,
                    void* /*unused*/) {
  static constexpr std::array<unsigned char, 9> kHttp11 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_length, kHttp11.data(), kHttp11.size(), in, in_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

TlsContext make_server_tls(const TlsConfig& config) {
  TlsContext context = make_context(TLS_server_method());
  if (config.certificate_file.empty() || config.key_file.empty()) throw Error::invalid_argument("TLS needs a certificate and its key");
  load_identity(context.get(), config);
  if (config.verify_peer) {
    if (config.ca_file.empty()) throw Error::invalid_argument("verifying TLS clients needs a certificate authority");
    load_authority(context.get(), config.ca_file);
    SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(config.ca_file.c_str()));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  static constexpr std::string_view kSessionContext = "sockerless";
  SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>(kSessionContext.data()), kSessionContext.size());
  SSL_CTX_set_alpn_select_cb(context.get(), select_http_1_1, nullptr);
  return context;
}

TlsContext make_client_tls(const TlsConfig& config) {
  TlsContext context = make_context(TLS_client_method());
  if (!config.certificate_file.empty()) load_identity(context.get(), config);
  if (config.verify_peer) {
    if (!config.ca_file.empty()) {
      load_authority(context.get(), config.ca_file);
    } else {
      SSL_CTX_set_default_verify_paths(context.get());
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  return context;
}

std::unique_ptr<Transport> make_tls_server_transport(const TlsContext& context, StreamSocket socket, PeerInfo peer) {
  return std::make_unique<TlsTransport>(context, std::move(socket), std::move(peer), TlsTransport::Role::server);
}

std::unique_ptr<Transport> make_tls_client_transport(const TlsContext& context, StreamSocket socket, PeerInfo peer,
                                                     const std::string& server_name) {
  auto transport = std::make_unique<TlsTransport>(context, std::move(socket), std::move(peer), TlsTransport::Role::client);
  if (!server_name.empty()) {
    std::array<unsigned char, 16> ignored{};
    if (::inet_pton(AF_INET, server_name.c_str(), ignored.data()) == 1 || ::inet_pton(AF_INET6, server_name.c_str(), ignored.data()) == 1) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(transport->ssl()), server_name.c_str());
    } else {
      SSL_set_tlsext_host_name(transport->ssl(), server_name.c_str());
      SSL_set1_host(transport->ssl(), server_name.c_str());
    }
  }
  return transport;
}

}  // namespace sockerless::net
