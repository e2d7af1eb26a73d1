import json
import os
import pathlib
import socket
import subprocess
import tempfile
import unittest

IMAGE = os.environ["BUSYBOX"]


class Project:
    """A compose project in a folder of its own, taken down at its end."""

    def __init__(self, test, yaml, **files):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name)
        self.name = "p" + os.urandom(4).hex()
        (self.path / "compose.yaml").write_text(yaml.replace("IMAGE", IMAGE))
        for name, content in files.items():
            (self.path / name).write_text(content)
        test.addCleanup(self.folder.cleanup)
        test.addCleanup(self.run, "down", "--volumes", "--timeout", "0")

    def run(self, *arguments, check=True, input=None):
        command = ["docker-compose", "--project-name", self.name, "--progress", "plain", *arguments]
        done = subprocess.run(command, cwd=self.path, capture_output=True, text=True, input=input, timeout=120)
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def ps(self):
        return {entry["Service"]: entry for entry in map(json.loads, self.run("ps", "--all", "--format", "json").stdout.splitlines())}

    def docker(self, *arguments):
        return subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True).stdout.strip()


SLEEPER = """
services:
  one: {image: IMAGE, command: sleep 1000, stop_grace_period: 0s}
  two: {image: IMAGE, command: sleep 1000, stop_grace_period: 0s, depends_on: [one]}
"""

HEALTH = """
services:
  slow:
    image: IMAGE
    command: sh -c 'sleep 1; touch /ready; sleep 1000'
    stop_grace_period: 0s
    healthcheck: {test: test -f /ready, interval: 200ms, retries: 100}
  late:
    image: IMAGE
    command: echo after the healthy one
    depends_on: {slow: {condition: service_healthy}}
"""

UNHEALTHY = """
services:
  sick:
    image: IMAGE
    command: sleep 1000
    stop_grace_period: 0s
    healthcheck: {test: 'false', interval: 100ms, retries: 2}
  late: {image: IMAGE, command: 'true', depends_on: {sick: {condition: service_healthy}}}
"""

COMPLETED = """
services:
  first: {image: IMAGE, command: sh -c 'echo data > /shared/file', volumes: ['shared:/shared']}
  second:
    image: IMAGE
    command: cat /shared/file
    volumes: ['shared:/shared']
    depends_on: {first: {condition: service_completed_successfully}}
volumes: {shared: {}}
"""

WEB = """
services:
  web:
    image: IMAGE
    command: sh -c 'mkdir /www; echo it works > /www/index.html; exec httpd -f -p 8000 -h /www'
    stop_grace_period: 0s
    ports: ['127.0.0.1::8000']
    networks: {inner: {aliases: [frontpage]}}
    healthcheck: {test: wget -q -O /dev/null http://127.0.0.1:8000, interval: 100ms, retries: 100}
  client:
    image: IMAGE
    command: wget -q -O - http://web:8000/ http://frontpage:8000/
    networks: [inner]
    depends_on: {web: {condition: service_healthy}}
  stranger: {image: IMAGE, command: sleep 1000, stop_grace_period: 0s, networks: [outer]}
networks: {inner: {}, outer: {}}
"""

SETTINGS = """
services:
  set:
    image: IMAGE
    command: sleep 1000
    stop_grace_period: 0s
    hostname: named
    environment: {GREETING: hello}
    working_dir: /tmp
    user: '65534'
    read_only: true
    tmpfs: [/run]
    labels: {mark: here}
    extra_hosts: ['elsewhere:10.1.2.3']
    mem_limit: 64m
    init: true
    configs: [{source: text, target: /text}]
configs: {text: {file: text.txt}}
"""

BUILT = """
services:
  built: {build: {context: ., args: {WORD: built}}, image: 'compose-built:1'}
"""


