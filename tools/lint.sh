#!/bin/sh
# Format, names and lints, which module may include which, and that nothing starts a shell. `tools/lint.sh FILE...` lints these sources only.
set -eu
cd "$(dirname "$0")/.."
python3 tools/check_layers.py
python3 tools/check_no_shell.py --self-check
python3 tools/check_no_shell.py
if [ $# -gt 0 ]; then files="$*"; else files=$(git ls-files '*.cpp'); fi
headers=$(git ls-files '*.hpp')
# shellcheck disable=SC2086
clang-format-19 --dry-run --Werror $files $headers
test -f build/dev/compile_commands.json || cmake --preset dev > /dev/null
cmake --build build/dev --target generated_headers sockerless_pch sockerless_api_pch
# shellcheck disable=SC2086
echo $files | tr ' ' '\n' | grep -v '^tests/fuzz/' | xargs -P "$(nproc)" -n 4 clang-tidy-19 -p build/dev --quiet
