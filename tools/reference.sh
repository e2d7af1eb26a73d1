#!/bin/sh
# The reference pages of include/sockerless and of the generated headers: reference.sh GENERATED OUTPUT. A warning is a failure.
set -eu
SOCKERLESS_GENERATED=$(realpath "$1")
mkdir -p "$2"
SOCKERLESS_DOCS_OUTPUT=$(realpath "$2")
export SOCKERLESS_GENERATED SOCKERLESS_DOCS_OUTPUT
cd "$(dirname "$0")/.."
exec doxygen docs/Doxyfile
