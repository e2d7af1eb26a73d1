#!/bin/sh
# Gives every fuzz target some time and a seed of its own: tools/fuzz.sh [SECONDS [TARGET...]]. What it finds lies in build/fuzz; the
# corpus grows there, too, from run to run.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -eq 0 ] || shift
test -f build/asan/build.ninja || cmake --preset asan > /dev/null
cmake --build build/asan -j "$(nproc)" --target fuzz_tests
[ $# -gt 0 ] || set -- $(ls build/asan/bin | sed -n 's/^fuzz_//p')
for target in "$@"; do
  corpus=build/fuzz/corpus/$target
  mkdir -p "$corpus"
  echo "== $target: $seconds s"
  "build/asan/bin/fuzz_$target" -max_total_time="$seconds" -timeout=30 -rss_limit_mb=1500 -max_len=16384 -verbosity=0 \
    -artifact_prefix="build/fuzz/$target-" "$corpus" "tests/fuzz/corpus/$target"
done
echo "no finds"
