"""What the suites need from package registries, in one folder, in the versions that the files beside this one pin."""

import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent


class Installation:
    def __init__(self, folder):
        self.folder = folder.resolve()
        self.programs = self.folder / "bin"
        self.python = self.folder / "venv/bin/python"

    def environment(self):
        paths = [self.programs, self.folder / "venv/bin", os.environ["PATH"]]
        return {**os.environ, "PATH": ":".join(str(path) for path in paths), "CGO_ENABLED": "0"}

    def install(self, suites):
        (self.folder / "home").mkdir(parents=True, exist_ok=True)
        self._venv()
        self._go_program(HERE / "reaper", ".", "reaper")
        if "compose" in suites:
            self._go_program(HERE / "tools", "github.com/docker/compose/v2/cmd", "docker-compose")
        if "buildx" in suites:
            for program in ["docker/buildx/cmd/buildx", "moby/buildkit/cmd/buildkitd", "moby/buildkit/cmd/buildctl"]:
                self._go_program(HERE / "tools", f"github.com/{program}", program.rsplit("/", 1)[1])
        if "testcontainers-go" in suites:
            self._run("go", "test", "-c", "-o", self.programs / "testcontainers-go.test", ".", at=HERE / "testcontainers_go")
        if "testcontainers-node" in suites:
            self._run("npm", "ci", "--no-audit", "--no-fund", "--silent", at=HERE / "testcontainers_node")
        self._debian_root()

    def version_of(self, module, folder="tools"):
        """Of a Go module, as its go.mod pins it."""
        command = ["go", "list", "-m", "-f", "{{.Version}}", module]
        return subprocess.run(command, cwd=HERE / folder, env=self.environment(), check=True, capture_output=True, text=True).stdout.strip()

    def _run(self, *command, at=HERE):
        print("+", *command, flush=True)
        subprocess.run([str(part) for part in command], cwd=at, env=self.environment(), check=True)

    def _venv(self):
        wanted = (HERE / "requirements.txt").read_text()
        mark = self.folder / "venv/requirements.txt"
        if mark.exists() and mark.read_text() == wanted:
            return
        shutil.rmtree(self.folder / "venv", ignore_errors=True)
        self._run("/usr/bin/python3", "-m", "venv", self.folder / "venv")
        self._run(self.python, "-m", "pip", "install", "--quiet", "--requirement", HERE / "requirements.txt")
        mark.write_text(wanted)

    def _go_program(self, module, package, name):
        self._run("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", self.programs / name, package, at=module)

    def _debian_root(self):
        """debootstrap's smallest root with what BuildKit's image needs beside its own programs, as a tar."""
        tar = self.folder / "debian.tar"
        if tar.exists():
            return
        root = self.folder / "debian"
        shutil.rmtree(root, ignore_errors=True)
        self._run("debootstrap", "--variant=minbase", "--include=ca-certificates,runc", "bookworm", root)
        self._run("tar", "--numeric-owner", "--one-file-system", "--exclude=./var/cache/apt/archives/*", "-C", root, "-cf", f"{tar}.part", ".")
        os.replace(f"{tar}.part", tar)
        shutil.rmtree(root)
