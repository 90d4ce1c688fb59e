# List the recipes.
default:
    @just --list

# Build ./xrun, static: without CGO_ENABLED=0 it would need the libc it was built with.
build:
    CGO_ENABLED=0 go build -o xrun .

# Build ./xrun with the CUDA engine: a C compiler, no CUDA toolkit.
build-cuda *flags:
    . kernels/cuda/nvidia/env.sh && go build -tags cuda {{flags}} -o xrun .

# The CUDA driver's code against a libcuda whose kernels run on the interpreter.
test-cuda:
    . kernels/cuda/nvidia/env.sh && go test -tags cuda,fakecuda ./kernels/cuda/...

# The README's test command.
test:
    go test ./...

# The kernels without assembly: same bits.
test-noasm:
    go test -tags noasm ./kernels/cpu/... ./kernels/gemm ./kernels/num ./kernels/pool

# Everything CI runs, nothing more.
ci:
    bash .ci/run

# Search the fuzz targets for inputs that break them: just fuzz 10m '^FuzzXLSX$'
fuzz time="10s" targets="^Fuzz":
    .ci/fuzz {{time}} '{{targets}}'

# Rewrite golden files, then look at the diff.
golden:
    XRUN_UPDATE=1 go test ./...

# Regenerate the assembly.
generate:
    go generate ./kernels/...

# Run a study: just run experiments/mask_ablation.cue
run spec *flags:
    go run . {{spec}} {{flags}}

# Regenerate the embedded world and pretrain its base model; leaves no diff.
pretrain:
    bash experiments/pretrain.sh

# Remake the committed report.
report:
    go run . experiments/mask_ablation.cue -runs build/report
    rm -rf experiments/reports/mask_ablation
    mkdir -p experiments/reports
    cp -r build/report/mask_ablation experiments/reports/
    rm experiments/reports/mask_ablation/run.json experiments/reports/mask_ablation/timing.parquet

# Make SmolLM2-135M beside the checkout and test against its references.
smollm2 dir="build/smollm2":
    bash ../shared/tools/smollm2.sh {{dir}}
    XRUN_SMOLLM2={{justfile_directory()}}/{{dir}} go test -count=1 -run 'SmolLM2|OpenCompassScores|LMEvalScores' -v ./model ./runner/suites

# Benchmarks of the kernels, in benchstat's format.
bench pattern=".":
    go test -run '^$' -bench '{{pattern}}' ./kernels/...

# Time the scoring of the items that the harnesses answered, the model as for smollm2.
bench-eval dir="build/smollm2":
    XRUN_SMOLLM2={{justfile_directory()}}/{{dir}} go test -run '^$' -bench Reference -benchtime 1x ./runner/suites
