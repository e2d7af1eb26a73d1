#!/bin/sh
# One target's short run in ctest: run_short.sh PROGRAM SEEDS RUNS ARTIFACTS. libFuzzer keeps new inputs in its first folder: an empty one
# that goes away, so that every run tries the same inputs.
set -eu
corpus=$(mktemp -d)
trap 'rm -rf "$corpus"' EXIT
"$1" -seed=1 -runs="$3" -max_total_time=60 -timeout=30 -rss_limit_mb=1500 -max_len=16384 -verbosity=0 -artifact_prefix="$4/" "$corpus" "$2"
