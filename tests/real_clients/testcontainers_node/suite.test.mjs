import assert from "node:assert/strict";
import { test } from "node:test";
import { GenericContainer, Network, Wait } from "testcontainers";

const image = process.env.BUSYBOX;
const server = "mkdir /www; echo it works > /www/index.html; exec httpd -f -p 8000 -h /www";

const withContainer = async (container, use) => {
  const started = await container.start();
  try {
    await use(started);
  } finally {
    await started.stop({ timeout: 0 });
  }
};

const fetchText = async (started, port) => (await fetch(`http://${started.getHost()}:${started.getMappedPort(port)}/`)).text();

test("a container is waited for by its port", async () => {
  const container = new GenericContainer(image).withExposedPorts(8000).withCommand(["sh", "-c", `sleep 1; ${server}`]);
  await withContainer(container, async (started) => assert.equal(await fetchText(started, 8000), "it works\n"));
});

test("a container is waited for by its log", async () => {
  const container = new GenericContainer(image)
    .withCommand(["sh", "-c", "sleep 0.5; echo ready >&2; sleep 1000"])
    .withWaitStrategy(Wait.forLogMessage("ready"));
  await withContainer(container, async (started) => assert.match(started.getId(), /^[0-9a-f]{64}$/));
});

test("a container is waited for by its health", async () => {
  const container = new GenericContainer(image)
    .withCommand(["sh", "-c", "sleep 0.5; touch /ready; sleep 1000"])
    .withHealthCheck({ test: ["CMD", "test", "-f", "/ready"], interval: 200, timeout: 5000, retries: 100, startPeriod: 0 })
    .withWaitStrategy(Wait.forHealthCheck());
  await withContainer(container, async (started) => assert.equal((await started.exec(["cat", "/ready"])).exitCode, 0));
});

test("a container is waited for by HTTP", async () => {
  const container = new GenericContainer(image)
    .withExposedPorts(8000)
    .withCommand(["sh", "-c", server])
    .withWaitStrategy(Wait.forHttp("/", 8000));
  await withContainer(container, async (started) => assert.equal(await fetchText(started, 8000), "it works\n"));
});

test("exec tells output and exit code", async () => {
  await withContainer(new GenericContainer(image).withCommand(["sleep", "1000"]), async (started) => {
    const result = await started.exec(["sh", "-c", "echo out; echo err >&2; exit 7"], { user: "65534", workingDir: "/tmp" });
    assert.deepEqual([result.stdout, result.stderr, result.exitCode], ["out\n", "err\n", 7]);
  });
});

test("content is copied before the start and out again", async () => {
  const container = new GenericContainer(image)
    .withCopyContentToContainer([{ content: "copied", target: "/tmp/there", mode: 0o640 }])
    .withCommand(["sleep", "1000"]);
  await withContainer(container, async (started) => {
    assert.equal((await started.exec(["cat", "/tmp/there"])).output, "copied");
    const chunks = [];
    for await (const chunk of await started.copyArchiveFromContainer("/tmp/there")) chunks.push(chunk);
    assert.ok(Buffer.concat(chunks).includes("copied"));
  });
});

test("containers of a network find each other by alias", async () => {
  const network = await new Network().start();
  try {
    const web = new GenericContainer(image).withNetwork(network).withNetworkAliases("frontpage").withExposedPorts(8000).withCommand(["sh", "-c", server]);
    await withContainer(web, async () => {
      const client = new GenericContainer(image).withNetwork(network).withCommand(["sleep", "1000"]);
      await withContainer(client, async (started) => {
        assert.equal((await started.exec(["wget", "-q", "-O", "-", "http://frontpage:8000/"])).output, "it works\n");
      });
    });
  } finally {
    await network.stop();
  }
});

test("logs are followed", async () => {
  const container = new GenericContainer(image).withCommand(["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.2; done; sleep 1000"]);
  await withContainer(container, async (started) => {
    const stream = await started.logs();
    const awake = setInterval(() => {}, 1000); // the stream alone does not keep Node running
    let text = "";
    await new Promise((resolve, reject) => {
      stream.on("data", (chunk) => (text += chunk).includes("line 3") && resolve());
      stream.on("error", reject);
    });
    clearInterval(awake);
    stream.destroy();
    assert.match(text, /line 1\n[^]*line 2\n[^]*line 3/);
  });
});

test("a container is restarted", async () => {
  await withContainer(new GenericContainer(image).withCommand(["sleep", "1000"]), async (started) => {
    await started.restart({ timeout: 0 });
    assert.equal((await started.exec(["true"])).exitCode, 0);
  });
});

test("an image is built", async () => {
  const { mkdtemp, writeFile, rm } = await import("node:fs/promises");
  const folder = await mkdtemp("/tmp/testcontainers-");
  try {
    await writeFile(`${folder}/Dockerfile`, `FROM ${image}\nARG WORD\nRUN echo $WORD > /word\nCMD ["sleep", "1000"]\n`);
    const container = await GenericContainer.fromDockerfile(folder).withBuildArgs({ WORD: "built" }).build("testcontainers-built:1", { deleteOnExit: true });
    await withContainer(container, async (started) => assert.equal((await started.exec(["cat", "/word"])).output, "built\n"));
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a container is left for Ryuk", async () => {
  const started = await new GenericContainer(image).withCommand(["sleep", "1000"]).start();
  assert.match(started.getId(), /^[0-9a-f]{64}$/);
});
