#!/bin/sh
# Line coverage of src/sdk and include/sockerless by their own tests and those against a daemon: coverage.sh JOBS. Fails under 95 %.
set -eu
cd "$(dirname "$0")/.."
build=build/coverage
llvm=/usr/lib/llvm-19/bin
least=95
test -f $build/build.ninja || cmake --preset dev -B $build -DCMAKE_RUNTIME_OUTPUT_DIRECTORY="$PWD/$build/bin" \
  -DCMAKE_CXX_FLAGS="-fprofile-instr-generate -fcoverage-mapping" > /dev/null
cmake --build $build -j "$1" --target sdk_test sdk_threads_test clients_test differential_test sockerless
rm -rf $build/profiles
mkdir $build/profiles
export LLVM_PROFILE_FILE="$PWD/$build/profiles/%p-%m.profraw"
$build/bin/sdk_test --gtest_brief=1
$build/bin/sdk_threads_test --gtest_brief=1
$build/bin/clients_test --gtest_brief=1 --gtest_filter='Sdk*:Doctor*:Discovery*'
$build/bin/differential_test --gtest_brief=1
find $build/profiles -name '*.profraw' > $build/profiles/list
$llvm/llvm-profdata merge -sparse -f $build/profiles/list -o $build/profiles/all.profdata
$llvm/llvm-cov report -instr-profile=$build/profiles/all.profdata $build/bin/sdk_test -object $build/bin/sdk_threads_test \
  -object $build/bin/clients_test -object $build/bin/differential_test -object $build/bin/sockerless -ignore-filename-regex='(_test\.cpp|/fake_|/scripted_daemon|/src/api/|/generated/)' \
  -show-region-summary=false -show-branch-summary=false src/sdk include/sockerless > $build/coverage.txt
cat $build/coverage.txt
awk -v least=$least '/^TOTAL/ { share = $NF + 0; printf "line coverage of the client library: %s\n", $NF; exit share < least }' $build/coverage.txt
