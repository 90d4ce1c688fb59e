#!/usr/bin/env bash
# header_check.sh CUDA_H: compares include/ with NVIDIA's cuda.h of CUDA 12 (from the
# wheel nvidia-cuda-runtime-cu12): the signatures of functions, the values of constants,
# the sizes of structures and the offsets of fields.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
theirs=$(cd "$(dirname "$1")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ours=$here/include/cuda.h
constants=$here/include/cuda_constants.h
{
    echo '#include <stddef.h>'
    echo '#include "cuda.h"'
    # A declaration that differs from NVIDIA's does not compile.
    echo '#define X(name, params, args) CUresult CUDAAPI name params;'
    echo "#include \"$here/include/cuda_functions.h\""
    sed -nE 's/^\t(CU[A-Z0-9_]+) = (-?[0-9]+),$/_Static_assert(\1 == \2, "\1");/p' "$constants"
    sed -nE 's/^#define (CU_[A-Z_]+) (0x[0-9]+)$/_Static_assert(\1 == \2, "\1");/p' "$constants"
} >"$work/check.c"
${CC:-gcc} -Wall -Werror -Wno-deprecated-declarations -I"$theirs" -fsyntax-only "$work/check.c"

# Sizes and offsets, from both headers with the same program.
layout() { # layout HEADER_DIRECTORY
    {
        echo '#include <stdio.h>'
        echo '#include <stddef.h>'
        echo '#include "cuda.h"'
        echo 'int main(void) {'
        awk '/^typedef struct \{/ { n = 0; next }
             /^\t/ && / / { f = $NF; gsub(/[*;]|\[.*/, "", f); field[n++] = f; next }
             /^} [A-Za-z0-9_]+;/ { t = $2; sub(/;/, "", t); printf "printf(\"%s %%zu\\n\", sizeof(%s));\n", t, t
                 for (i = 0; i < n; i++) printf "printf(\"%s.%s %%zu\\n\", offsetof(%s, %s));\n", t, field[i], t, field[i] }' "$ours"
        echo 'return 0; }'
    } >"$work/layout.c"
    ${CC:-gcc} -I"$1" -o "$work/layout" "$work/layout.c"
    "$work/layout"
}
layout "$here/include" >"$work/ours"
layout "$theirs" >"$work/theirs"
[ "$(wc -l <"$work/ours")" -gt 50 ] || { echo "no structures found in $ours"; exit 1; }
diff "$work/ours" "$work/theirs"
echo "$(grep -c '^X(' "$here/include/cuda_functions.h") functions, $(grep -c _Static_assert "$work/check.c") constants and $(wc -l <"$work/ours") sizes and offsets agree with NVIDIA's cuda.h"
