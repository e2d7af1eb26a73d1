#include "engine/exec_service.hpp"

#include <gtest/gtest.h>

#include "engine/fake_drivers.hpp"

namespace sockerless {
namespace {

using namespace std::chrono_literals;
using fakes::frame;

struct ExecServiceTest : testing::Test {
  std::unique_ptr<StateStore> store = make_memory_store();
  ContainerTable table{*store};
  fakes::FakeWorkloads driver;
  EventBus events{system_clock()};
  ExecService service{driver, table, events, system_clock(), system_random()};
  ContainerPtr box = [this] {
    WorkloadSpec spec = fakes::make_spec('a', "box");
    spec.config.env = std::vector<std::string>{"A=1", "B=2"};
    spec.config.user = "web";
    return fakes::add_container(table, std::move(spec));
  }();

  static api::ContainerExecRequest request(std::vector<std::string> command) {
    api::ContainerExecRequest exec;
    exec.cmd = std::move(command);
    exec.attach_stdout = exec.attach_stderr = true;
    return exec;
  }
  std::string create(api::ContainerExecRequest exec) { return run(service.create({"box"}, std::move(exec))).id; }
};

template <typename T>
void expect_failure(Task<T> task, ErrorCode code, const std::string& message) {
  try {
    run(std::move(task));
    ADD_FAILURE() << "did not fail: " << message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    EXPECT_EQ(error.message(), message);
  }
}

Task<void> run_to_end(ExecService& service, std::string id, bool tty, std::string* output, std::optional<std::int64_t>* code_at_end) {
  ExecStartOptions options;
  options.tty = tty;
  const auto session = co_await service.start({id}, options);
  *output = co_await fakes::drain(session->output());
  const auto inspect = co_await service.inspect({id});
  if (inspect.exit_code) *code_at_end = *inspect.exit_code;
  co_await service.stop();
}

TEST_F(ExecServiceTest, OnlyARunningContainerTakesAnExec) {
  expect_failure(service.create({"nobody"}, request({"ls"})), ErrorCode::not_found, "No such container: nobody");
  expect_failure(service.create({"box"}, request({"ls"})), ErrorCode::conflict, "container " + box->id().str() + " is not running");
  fakes::start(box);
  expect_failure(service.create({"box"}, request({})), ErrorCode::invalid_argument, "No exec command specified");
  box->change_state([](ContainerState& state) { state.pause("box"); });
  expect_failure(service.create({"box"}, request({"ls"})), ErrorCode::conflict,
                 "Container box is paused, unpause the container before exec");
}

TEST_F(ExecServiceTest, TheExitCodeIsKnownWhenTheOutputEnds) {
  fakes::start(box);
  driver.on_exec = [](fakes::FakeExec& exec) {
    exec.write(StdStream::out, "hello\n");
    exec.write(StdStream::err, "oops\n");
    exec.end_output();
    exec.exit(3);
  };
  const std::string id = create(request({"sh", "-c", "x"}));
  EXPECT_EQ(box->exec_ids.read([](const auto& ids) { return ids.size(); }), 1);
  std::string output;
  std::optional<std::int64_t> code;
  run(run_to_end(service, id, false, &output, &code));
  EXPECT_EQ(output, frame(1, "hello\n") + frame(2, "oops\n"));
  EXPECT_EQ(code, 3);
  EXPECT_EQ(run(fakes::past_events(events)),
            (std::vector<std::string>{"container exec_create: sh -c x", "container exec_start: sh -c x", "container exec_die"}));
  EXPECT_EQ(box->exec_ids.read([](const auto& ids) { return ids.size(); }), 0);
  expect_failure(service.start({id}, {}), ErrorCode::conflict, "error: Exec command " + id + " has already run");
}

TEST_F(ExecServiceTest, TheCommandSeesTheContainersEnvironmentAndItsOwn) {
  fakes::start(box);
  auto exec = request({"env"});
  exec.env = std::vector<std::string>{"B=3", "C=4", "A"};
  driver.on_exec = [](fakes::FakeExec& fake) {
    fake.end_output();
    fake.exit(0);
  };
  std::string output;
  std::optional<std::int64_t> code;
  run(run_to_end(service, create(exec), false, &output, &code));
  EXPECT_EQ(driver.last_exec->spec.environment,
            (std::vector<std::string>{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "B=3", "C=4"}));
  EXPECT_EQ(driver.last_exec->spec.user, "web");
}

TEST_F(ExecServiceTest, ACommandThatCannotBeRunIsToldInTheStreamAndInTheExitCode) {
  fakes::start(box);
  driver.on_exec = [](fakes::FakeExec&) { throw StartFailure(127, ErrorCode::invalid_argument, "OCI runtime exec failed: no such file"); };
  std::string output;
  std::optional<std::int64_t> code;
  run(run_to_end(service, create(request({"nope"})), true, &output, &code));
  EXPECT_EQ(output, "OCI runtime exec failed: no such file\r\n");
  EXPECT_EQ(code, 127);
  ExecStartOptions detached;
  detached.detach = true;
  expect_failure(service.start({create(request({"nope"}))}, detached), ErrorCode::invalid_argument,
                 "OCI runtime exec failed: no such file");
}

TEST_F(ExecServiceTest, ADetachedExecRunsAloneAndItsEndIsNoticed) {
  fakes::start(box);
  driver.on_exec = [](fakes::FakeExec& exec) {
    exec.write(StdStream::out, "unread");
    exec.end_output();
    exec.exit(0);
  };
  const std::string id = create(request({"true"}));
  run([](ExecService& service, std::string exec) -> Task<void> {
    ExecStartOptions options;
    options.detach = true;
    EXPECT_EQ(co_await service.start({exec}, options), nullptr);
    while ((co_await service.inspect({exec})).running.value_or(true)) co_await sleep_for(0ms);
    co_await service.stop();
  }(service, id));
  EXPECT_EQ(run(service.inspect({id})).exit_code, 0);
}

TEST_F(ExecServiceTest, InputReachesTheProcessAndItsEndToo) {
  fakes::start(box);
  auto exec = request({"cat"});
  exec.attach_stdin = true;
  const std::string id = create(exec);
  run([](ExecService& service, fakes::FakeWorkloads& driver, std::string exec_id) -> Task<void> {
    const auto session = co_await service.start({exec_id}, {});
    co_await session->write_stdin(as_bytes("hi"));
    co_await session->close_stdin();
    driver.last_exec->end_output();
    driver.last_exec->exit(0);
    EXPECT_EQ(co_await fakes::drain(session->output()), "");
    co_await service.stop();
  }(service, driver, id));
  EXPECT_EQ(driver.last_exec->input->text(), "hi");
  EXPECT_TRUE(driver.last_exec->input->closed());
}

TEST_F(ExecServiceTest, AClientThatGoesAwayLeavesTheExecToItself) {
  fakes::start(box);
  auto exec = request({"cat"});
  exec.attach_stdin = true;
  const std::string id = create(exec);
  run([](ExecService& service, fakes::FakeWorkloads& driver, std::string exec_id) -> Task<void> {
    (co_await service.start({exec_id}, {})).reset();
    const auto& fake = *driver.last_exec;
    while (!fake.input->closed()) co_await sleep_for(0ms);
    driver.last_exec->write(StdStream::out, "into the void");
    driver.last_exec->end_output();
    driver.last_exec->exit(9);
    while ((co_await service.inspect({exec_id})).running.value_or(true)) co_await sleep_for(0ms);
    EXPECT_EQ((co_await service.inspect({exec_id})).exit_code, 9);
    co_await service.stop();
  }(service, driver, id));
  EXPECT_TRUE(driver.last_exec->state.read([](const auto& state) { return state.output.empty(); })) << "the rest was not read";
}

TEST_F(ExecServiceTest, TheDetachKeysEndTheSessionOfATerminal) {
  fakes::start(box);
  auto exec = request({"sh"});
  exec.attach_stdin = exec.tty = true;
  exec.detach_keys = "ctrl-a";
  const std::string id = create(exec);
  run([](ExecService& service, std::string exec_id) -> Task<void> {
    ExecStartOptions options;
    options.tty = true;
    auto session = co_await service.start({exec_id}, options);
    co_await session->write_stdin(as_bytes("x\x01y"));
    EXPECT_EQ(co_await fakes::drain(session->output()), "");
    EXPECT_TRUE((co_await service.inspect({exec_id})).running.value_or(false));
    session.reset();
    co_await service.stop();
  }(service, id));
  EXPECT_EQ(driver.last_exec->input->text(), "x");
  EXPECT_EQ(run(fakes::past_events(events)).back(), "container exec_detach");
}

TEST_F(ExecServiceTest, InspectTellsWhatWasAskedFor) {
  fakes::start(box);
  auto exec = request({"ls", "-l"});
  exec.privileged = true;
  const std::string id = create(exec);
  const auto inspect = run(service.inspect({id}));
  EXPECT_EQ(inspect.id, id);
  EXPECT_EQ(inspect.running, false);
  EXPECT_FALSE(inspect.exit_code.has_value());
  EXPECT_EQ(inspect.process_config->entrypoint, "ls");
  EXPECT_EQ(inspect.process_config->arguments, std::vector<std::string>{"-l"});
  EXPECT_EQ(inspect.process_config->privileged, true);
  EXPECT_EQ(inspect.container_id, box->id().str());
  expect_failure(service.inspect({"nope"}), ErrorCode::not_found, "No such exec instance: nope");
  service.forget_container(box->id());
  expect_failure(service.inspect({id}), ErrorCode::not_found, "No such exec instance: " + id);
}

TEST_F(ExecServiceTest, AProbeGivesItsOutputOrIsKilledInTime) {
  driver.on_exec = [](fakes::FakeExec& exec) {
    exec.write(StdStream::out, "0123456789");
    exec.end_output();
    exec.exit(1);
  };
  const ExecOutcome outcome = run(run_exec(driver, box->definition()->spec, {"check"}, 10s, 4));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.output, "0123");
  EXPECT_FALSE(outcome.timed_out);
  driver.on_exec = [](fakes::FakeExec&) {};
  EXPECT_TRUE(run(run_exec(driver, box->definition()->spec, {"hang"}, 1ms)).timed_out);
  EXPECT_TRUE(driver.last_exec->state.read([](const auto& state) { return state.killed; }));
}

}  // namespace
}  // namespace sockerless
