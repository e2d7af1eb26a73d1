#pragma once

#include <memory>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "base/task.hpp"

// Internal to sdk/.
namespace sockerless {

/// A thread that runs an io_context: the monitor, and streams that are read and written by different threads.
///
/// Its end stops the context; what still runs there is dropped. May be ended from the thread itself.
class IoThread {
 public:
  IoThread() : context_(std::make_shared<asio::io_context>(1)), work_(context_->get_executor()) {
    thread_ = std::thread([context = context_] { context->run(); });
  }
  ~IoThread() { stop(); }
  /// Ends the thread; the context stays until the object goes. Idempotent.
  void stop() {
    if (!thread_.joinable()) return;
    work_.reset();
    context_->stop();
    if (thread_.get_id() == std::this_thread::get_id()) {
      thread_.detach();  // the last owner of the link was a handler in here; the thread owns the context and returns to end it
    } else {
      thread_.join();
    }
  }
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  asio::any_io_executor executor() { return context_->get_executor(); }
  bool is_current() const { return thread_.get_id() == std::this_thread::get_id(); }

 private:
  std::shared_ptr<asio::io_context> context_;  // shared with the thread, see the destructor
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace sockerless
