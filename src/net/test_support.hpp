#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/unique_fd.hpp"
#include "net/server.hpp"

// For the tests of net/.
namespace sockerless::net {

/// A directory that goes away with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string file(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// A certificate authority and the identities it signed, in files.
struct TestCertificates {
  TestCertificates();
  TemporaryDirectory directory;
  TlsConfig server;
  TlsConfig client;
  TlsConfig stranger;  ///< a client whose certificate another authority signed
};

/// An io_context with threads of its own.
class TestContext {
 public:
  explicit TestContext(int threads = 1);
  ~TestContext();
  TestContext(const TestContext&) = delete;
  TestContext& operator=(const TestContext&) = delete;
  asio::any_io_executor executor() { return context_.get_executor(); }

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<std::jthread> threads_;
};

struct TestServerOptions {
  ServerOptions server = {};
  int threads = 1;
  std::chrono::milliseconds grace = std::chrono::milliseconds(50);
};

/// A server on threads of its own, listening on a unix socket and on loopback; stopped by stop() or its end.
class TestServer {
 public:
  explicit TestServer(Handler handler, TestServerOptions options = {});
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  const Address& unix_address() const { return unix_address_; }
  const Address& tcp_address() const { return tcp_address_; }
  Address listen_tls(const TlsConfig& tls) { return server_->listen(Address::tcp("127.0.0.1", 0), {.tls = tls}); }
  HttpServer& server() { return *server_; }
  void stop();

 private:
  std::chrono::milliseconds grace_;
  TemporaryDirectory directory_;
  TestContext context_;
  std::unique_ptr<HttpServer> server_;
  Address unix_address_;
  Address tcp_address_;
  bool stopped_ = false;
};

/// A client that knows nothing of HTTP: plain blocking calls, each of which gives up after ten seconds.
class RawClient {
 public:
  explicit RawClient(const Address& address);
  explicit RawClient(UniqueFd connected);
  void send(std::string_view bytes);
  /// False if the server has closed (reset) the connection.
  bool try_send(std::string_view bytes);
  void half_close();
  /// What comes until the text that was received ends in `end`.
  std::string read_until(std::string_view end);
  std::string read_exactly(std::size_t count);
  /// A response with Content-Length, head and body.
  std::string read_response();
  /// Everything until end-of-file; a reset ends it too.
  std::string read_to_end();
  bool was_reset() const { return was_reset_; }
  void close() { fd_.reset(); }

 private:
  bool more();
  void give_up_after_a_while() const;
  UniqueFd fd_;
  std::string received_;
  bool was_reset_ = false;
};

/// Opens a connection, sends, reads to the end.
std::string talk(const Address& address, std::string_view bytes);

}  // namespace sockerless::net
