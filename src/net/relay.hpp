#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/task.hpp"
#include "net/http.hpp"

namespace sockerless::net {

class Transport;

enum class Reuse : std::uint8_t { no, yes };

/// A connection to a server on which its user speaks HTTP himself; Exchange::relay does. Destroyed, it is closed, or kept for others if an
/// exchange has ended on it as it should.
///
/// Threads: the executor it was opened on.
class RawConnection {
 public:
  using GiveBack = std::function<void(std::unique_ptr<Transport>)>;

  RawConnection(std::unique_ptr<Transport> transport, bool was_kept, GiveBack give_back);
  RawConnection(RawConnection&& other) noexcept;
  RawConnection& operator=(RawConnection&&) = delete;
  ~RawConnection();

  /// It has served requests before: it may turn out dead, which says nothing of the server.
  bool was_kept() const { return was_kept_; }
  Transport& transport() { return *transport_; }
  /// What an exchange reads into; the next one on this connection finds it with its capacity.
  struct Buffers;
  Buffers& buffers() { return *buffers_; }
  /// An exchange has ended as it should.
  void end_exchange() { is_idle_ = was_kept_ = true; }
  bool is_idle() const { return is_idle_; }
  /// Begins another exchange, unless the connection is not idle, or the server has closed it or said something unasked.
  bool try_reuse();

 private:
  std::unique_ptr<Transport> transport_;  // null once moved from
  std::unique_ptr<Buffers> buffers_;
  bool was_kept_;
  bool is_idle_ = false;
  GiveBack give_back_;
};

/// How far a relayed request came, for whoever decides about sending it again.
struct RelayProgress {
  bool sent = false;        ///< a byte of the request may have left
  bool body_taken = false;  ///< bytes of the body are gone: it cannot be sent from its start again
  bool answered = false;    ///< a byte of an answer came
};

/// Looks on while a request is relayed. Called on the connection's executor.
class RelayWatch {
 public:
  /// How a body without a length ended, which the connection's end alone does not say.
  struct End {
    bool is_clean = true;         ///< false: the server broke off, and the client must see that
    std::string last_words = {};  ///< what the client is sent in place of a broken connection
  };

  virtual ~RelayWatch() = default;
  /// The server has begun to answer.
  virtual void on_answer() {}
  /// The head that goes to the client; not an interim one.
  virtual void on_head(const ResponseHead& head) { std::ignore = head; }
  /// The next bytes of a body without a length: an upgraded connection, or an answer that ends with its connection.
  virtual void on_raw(std::string_view bytes) { std::ignore = bytes; }
  /// The server's side of such a body has ended.
  virtual Task<End> on_raw_end() { co_return End{}; }
};

}  // namespace sockerless::net
