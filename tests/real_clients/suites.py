"""How each suite is started and its outcome read."""

import collections
import json
import pathlib
import re
import select
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE_SECONDS = 900

Case = collections.namedtuple("Case", "name passed")
Result = collections.namedtuple("Result", "client version cases")


def words(name):
    """A test's name as a sentence: "TestPorts_are_refused" -> "ports are refused"."""
    name = re.sub(r"^(test_?|Test)", "", name)
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").replace("/", ": ")
    return name[:1].lower() + name[1:]


def run_program(command, stage, folder, read_cases):
    """@param read_cases  makes the cases of the standard output. A suite that ended badly without saying where is a case of its own."""
    command = [str(part) for part in command]
    process = subprocess.run(command, cwd=folder, env=stage.environment(), stdout=subprocess.PIPE, text=True, timeout=PATIENCE_SECONDS)
    cases = read_cases(process.stdout)
    if process.returncode != 0 and all(case.passed for case in cases):
        cases.append(Case(f"the suite ended with code {process.returncode}", False))
    return cases


def run_unittest(folder, module, stage):
    def read_cases(output):
        return [Case(words(case["name"]), case["passed"]) for case in map(json.loads, output.splitlines())]

    return run_program([stage.installed.python, HERE / "report.py", module], stage, HERE / folder, read_cases)


def docker_command(stage):
    """The docker command line of Debian, by the test program of tests/clients, which starts its own daemons."""
    report = stage.folder / "docker.json"
    program = stage.programs / "clients_test"
    command = [program, "--gtest_brief=1", "--gtest_filter=*/debian_cli_local", f"--gtest_output=json:{report}"]

    def read_cases(_):
        tests = [case for group in json.loads(report.read_text())["testsuites"] for case in group["testsuite"]]
        return [Case(words(case["name"].split("/")[0]), "failures" not in case) for case in tests if case["status"] == "RUN"]

    cases = run_program(command, stage, HERE, read_cases)
    version = subprocess.run(["/usr/bin/docker", "--version"], capture_output=True, text=True, check=True).stdout
    return Result("docker", re.search(r"version ([^+, ]+)", version).group(1), cases)


def compose(stage):
    return Result("docker compose", stage.installed.version_of("github.com/docker/compose/v2"), run_unittest("compose", "test_compose", stage))


def buildx(stage):
    return Result("docker buildx", stage.installed.version_of("github.com/docker/buildx"), run_unittest("buildx", "test_buildx", stage))


def docker_py(stage):
    version = re.search(r"^docker==(.*)$", (HERE / "requirements.txt").read_text(), re.MULTILINE).group(1)
    return Result("docker-py", version, run_unittest("docker_py", "test_docker_py", stage))


def testcontainers_go(stage):
    version = stage.installed.version_of("github.com/testcontainers/testcontainers-go", "testcontainers_go")

    def read_cases(output):
        print(output)
        return [Case(words(name), outcome == "PASS") for outcome, name in re.findall(r"^--- (PASS|FAIL|SKIP): (\S+)", output, re.MULTILINE)]

    program = stage.installed.programs / "testcontainers-go.test"
    cases = run_program([program, "-test.v"], stage, HERE / "testcontainers_go", read_cases)
    return Result("testcontainers for Go", version, [*cases, ryuk_has_cleaned_up(stage)])


def testcontainers_node(stage):
    package = json.loads((HERE / "testcontainers_node/package.json").read_text())

    def read_cases(output):
        print(output)
        found = re.findall(r"^(not )?ok \d+ - (.*?)( # .*)?$", output, re.MULTILINE)
        return [Case(words(name), not failed and not directive) for failed, name, directive in found]

    command = ["node", "--test", "--test-reporter=tap", "suite.test.mjs"]
    cases = run_program(command, stage, HERE / "testcontainers_node", read_cases)
    return Result("testcontainers for Node", package["dependencies"]["testcontainers"], [*cases, ryuk_has_cleaned_up(stage)])


def ryuk_has_cleaned_up(stage):
    """Each suite of testcontainers leaves a container on purpose. Waits for the events of the reaper's work, not for a time."""
    label = "label=org.testcontainers=true"
    events = subprocess.Popen(["docker", "events", "--filter", "event=destroy", "--format", "{{.ID}}"], env=stage.environment(), stdout=subprocess.PIPE, text=True)
    try:
        timer = subprocess.Popen(["sleep", "30"])
        while True:
            left = stage.docker("ps", "--all", "--quiet", "--filter", label, capture_output=True, text=True).stdout.split()
            if not left or timer.poll() is not None:
                return Case("Ryuk removes what a run leaves", not left)
            if not wait_readable(events.stdout, 1):
                continue
            events.stdout.readline()
    finally:
        for process in (events, timer):
            process.kill()
            process.wait()


def wait_readable(stream, seconds):
    return bool(select.select([stream], [], [], seconds)[0])


ALL = {
    "docker": docker_command,
    "compose": compose,
    "docker-py": docker_py,
    "testcontainers-go": testcontainers_go,
    "testcontainers-node": testcontainers_node,
    "buildx": buildx,
}


def run(name, stage):
    return ALL[name](stage)
