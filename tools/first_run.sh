#!/bin/sh
# What `make run` does once everything is built: the daemon, an image, a container, and how to go on. The daemon stays; `make stop` ends it.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/build/bin:$PATH"
state=${SOCKERLESS_STATE:-/var/lib/sockerless}
host=${SOCKERLESS_HOST:-unix:///var/run/sockerless.sock}
run_dir=build/run
mkdir -p "$run_dir"

if sockerless --host "$host" version > /dev/null 2>&1; then
  echo "a daemon already answers at $host"
else
  nohup sockerless serve --host "$host" --state "$state" > "$run_dir/daemon.log" 2>&1 < /dev/null &
  echo $! > "$run_dir/daemon.pid"
  tries=0
  until sockerless --host "$host" version > /dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ] || ! kill -0 "$(cat "$run_dir/daemon.pid")" 2>/dev/null; then
      echo "the daemon did not start:" >&2
      cat "$run_dir/daemon.log" >&2
      exit 1
    fi
    sleep 0.1
  done
  echo "the daemon runs: pid $(cat "$run_dir/daemon.pid"), log $PWD/$run_dir/daemon.log, state $state"
fi

tools/busybox_rootfs.sh | sockerless --host "$host" import -c 'CMD ["sh"]' - busybox:latest
echo "+ sockerless run --rm busybox echo 'hello from a container'"
sockerless --host "$host" run --rm busybox sh -c 'echo "hello from a container: $(uname -s), pid $$, host $(hostname)"'
cat <<TEXT

Point any Docker client at it:
  export DOCKER_HOST=$host
  docker run --rm -i busybox cat
  make context    # or a docker context named "sockerless"
Stop the daemon with: make stop
TEXT
