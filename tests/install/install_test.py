"""Installs the client library into an empty folder and uses it from there: the examples are built with find_package, one of them by
pkg-config, and run against a daemon with the memory backend.

install_test.py SOURCE BUILD COMPILER CMAKE SOCKERLESS
"""
import os
import shutil
import subprocess
import sys
import tempfile
import time

source, build, compiler, cmake, sockerless = sys.argv[1:]


def run(*argv, code=0, text_input="", **more):
    done = subprocess.run(argv, input=text_input, capture_output=True, text=True, timeout=200, **more)
    if done.returncode != code:
        sys.exit(f"{' '.join(argv)}: exit code {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def expect(what, output, *parts):
    missing = [part for part in parts if part not in output]
    if missing:
        sys.exit(f"{what}: {missing} is not in its output:\n{output}")


def start_daemon(folder):
    socket = os.path.join(folder, "s.sock")
    with open(os.path.join(folder, "daemon.log"), "w") as log:
        daemon = subprocess.Popen([sockerless, "serve", "--backend", "memory", "--host", "unix://" + socket, "--state",
                                   os.path.join(folder, "state")], stdout=log, stderr=log)
    give_up = time.monotonic() + 30
    while not os.path.exists(socket):
        if daemon.poll() is not None or time.monotonic() > give_up:
            daemon.kill()
            sys.exit("the daemon did not start: " + open(os.path.join(folder, "daemon.log")).read())
        time.sleep(0.01)  # polling for another process's start: it offers nothing to wait on
    return daemon, "unix://" + socket


def run_examples(bin, host):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DOCKER_")}
    environment.update(DOCKER_HOST=host, DOCKER_CONFIG="/nonexistent")

    def example(name, *arguments, **more):
        return run(os.path.join(bin, name), *arguments, env=environment, **more)

    expect("manager", example("manager", "busybox"), "created example-service", "example-service is healthy",
           "done: remove container example-service")
    with subprocess.Popen([os.path.join(bin, "events"), "2"], env=environment, stdout=subprocess.PIPE, text=True) as events:
        if events.stdout.readline() != "watching\n":
            sys.exit("events did not begin")
        expect("run_and_wait", example("run_and_wait", "busybox", "echo", "hello"), "echo hello")
        expect("events", events.stdout.read(), " create\n", " start\n")
    started = example("run_and_wait", "none-such:1", "true", code=125)
    expect("list", "no containers" if not example("list") and not started else "some", "no containers")
    return example


def main():
    folder = tempfile.mkdtemp(prefix="sockerless-install-")
    daemon = None
    try:
        prefix, bin = os.path.join(folder, "prefix"), os.path.join(folder, "examples")
        run(cmake, "--build", build, "--target", "sockerless_bundle")
        run(cmake, "--install", build, "--component", "sdk", "--prefix", prefix)
        run(cmake, "-G", "Ninja", "-S", os.path.join(source, "examples"), "-B", bin, "-DCMAKE_CXX_COMPILER=" + compiler,
            "-DCMAKE_PREFIX_PATH=" + prefix, "-DCMAKE_BUILD_TYPE=Debug")
        run(cmake, "--build", bin)
        packages = [os.path.join(root, "pkgconfig") for root, folders, _ in os.walk(prefix) if "pkgconfig" in folders]
        flags = run("pkg-config", "--cflags", "--libs", "sockerless", env={**os.environ, "PKG_CONFIG_PATH": packages[0]}).split()
        by_pkg_config = os.path.join(folder, "list")
        run(compiler, os.path.join(source, "examples", "list.cpp"), "-o", by_pkg_config, *flags)
        daemon, host = start_daemon(folder)
        run_examples(bin, host)
        run(by_pkg_config, env={**os.environ, "DOCKER_HOST": host})
    finally:
        if daemon:
            daemon.terminate()
            daemon.wait(20)
        shutil.rmtree(folder)


main()
