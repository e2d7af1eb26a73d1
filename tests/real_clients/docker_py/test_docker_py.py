import io
import os
import socket
import struct
import tarfile
import time
import unittest

import docker

IMAGE = os.environ["BUSYBOX"]


def tar_of(name, content):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class DockerPy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = docker.from_env()
        cls.client.images.pull(IMAGE)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def sleeper(self, **options):
        container = self.client.containers.run(IMAGE, ["sleep", "1000"], detach=True, **options)
        self.addCleanup(container.remove, force=True, v=True)
        return container

    def test_version_info_and_ping(self):
        self.assertTrue(self.client.ping())
        self.assertEqual(self.client.info()["OSType"], "linux")
        self.assertEqual(self.client.version()["Os"], "linux")

    def test_run_returns_the_output(self):
        self.assertEqual(self.client.containers.run(IMAGE, ["echo", "hello"], remove=True), b"hello\n")
        self.assertEqual(self.client.containers.run(IMAGE, ["cat", "/proc/1/comm"], remove=True, tty=True), b"cat\r\n")

    def test_run_raises_with_code_and_standard_error(self):
        with self.assertRaises(docker.errors.ContainerError) as raised:
            self.client.containers.run(IMAGE, ["sh", "-c", "echo wrong >&2; exit 3"], remove=True)
        self.assertEqual((raised.exception.exit_status, raised.exception.stderr), (3, b"wrong\n"))

    def test_a_command_that_is_not_there(self):
        with self.assertRaises(docker.errors.APIError) as raised:
            self.client.containers.run(IMAGE, ["no-such-command"], remove=True)
        self.assertIn("executable file not found", str(raised.exception))

    def test_what_is_not_there(self):
        with self.assertRaises(docker.errors.NotFound):
            self.client.containers.get("no-such-container")
        with self.assertRaises(docker.errors.ImageNotFound):
            self.client.images.get("no-such-image-here:1")

    def test_exec_run(self):
        container = self.sleeper()
        self.assertEqual(container.exec_run(["sh", "-c", "echo out; exit 5"]), (5, b"out\n"))
        code, (out, err) = container.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
        self.assertEqual((code, out, err), (0, b"out\n", b"err\n"))
        self.assertEqual(b"".join(container.exec_run(["seq", "3"], stream=True).output), b"1\n2\n3\n")
        _, output = container.exec_run(["id", "-u"], user="65534", environment={"A": "b"}, workdir="/tmp")
        self.assertEqual(output, b"65534\n")

    def test_exec_with_a_socket(self):
        container = self.sleeper()
        _, connection = container.exec_run(["cat"], stdin=True, socket=True)
        connection._sock.sendall(b"through\n")
        connection._sock.shutdown(socket.SHUT_WR)
        data = connection.read(8 + 8)
        self.assertEqual(struct.unpack(">BxxxL", data[:8]) + (data[8:],), (1, 8, b"through\n"))
        connection.close()

    def test_attach_before_start(self):
        container = self.client.containers.create(IMAGE, ["sh", "-c", "read line; echo got $line"], stdin_open=True)
        self.addCleanup(container.remove, force=True)
        connection = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
        container.start()
        connection._sock.sendall(b"it\n")
        header = connection.read(8)
        self.assertEqual(connection.read(struct.unpack(">BxxxL", header)[1]), b"got it\n")
        connection.close()
        self.assertEqual(container.wait()["StatusCode"], 0)

    def test_attach_stream(self):
        container = self.client.containers.create(IMAGE, ["sh", "-c", "seq 1000"])
        self.addCleanup(container.remove, force=True)
        stream = container.attach(stream=True, logs=True)
        container.start()
        self.assertEqual(b"".join(stream).count(b"\n"), 1000)

    def test_logs(self):
        container = self.client.containers.run(IMAGE, ["sh", "-c", "seq 5; echo err >&2"], detach=True)
        self.addCleanup(container.remove, force=True)
        container.wait()
        self.assertEqual(container.logs(stderr=False), b"1\n2\n3\n4\n5\n")
        self.assertEqual(container.logs(stdout=False), b"err\n")

    def test_the_end_of_logs_with_time(self):
        container = self.client.containers.run(IMAGE, ["seq", "5"], detach=True)
        self.addCleanup(container.remove, force=True)
        container.wait()
        self.assertEqual(container.logs(tail=2), b"4\n5\n")
        self.assertRegex(container.logs(timestamps=True, tail=1), rb"^\d{4}-\d\d-\d\dT[^ ]+Z 5\n$")

    def test_logs_follow(self):
        container = self.sleeper_that_counts()
        lines = []
        for line in container.logs(stream=True, follow=True):
            lines.append(line)
        self.assertEqual(b"".join(lines), b"1\n2\n3\n")

    def sleeper_that_counts(self):
        container = self.client.containers.run(IMAGE, ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"], detach=True)
        self.addCleanup(container.remove, force=True)
        return container

    def test_archives(self):
        created = self.client.containers.create(IMAGE, ["true"])
        self.addCleanup(created.remove)
        for container in [self.sleeper(), created]:
            self.assertTrue(container.put_archive("/tmp", tar_of("file", b"content")))
            stream, stat = container.get_archive("/tmp/file")
            self.assertEqual((stat["name"], stat["size"]), ("file", 7))
            with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
                self.assertEqual(archive.extractfile("file").read(), b"content")
            with self.assertRaises(docker.errors.NotFound):
                container.get_archive("/no/such/file")

    def test_export_diff_and_commit(self):
        container = self.sleeper()
        container.exec_run(["sh", "-c", "echo new > /new"])
        self.assertIn({"Path": "/new", "Kind": 1}, container.diff())
        with tarfile.open(fileobj=io.BytesIO(b"".join(container.export()))) as archive:
            self.assertEqual(archive.extractfile("new").read(), b"new\n")
        image = container.commit("committed", "1", changes=['CMD ["cat", "/new"]'])
        self.addCleanup(self.client.images.remove, image.id, force=True)
        self.assertEqual(self.client.containers.run("committed:1", remove=True), b"new\n")

    def test_stop_kill_pause_restart_rename_update(self):
        container = self.sleeper(name="old-name-of-it", stop_signal="SIGKILL")
        container.pause()
        container.reload()
        self.assertEqual(container.status, "paused")
        container.unpause()
        container.rename("new-name-of-it")
        container.update(mem_limit="64m", memswap_limit="64m")
        container.restart(timeout=0)
        container.reload()
        self.assertEqual((container.name, container.status, container.attrs["HostConfig"]["Memory"]), ("new-name-of-it", "running", 64 << 20))
        container.kill()
        self.assertEqual(container.wait()["StatusCode"], 137)

    def test_top_and_stats(self):
        container = self.sleeper()
        self.assertIn("sleep 1000", container.top()["Processes"][0][-1])
        stats = container.stats(stream=False)
        self.assertGreater(stats["memory_stats"]["usage"], 0)
        self.assertIn("eth0", stats["networks"])
        first = next(container.stats(decode=True))
        self.assertEqual(first["id"], container.id)

    def test_wait_conditions(self):
        container = self.client.containers.create(IMAGE, ["sh", "-c", "exit 6"])
        self.addCleanup(container.remove, force=True)
        events = self.client.events(filters={"container": container.id}, decode=True)
        api = self.client.api
        # Its head comes when the wait is registered, its body when the container ends.
        wait = api.post(api._url("/containers/{0}/wait", container.id), params={"condition": "next-exit"}, stream=True)
        container.start()
        self.assertEqual(wait.json()["StatusCode"], 6)
        seen = []
        for event in events:
            seen.append(event["Action"])
            if event["Action"] == "die":
                self.assertEqual(event["Actor"]["Attributes"]["exitCode"], "6")
                break
        self.assertEqual(seen[-2:], ["start", "die"])
        events.close()

    def test_healthcheck(self):
        second = 1_000_000_000
        container = self.sleeper(healthcheck={"test": ["CMD", "true"], "interval": second // 5})
        for event in self.client.events(decode=True, filters={"container": container.id, "event": "health_status"}, since=0):
            self.assertEqual(event["Action"], "health_status: healthy")
            break
        container.reload()
        self.assertEqual(container.health, "healthy")

    def test_networks(self):
        network = self.client.networks.create("docker-py-network", labels={"mark": "1"}, ipam=docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="10.123.0.0/24")]))
        self.addCleanup(network.remove)
        server = self.client.containers.run(IMAGE, ["sh", "-c", "echo served | nc -l -p 9000"], detach=True, network=network.name, name="server-of-py")
        self.addCleanup(server.remove, force=True)
        output = self.client.containers.run(IMAGE, ["sh", "-c", "until nc server-of-py 9000 </dev/null; do sleep 0.1; done"], network=network.name, remove=True)
        self.assertEqual(output, b"served\n")
        other = self.sleeper()
        network.connect(other, ipv4_address="10.123.0.77", aliases=["aliased"])
        other.reload()
        self.assertEqual(other.attrs["NetworkSettings"]["Networks"][network.name]["IPAddress"], "10.123.0.77")
        self.assertIn(b"10.123.0.77", other.exec_run(["ip", "addr"]).output)
        network.disconnect(other)
        self.assertEqual([found.name for found in self.client.networks.list(filters={"label": "mark=1"})], [network.name])

    def test_published_ports(self):
        container = self.client.containers.run(IMAGE, ["sh", "-c", "echo hello | nc -l -p 7000"], detach=True, ports={"7000/tcp": ("127.0.0.1", None)})
        self.addCleanup(container.remove, force=True)
        container.reload()
        port = int(container.ports["7000/tcp"][0]["HostPort"])
        self.assertEqual(self.read_when_it_listens(port), b"hello\n")

    def read_when_it_listens(self, port):
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                    return connection.makefile("rb").read()
            except ConnectionRefusedError:
                pass
        self.fail("the container never listened")

    def test_volumes(self):
        volume = self.client.volumes.create("docker-py-volume", labels={"mark": "2"})
        self.addCleanup(volume.remove)
        mounts = {volume.name: {"bind": "/data", "mode": "rw"}}
        self.client.containers.run(IMAGE, ["sh", "-c", "echo kept > /data/file"], volumes=mounts, remove=True)
        self.assertEqual(self.client.containers.run(IMAGE, ["cat", "/data/file"], volumes=mounts, remove=True), b"kept\n")
        self.assertEqual([found.name for found in self.client.volumes.list(filters={"label": "mark=2"})], [volume.name])

    def test_images_pull_tag_push_save_load_remove(self):
        reference = os.environ["REGISTRY"] + "/docker-py"
        image = self.client.images.get(IMAGE)
        self.assertTrue(image.tag(reference, "2"))
        lines = list(self.client.api.push(reference, "2", stream=True, decode=True))
        self.assertFalse([line for line in lines if "error" in line])
        self.client.images.remove(f"{reference}:2")
        self.assertEqual(self.client.images.pull(reference, "2").id, image.id)
        self.assertTrue(self.client.images.get_registry_data(f"{reference}:2").id.startswith("sha256:"))
        saved = b"".join(self.client.images.get(f"{reference}:2").save(named=f"{reference}:2"))
        self.client.images.remove(f"{reference}:2")
        self.assertIn(f"{reference}:2", self.client.images.load(saved)[0].tags)
        self.assertGreaterEqual(len(image.history()), 1)
        self.client.images.remove(f"{reference}:2")
        with self.assertRaises(docker.errors.APIError):
            self.client.images.pull(os.environ["REGISTRY"] + "/no-such-repository", "1")

    def test_build(self):
        dockerfile = f'FROM {IMAGE}\nARG WORD\nRUN echo $WORD > /word\nCMD ["cat", "/word"]\n'
        image, log = self.client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag="docker-py-built:1", buildargs={"WORD": "built"}, rm=True)
        self.addCleanup(self.client.images.remove, image.id, force=True)
        self.assertEqual(self.client.containers.run("docker-py-built:1", remove=True), b"built\n")
        self.assertTrue(any("Successfully built" in line.get("stream", "") for line in log))

    def test_a_build_that_fails(self):
        with self.assertRaises(docker.errors.BuildError) as raised:
            self.client.images.build(fileobj=io.BytesIO(f"FROM {IMAGE}\nRUN exit 8\n".encode()))
        self.assertIn("returned a non-zero code: 8", str(raised.exception))

    def test_lists_and_prune(self):
        container = self.client.containers.create(IMAGE, ["true"], labels={"mark": "3"})
        self.assertEqual([found.id for found in self.client.containers.list(all=True, filters={"label": "mark=3"})], [container.id])
        self.assertEqual(self.client.containers.prune(filters={"label": "mark=3"})["ContainersDeleted"], [container.id])
        self.assertGreater(self.client.df()["LayersSize"], 0)
