package suite

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/network"
	"github.com/testcontainers/testcontainers-go/wait"
)

var image = os.Getenv("BUSYBOX")

const server = "mkdir /www; echo it works > /www/index.html; exec httpd -f -p 8000 -h /www"

func start(t *testing.T, options ...testcontainers.ContainerCustomizer) *testcontainers.DockerContainer {
	t.Helper()
	started, err := testcontainers.Run(context.Background(), image, options...)
	testcontainers.CleanupContainer(t, started, testcontainers.StopTimeout(0))
	if err != nil {
		t.Fatal(err)
	}
	return started
}

func execute(t *testing.T, started *testcontainers.DockerContainer, command ...string) (int, string) {
	t.Helper()
	code, reader, err := started.Exec(context.Background(), command, exec.Multiplexed())
	if err != nil {
		t.Fatal(err)
	}
	output, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return code, string(output)
}

func expect[T comparable](t *testing.T, actual, expected T) {
	t.Helper()
	if actual != expected {
		t.Fatalf("%v, not %v", actual, expected)
	}
}

func fetch(t *testing.T, started *testcontainers.DockerContainer) string {
	t.Helper()
	endpoint, err := started.PortEndpoint(context.Background(), "8000/tcp", "http")
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWaitsForAPort(t *testing.T) {
	started := start(t, testcontainers.WithExposedPorts("8000/tcp"), testcontainers.WithCmd("sh", "-c", "sleep 1; "+server),
		testcontainers.WithWaitStrategy(wait.ForListeningPort("8000/tcp")))
	expect(t, fetch(t, started), "it works\n")
}

func TestWaitsForALog(t *testing.T) {
	start(t, testcontainers.WithCmd("sh", "-c", "sleep 0.5; echo ready >&2; sleep 1000"), testcontainers.WithWaitStrategy(wait.ForLog("ready")))
}

func TestWaitsForHealth(t *testing.T) {
	healthy := func(config *container.Config) {
		config.Healthcheck = &container.HealthConfig{Test: []string{"CMD", "test", "-f", "/ready"}, Interval: 200 * time.Millisecond, Retries: 100}
	}
	started := start(t, testcontainers.WithCmd("sh", "-c", "sleep 0.5; touch /ready; sleep 1000"), testcontainers.WithConfigModifier(healthy),
		testcontainers.WithWaitStrategy(wait.ForHealthCheck()))
	code, _ := execute(t, started, "cat", "/ready")
	expect(t, code, 0)
}

func TestWaitsForHTTP(t *testing.T) {
	started := start(t, testcontainers.WithExposedPorts("8000/tcp"), testcontainers.WithCmd("sh", "-c", server),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/").WithPort("8000/tcp")))
	expect(t, fetch(t, started), "it works\n")
}

func TestWaitsForExit(t *testing.T) {
	started := start(t, testcontainers.WithCmd("sh", "-c", "exit 3"), testcontainers.WithWaitStrategy(wait.ForExit()))
	state, err := started.State(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	expect(t, state.ExitCode, 3)
}

func TestExecTellsOutputAndCode(t *testing.T) {
	started := start(t, testcontainers.WithCmd("sleep", "1000"))
	code, output := execute(t, started, "sh", "-c", "echo out; exit 7")
	expect(t, code, 7)
	expect(t, output, "out\n")
}

func TestFilesAreCopiedBeforeTheStartAndOut(t *testing.T) {
	file := testcontainers.ContainerFile{Reader: strings.NewReader("copied"), ContainerFilePath: "/tmp/there", FileMode: 0o640}
	started := start(t, testcontainers.WithCmd("sleep", "1000"), testcontainers.WithFiles(file))
	_, output := execute(t, started, "cat", "/tmp/there")
	expect(t, output, "copied")
	reader, err := started.CopyFileFromContainer(context.Background(), "/tmp/there")
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, string(content), "copied")
}

func TestContainersOfANetworkFindEachOtherByAlias(t *testing.T) {
	made, err := network.New(context.Background())
	testcontainers.CleanupNetwork(t, made)
	if err != nil {
		t.Fatal(err)
	}
	start(t, network.WithNetwork([]string{"frontpage"}, made), testcontainers.WithExposedPorts("8000/tcp"), testcontainers.WithCmd("sh", "-c", server),
		testcontainers.WithWaitStrategy(wait.ForListeningPort("8000/tcp")))
	client := start(t, network.WithNetwork(nil, made), testcontainers.WithCmd("sleep", "1000"))
	_, output := execute(t, client, "wget", "-q", "-O", "-", "http://frontpage:8000/")
	expect(t, output, "it works\n")
}

type lines chan string

func (l lines) Accept(log testcontainers.Log) { l <- string(log.Content) }

func TestLogsAreFollowed(t *testing.T) {
	seen := make(lines, 100)
	start(t, testcontainers.WithCmd("sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.2; done; sleep 1000"),
		testcontainers.WithLogConsumers(seen))
	for _, expected := range []string{"line 1\n", "line 2\n", "line 3\n"} {
		select {
		case line := <-seen:
			expect(t, line, expected)
		case <-time.After(30 * time.Second):
			t.Fatalf("%q never came", expected)
		}
	}
}

func TestAnImageIsBuilt(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(folder+"/Dockerfile", []byte("FROM "+image+"\nARG WORD\nRUN echo $WORD > /word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	word := "built"
	started, err := testcontainers.GenericContainer(context.Background(), testcontainers.GenericContainerRequest{
		ContainerRequest: testcontainers.ContainerRequest{
			FromDockerfile: testcontainers.FromDockerfile{Context: folder, BuildArgs: map[string]*string{"WORD": &word}},
			Cmd:            []string{"sleep", "1000"},
		},
		Started: true,
	})
	testcontainers.CleanupContainer(t, started, testcontainers.StopTimeout(0))
	if err != nil {
		t.Fatal(err)
	}
	code, reader, err := started.Exec(context.Background(), []string{"cat", "/word"}, exec.Multiplexed())
	if err != nil {
		t.Fatal(err)
	}
	output, _ := io.ReadAll(reader)
	expect(t, code, 0)
	expect(t, string(output), "built\n")
}

func TestStopAndStartKeepsTheFiles(t *testing.T) {
	started := start(t, testcontainers.WithCmd("sleep", "1000"))
	execute(t, started, "touch", "/kept")
	none := time.Duration(0)
	if err := started.Stop(context.Background(), &none); err != nil {
		t.Fatal(err)
	}
	if err := started.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	code, _ := execute(t, started, "test", "-f", "/kept")
	expect(t, code, 0)
}

func TestAContainerIsLeftForRyuk(t *testing.T) {
	started, err := testcontainers.Run(context.Background(), image, testcontainers.WithCmd("sleep", "1000"))
	if err != nil {
		t.Fatal(err)
	}
	expect(t, len(started.GetContainerID()), 64)
}
