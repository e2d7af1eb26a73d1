"""The daemon under test, a registry, and the images in it."""

import os
import pathlib
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
PATIENCE_SECONDS = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A server that is up when `is_up` says so; its output lands in a file."""

    def __init__(self, command, log, is_up, environment=None):
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment)
        give_up = time.monotonic() + PATIENCE_SECONDS
        while not is_up():
            if self.process.poll() is not None or time.monotonic() > give_up:
                self.stop()
                raise RuntimeError(f"{command[0]} did not start:\n{pathlib.Path(log).read_text()[-4000:]}")
            time.sleep(0.02)  # another process's start offers nothing to wait on

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def accepts(family, address):
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


class Stage:
    """Everything that runs while the suites do; a context manager."""

    def __init__(self, against, programs, installed):
        self.against = against
        self.programs = programs
        self.installed = installed
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sockerless-clients-"))
        self.socket = self.folder / "docker.sock"
        self.processes = []

    def __enter__(self):
        try:
            self.registry = self._start_registry()
            self._start_daemon()
            self._make_images()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.stop()
        mounts = [line.split()[1] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed([mount for mount in mounts if mount.startswith(str(self.folder))]):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self):
        return {
            **self.installed.environment(),
            "HOME": str(self.installed.folder / "home"),  # a client's own settings, not those of whoever runs the tests
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_BUILDKIT": "0",
            "REGISTRY": self.registry,
            "BUSYBOX": f"{self.registry}/busybox:1",
            "DEBIAN": f"{self.registry}/debian:bookworm",
            "BUILDKIT": f"{self.registry}/buildkit:1",
            "TESTCONTAINERS_RYUK_RECONNECTION_TIMEOUT": "1s",
            "RYUK_RECONNECTION_TIMEOUT": "1s",
            "PYTHONPATH": str(HERE),
        }

    def docker(self, *arguments, **options):
        return subprocess.run(["docker", *arguments], env=self.environment(), check=True, **options)

    def _start_registry(self):
        port = free_port()
        config = self.folder / "registry.yml"
        config.write_text(f"version: 0.1\nlog: {{level: warn}}\nstorage: {{filesystem: {{rootdirectory: {self.folder}/registry}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n")
        command = ["docker-registry", "serve", config]
        self.processes.append(Process(command, self.folder / "registry.log", lambda: accepts(socket.AF_INET, ("127.0.0.1", port))))
        return f"127.0.0.1:{port}"

    def _start_daemon(self):
        if self.against == "dockerd":
            command = ["dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec", "--pidfile", self.folder / "pid", "--host", f"unix://{self.socket}"]
        else:
            command = [self.programs / "sockerless", "serve", "--backend", "local", "--state", self.folder / "state", "--host", f"unix://{self.socket}"]
        self.processes.append(Process(command, self.folder / "daemon.log", lambda: accepts(socket.AF_UNIX, str(self.socket))))

    def _make_images(self):
        busybox = subprocess.run([PROJECT / "tools/busybox_rootfs.sh"], check=True, capture_output=True).stdout
        self._publish("busybox:1", ["--change", 'CMD ["sh"]'], input=busybox)
        self._publish("debian:bookworm", ["--change", 'CMD ["bash"]'], stdin=open(self.installed.folder / "debian.tar", "rb"))
        self._import("testcontainers/ryuk:0.14.0", ["--change", 'ENTRYPOINT ["/reaper"]', "--change", "EXPOSE 8080"], stdin=self._tar_of({"reaper": "reaper"}))
        if (self.installed.programs / "buildkitd").exists():
            self._publish_buildkit()

    def _publish_buildkit(self):
        tar = self.folder / "buildkit.tar"
        shutil.copyfile(self.installed.folder / "debian.tar", tar)
        with tarfile.open(tar, "a") as archive:
            for program in ["buildkitd", "buildctl"]:
                archive.add(self.installed.programs / program, f"usr/bin/{program}", filter=as_root)
        with open(tar, "rb") as stdin:
            self._publish("buildkit:1", ["--change", 'ENTRYPOINT ["buildkitd"]', "--change", "VOLUME /var/lib/buildkit"], stdin=stdin)
        tar.unlink()

    def _tar_of(self, programs):
        file = tempfile.TemporaryFile(dir=self.folder)
        with tarfile.open(fileobj=file, mode="w") as archive:
            for program, name in programs.items():
                archive.add(self.installed.programs / program, name, filter=as_root)
        file.seek(0)
        return file

    def _import(self, reference, changes, **source):
        self.docker("import", *changes, "-", reference, stdout=subprocess.DEVNULL, **source)

    def _publish(self, name, changes, **source):
        """Only in the registry afterwards: a client's run has to pull it."""
        reference = f"{self.registry}/{name}"
        self._import(reference, changes, **source)
        self.docker("push", "--quiet", reference, stdout=subprocess.DEVNULL)
        self.docker("rmi", reference, stdout=subprocess.DEVNULL)


def as_root(member):
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
