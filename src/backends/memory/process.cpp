#include "backends/memory/process.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/byte_stream.hpp"

namespace sockerless::memory {

namespace {

/// Signals whose default action does not end a process. Stopping by SIGSTOP is not simulated.
bool is_harmless(int number) {
  switch (number) {
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
      return true;
    default:
      return false;
  }
}

}  // namespace

SimulatedProcess::SimulatedProcess(ProcessScript script, std::string command_line, std::shared_ptr<MemoryLog> log, Stdin standard_input,
                                   Clock& clock, std::function<void()> on_end)
    : script_(std::move(script)), log_(std::move(log)), clock_(clock), on_end_(std::move(on_end)), lines_(script_.lines) {
  if (!script_.speaks) lines_.push_back({Duration::zero(), StdStream::out, std::move(command_line) + '\n'});
  end_at_ = std::max(script_.run_time.value_or(Duration::zero()), lines_.empty() ? Duration::zero() : lines_.back().at);
  state_.write([&](State& state) { state.stdin_open = standard_input == Stdin::open; });
}

void SimulatedProcess::begin() {
  log_->begin_run();
  const bool ended = state_.write([&](State& state) {
    state.begun = true;
    state.active_since = Steady::now();
    advance(state);
    return state.exit.has_value();
  });
  tell(ended);
}

bool SimulatedProcess::has_timers() const {
  return state_.read([&](const State& state) {
    return !state.exit && (state.next_line < lines_.size() || (script_.run_time && end_at_ > Duration::zero()));
  });
}

Task<void> SimulatedProcess::play(std::shared_ptr<SimulatedProcess> self) {
  for (;;) {
    const std::uint64_t seen = self->changed_.version();
    bool ended = false;
    const Next next = self->state_.write([&](State& state) {
      const bool ended_before = state.exit.has_value();
      const Next result = self->advance(state);
      ended = state.exit.has_value() && !ended_before;
      return result;
    });
    if (ended) self->tell(ended);
    if (!next.more) co_return;
    if (next.due) {
      co_await race(sleep_for(*next.due), self->changed_.wait_changed(seen));
    } else {
      co_await self->changed_.wait_changed(seen);
    }
  }
}

/// Writes what is due, and ends the process when its time has come.
SimulatedProcess::Next SimulatedProcess::advance(State& state) {
  if (state.exit || !state.begun) return {};
  if (state.paused) return {.more = true, .due = std::nullopt};
  const Duration elapsed = state.active_before + (Steady::now() - state.active_since);
  for (; state.next_line < lines_.size() && lines_[state.next_line].at <= elapsed; ++state.next_line) {
    log_->append(lines_[state.next_line].stream, clock_.now(), lines_[state.next_line].text);
  }
  if (state.next_line < lines_.size()) return {.more = true, .due = lines_[state.next_line].at - elapsed};
  if (!script_.run_time) return {};
  if (elapsed < end_at_) return {.more = true, .due = end_at_ - elapsed};
  if (script_.stdin_use == StdinUse::echo && state.stdin_open) return {};  // close_stdin() ends it
  end(state, script_.exit_code, script_.oom_killed);
  return {};
}

void SimulatedProcess::end(State& state, int exit_code, bool oom_killed) {
  state.stdin_open = false;
  state.held_signals.clear();
  state.exit = WorkloadExit{.exit_code = exit_code, .oom_killed = oom_killed, .finished_at = clock_.now(), .error = {}};
  log_->end_run();
}

void SimulatedProcess::tell(bool ended) {
  changed_.notify();
  if (ended && on_end_) on_end_();
}

bool SimulatedProcess::has_ended() const {
  return state_.read([](const State& state) { return state.exit.has_value(); });
}

Task<WorkloadExit> SimulatedProcess::wait() {
  for (;;) {
    const std::uint64_t seen = changed_.version();
    auto exit = state_.read([](const State& state) { return state.exit; });
    if (exit) co_return std::move(*exit);
    co_await changed_.wait_changed(seen);
  }
}

/// True: it ended by this.
bool SimulatedProcess::deliver(State& state, int number) {
  if (is_harmless(number) || script_.ignored_signals.contains(number)) return false;
  end(state, 128 + number, false);
  return true;
}

bool SimulatedProcess::signal(int number) {
  bool ended = false;
  const bool was_running = state_.write([&](State& state) {
    if (state.exit) return false;
    if (state.paused && number != SIGKILL) {
      state.held_signals.push_back(number);
    } else {
      ended = deliver(state, number);
    }
    return true;
  });
  if (ended) tell(ended);
  return was_running;
}

void SimulatedProcess::pause() {
  state_.write([](State& state) {
    if (state.paused || state.exit) return;
    state.paused = true;
    state.active_before += Steady::now() - state.active_since;
  });
  changed_.notify();
}

void SimulatedProcess::unpause() {
  const bool ended = state_.write([&](State& state) {
    if (!state.paused || state.exit) return false;
    state.paused = false;
    state.active_since = Steady::now();
    for (const int number : std::exchange(state.held_signals, {})) {
      if (deliver(state, number)) return true;
    }
    return false;
  });
  tell(ended);
}

bool SimulatedProcess::feed_stdin(std::span<const std::byte> input) {
  return state_.write([&](State& state) {
    if (state.exit || !state.stdin_open) return false;
    if (script_.stdin_use == StdinUse::echo) log_->append(StdStream::out, clock_.now(), std::string(as_text(input)));
    return true;
  });
}

void SimulatedProcess::close_stdin() {
  const bool ended = state_.write([&](State& state) {
    if (state.exit || !state.stdin_open) return false;
    state.stdin_open = false;
    advance(state);
    return state.exit.has_value();
  });
  if (ended) tell(ended);
}

}  // namespace sockerless::memory
