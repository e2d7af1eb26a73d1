#include "engine/log_stream.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "base/error.hpp"
#include "engine/log_lines.hpp"

namespace sockerless {

namespace {

class LogSource final : public ByteSource {
 public:
  LogSource(std::unique_ptr<LogReader> reader, LineFormat format, bool follow)
      : reader_(std::move(reader)), until_(format.until), lines_(std::move(format)), follow_(follow) {}

  Task<std::span<const std::byte>> next() override {
    out_.clear();
    while (!done_) {
      if (!use_batch() || out_.size() >= kOutputBatchBytes) break;
      const bool over = reader_->is_over();
      batch_ = co_await reader_->next();
      used_ = 0;
      if (!batch_.empty()) continue;
      if (over || !follow_) {
        done_ = true;
      } else if (!out_.empty()) {
        break;
      } else {
        co_await wait();
      }
    }
    if (done_ && !finished_) {
      finished_ = true;
      lines_.finish(out_);
    }
    co_return out_.view();
  }

 private:
  /// @return false: past the end of what is wanted.
  bool use_batch() {
    while (used_ < batch_.size() && out_.size() < kOutputBatchBytes) {
      if (!lines_.add(batch_[used_++], out_)) {
        done_ = true;
        return false;
      }
    }
    return true;
  }

  Task<void> wait() {
    if (!until_) {
      co_await reader_->wait_for_more();
      co_return;
    }
    const Duration left = *until_ - std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
    if (left <= Duration::zero()) {
      done_ = true;
    } else if (co_await race(reader_->wait_for_more(), sleep_for(left)) == First::other) {
      done_ = true;
    }
  }

  std::unique_ptr<LogReader> reader_;
  const std::optional<TimePoint> until_;
  LogLines lines_;
  const bool follow_;
  std::span<const LogRecord> batch_;  // valid until the reader's next next()
  std::size_t used_ = 0;              // of batch_
  OutputBuffer out_;
  bool done_ = false;
  bool finished_ = false;
};

std::vector<std::string> split_names(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) names.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return names;
}

std::string query_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || std::string_view("-_.~").contains(c);
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

std::string log_details(const WorkloadSpec& spec) {
  if (!spec.host_config.log_config || !spec.host_config.log_config->config) return {};
  const auto& options = *spec.host_config.log_config->config;
  std::map<std::string, std::string> found;
  const auto wanted = [&](const char* option) {
    const auto it = options.find(option);
    return it == options.end() ? std::vector<std::string>() : split_names(it->second);
  };
  for (const auto& name : wanted("labels")) {
    if (!spec.config.labels) break;
    if (const auto it = spec.config.labels->find(name); it != spec.config.labels->end()) found[name] = it->second;
  }
  for (const auto& name : wanted("env")) {
    for (const auto& variable : spec.config.env.value_or(std::vector<std::string>())) {
      if (variable.starts_with(name + "=")) found[name] = variable.substr(name.size() + 1);
    }
  }
  std::string text;
  for (const auto& [key, value] : found) text += fmt::format("{}{}={}", text.empty() ? "" : ",", query_escape(key), query_escape(value));
  return text;
}

Task<OutputStream> open_log_stream(WorkloadDriver& driver, ContainerPtr container, LogOptions options) {
  if (!options.show_stdout && !options.show_stderr) {
    throw Error::invalid_argument("Bad parameters: you must choose at least one stream");
  }
  const ContainerSnapshot now = container->snapshot();
  const WorkloadSpec& spec = now.definition->spec;
  if (spec.host_config.log_config && spec.host_config.log_config->type && spec.host_config.log_config->type->str() == "none") {
    throw Error::not_implemented("configured logging driver does not support reading");
  }
  const bool tty = spec.config.tty.value_or(false);
  const bool follow = options.follow && now.state->is_running();
  LineFormat format{.multiplexed = !tty,
                    .timestamps = options.timestamps,
                    .details = options.details,
                    .details_text = options.details ? log_details(spec) : std::string(),
                    .streams = {.out = options.show_stdout, .err = options.show_stderr},
                    .since = options.since,
                    .until = options.until};
  LogPosition from;
  if (options.tail) {
    from = *options.tail == 0 ? co_await driver.log_end(container->id())
                              : co_await driver.log_tail(container->id(), *options.tail, format.streams);
  }
  format.surplus_lines = from.surplus_lines;
  const Framing framing = tty ? Framing::raw : Framing::multiplexed;
  if (options.tail && *options.tail == 0 && !follow) co_return OutputStream{framing, make_text_source("")};
  auto reader = co_await driver.open_log(container->id(), from);
  co_return OutputStream{framing, std::make_unique<LogSource>(std::move(reader), std::move(format), follow)};
}

}  // namespace sockerless
