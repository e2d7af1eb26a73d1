import os
import pathlib
import subprocess
import tempfile
import unittest

IMAGE = os.environ["BUSYBOX"]


def run(*command, check=True, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


class Buildx(unittest.TestCase):
    """The docker-container driver: buildkitd in a privileged container, reached by exec."""

    @classmethod
    def setUpClass(cls):
        config = pathlib.Path(tempfile.mkdtemp()) / "buildkitd.toml"
        config.write_text(f'[registry."{os.environ["REGISTRY"]}"]\n  http = true\n')
        image = "image=" + os.environ["BUILDKIT"]
        # The registry is on the host's loopback address, so BuildKit works in the host's network.
        run("buildx", "create", "--name", "tested", "--driver", "docker-container", "--driver-opt", image, "--driver-opt", "network=host",
            "--buildkitd-config", str(config), "--buildkitd-flags", "--oci-worker-snapshotter=native")
        cls.addClassCleanup(run, "buildx", "rm", "--force", "tested")
        run("buildx", "inspect", "--bootstrap", "tested")

    def context(self, dockerfile, **files):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name, content in {"Dockerfile": dockerfile, **files}.items():
            (pathlib.Path(folder.name) / name).write_text(content)
        return folder.name

    def test_the_builder_runs(self):
        self.assertIn("running", run("buildx", "inspect", "tested").stdout)

    def test_build_and_load(self):
        context = self.context(f'FROM {IMAGE}\nCOPY word /word\nRUN cat /word > /copied\nCMD ["cat", "/copied"]\n', word="by buildkit")
        run("buildx", "build", "--builder", "tested", "--load", "--tag", "by-buildx:1", context)
        self.addCleanup(run, "docker", "rmi", "--force", "by-buildx:1")
        self.assertEqual(run("docker", "run", "--rm", "by-buildx:1").stdout, "by buildkit")

    def test_stages_arguments_and_targets(self):
        context = self.context(f"FROM {IMAGE} AS first\nARG WORD\nRUN echo $WORD > /word\nFROM first AS second\nRUN exit 1\n")
        run("buildx", "build", "--builder", "tested", "--target", "first", "--build-arg", "WORD=argued", "--load", "--tag", "by-buildx:2", context)
        self.addCleanup(run, "docker", "rmi", "--force", "by-buildx:2")
        self.assertEqual(run("docker", "run", "--rm", "by-buildx:2", "cat", "/word").stdout, "argued\n")

    def test_build_and_push(self):
        reference = os.environ["REGISTRY"] + "/by-buildx:3"
        run("buildx", "build", "--builder", "tested", "--push", "--tag", reference, self.context(f"FROM {IMAGE}\nENV PUSHED=yes\n"))
        self.addCleanup(run, "docker", "rmi", "--force", reference)
        self.assertIn("PUSHED=yes", run("docker", "run", "--rm", reference, "env").stdout)

    def test_a_step_that_fails(self):
        done = run("buildx", "build", "--builder", "tested", self.context(f"FROM {IMAGE}\nRUN exit 3\n"), check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("exit code: 3", done.stderr)