class Compose(unittest.TestCase):
    def test_up_starts_services_and_down_removes_everything(self):
        project = Project(self, SLEEPER)
        project.run("up", "--detach")
        self.assertEqual({name: entry["State"] for name, entry in project.ps().items()}, {"one": "running", "two": "running"})
        project.run("down", "--timeout", "0")
        self.assertEqual(project.ps(), {})
        self.assertEqual(project.docker("network", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={project.name}"), "")

    def test_up_again_changes_nothing(self):
        project = Project(self, SLEEPER)
        project.run("up", "--detach")
        before = {entry["ID"] for entry in project.ps().values()}
        project.run("up", "--detach")
        self.assertEqual({entry["ID"] for entry in project.ps().values()}, before)

    def test_up_in_the_foreground_ends_with_the_exit_code(self):
        project = Project(self, "services: {quits: {image: IMAGE, command: sh -c 'echo said; exit 7'}}")
        done = project.run("up", "--exit-code-from", "quits", check=False)
        self.assertEqual(done.returncode, 7)
        self.assertIn("said", done.stdout)

    def test_logs_tell_the_services_apart(self):
        project = Project(self, "services: {a: {image: IMAGE, command: echo from a}, b: {image: IMAGE, command: sh -c 'echo from b >&2'}}")
        project.run("up")
        lines = project.run("logs", "--no-color").stdout.splitlines()
        self.assertIn("a-1  | from a", lines)
        self.assertIn("b-1  | from b", lines)

    def test_exec_passes_input_and_the_exit_code(self):
        project = Project(self, SLEEPER)
        project.run("up", "--detach")
        self.assertEqual(project.run("exec", "-T", "one", "cat", input="through").stdout, "through")
        self.assertEqual(project.run("exec", "-T", "one", "sh", "-c", "exit 9", check=False).returncode, 9)

    def test_run_starts_a_container_of_its_own(self):
        project = Project(self, SLEEPER)
        self.assertEqual(project.run("run", "--rm", "-T", "--no-deps", "two", "echo", "once").stdout.strip(), "once")
        self.assertEqual(project.run("run", "--rm", "-T", "--no-deps", "two", "sh", "-c", "exit 4", check=False).returncode, 4)

    def test_depends_on_waits_for_health(self):
        project = Project(self, HEALTH)
        project.run("up", "--detach", "--wait", "slow")
        project.run("up", "--detach")
        project.run("wait", "late", check=False)
        self.assertIn("after the healthy one", project.run("logs", "late").stdout)
        self.assertEqual(project.ps()["slow"]["Health"], "healthy")

    def test_depends_on_fails_for_a_sick_service(self):
        project = Project(self, UNHEALTHY)
        done = project.run("up", "--detach", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("unhealthy", done.stderr)

    def test_depends_on_waits_for_completion_and_a_volume_is_shared(self):
        project = Project(self, COMPLETED)
        done = project.run("up")
        self.assertIn("data", done.stdout)
        volumes = project.docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={project.name}")
        self.assertEqual(volumes, f"{project.name}_shared")
        project.run("down", "--volumes")
        self.assertEqual(project.docker("volume", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={project.name}"), "")

    def test_scale(self):
        project = Project(self, "services: {many: {image: IMAGE, command: sleep 1000, stop_grace_period: 0s}}")
        project.run("up", "--detach", "--scale", "many=3")
        self.assertEqual(len(project.run("ps", "--quiet").stdout.split()), 3)
        project.run("up", "--detach", "--scale", "many=1")
        self.assertEqual(len(project.run("ps", "--quiet").stdout.split()), 1)

    def test_services_find_each_other_by_name_and_alias(self):
        project = Project(self, WEB)
        project.run("up", "--detach")
        project.run("wait", "client", check=False)
        self.assertEqual(project.run("logs", "--no-log-prefix", "client").stdout, "it works\nit works\n")

    def test_networks_are_apart(self):
        project = Project(self, WEB)
        project.run("up", "--detach", "web", "stranger")
        address = project.docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", f"{project.name}-web-1")
        self.assertNotEqual(project.run("exec", "-T", "stranger", "wget", "-q", "-T", "2", "-O", "-", f"http://{address}:8000/", check=False).returncode, 0)
        self.assertNotEqual(project.run("exec", "-T", "stranger", "nslookup", "web", check=False).returncode, 0)

    def test_a_published_port_answers_on_the_host(self):
        project = Project(self, WEB)
        project.run("up", "--detach", "--wait", "web")
        host, port = project.run("port", "web", "8000").stdout.strip().split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            self.assertIn(b"it works", connection.makefile("rb").read())

    def test_settings_reach_the_container(self):
        project = Project(self, SETTINGS, **{"text.txt": "configured"})
        project.run("up", "--detach")
        script = "hostname; echo $GREETING; pwd; id -u; cat /text; echo; grep elsewhere /etc/hosts; touch /x || echo read-only; touch /run/x && echo writable"
        lines = project.run("exec", "-T", "set", "sh", "-c", script).stdout.split()
        self.assertEqual(lines, ["named", "hello", "/tmp", "65534", "configured", "10.1.2.3", "elsewhere", "read-only", "writable"])
        self.assertEqual(project.docker("inspect", "--format", "{{.HostConfig.Memory}} {{.Config.Labels.mark}}", f"{project.name}-set-1"), "67108864 here")

    def test_stop_start_restart_pause_and_kill(self):
        project = Project(self, SLEEPER)
        project.run("up", "--detach")
        project.run("stop", "two")
        self.assertEqual(project.ps()["two"]["State"], "exited")
        project.run("start", "two")
        project.run("pause", "one")
        self.assertEqual(project.ps()["one"]["State"], "paused")
        project.run("unpause", "one")
        project.run("restart", "--timeout", "0", "one")
        project.run("kill", "--signal", "KILL", "two")
        states = project.ps()
        self.assertEqual((states["one"]["State"], states["two"]["State"], states["two"]["ExitCode"]), ("running", "exited", 137))

    def test_cp_and_top(self):
        project = Project(self, SLEEPER, **{"there.txt": "content"})
        project.run("up", "--detach")
        project.run("cp", "there.txt", "one:/tmp/here.txt")
        self.assertEqual(project.run("exec", "-T", "one", "cat", "/tmp/here.txt").stdout, "content")
        project.run("cp", "one:/tmp/here.txt", "back.txt")
        self.assertEqual((project.path / "back.txt").read_text(), "content")
        self.assertIn("sleep 1000", project.run("top", "one").stdout)

    def test_a_changed_service_is_made_anew(self):
        project = Project(self, SLEEPER)
        project.run("up", "--detach")
        before = project.ps()
        yaml = project.path / "compose.yaml"
        yaml.write_text(yaml.read_text().replace("two: {", "two: {environment: {NEW: '1'}, "))
        project.run("up", "--detach")
        after = project.ps()
        self.assertEqual(after["one"]["ID"], before["one"]["ID"])
        self.assertNotEqual(after["two"]["ID"], before["two"]["ID"])

    def test_build(self):
        project = Project(self, BUILT, Dockerfile=f'FROM {IMAGE}\nARG WORD\nRUN echo $WORD > /word\nCMD ["cat", "/word"]\n')
        self.addCleanup(subprocess.run, ["docker", "rmi", "--force", "compose-built:1"], capture_output=True)
        project.run("build")
        self.assertIn("built", project.run("up").stdout)
