#!/usr/bin/env bash
# build.sh [DIR]: compile every .cu here to PTX, into ptx/ or DIR. The output is
# committed and embedded. It depends only on the sources and the version of
# clang-19; .ci/run compiles them again and compares.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-ptx}
clang=${XRUN_CLANG:-clang-19}
mkdir -p "$out"
for source in *.cu; do
  name=${source%.cu}
  "$clang" -x cuda --cuda-gpu-arch=sm_80 --cuda-device-only -nocudainc -nocudalib --cuda-feature=+ptx70 \
    -O3 -std=c++17 -ffp-contract=off -Wall -Werror -S "$source" -o "$out/$name.ptx"
done
